"""A real PostgreSQL in a folder of its own, for as long as a test wants it."""
import glob
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOBODY = 65534


def binaries():
    """Where Debian puts it, or where tools/deps has unpacked it; None: nowhere."""
    for root in (ROOT / "deps" / "postgresql" / "usr", pathlib.Path("/usr")):
        found = sorted(glob.glob(f"{root}/lib/postgresql/*/bin/postgres"))
        if found:
            return pathlib.Path(found[-1]).parent
    return None


class Postgres:
    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="limner-postgres-"))
        self.data = self.folder / "data"
        self.user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        if self.user:
            os.chown(self.folder, NOBODY, NOBODY)  # it refuses to run as root
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.process = None
        self._run("initdb", "-D", self.data, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--username=limner")
        self.start()

    def _run(self, program, *arguments):
        subprocess.run([binaries() / program, *arguments], cwd="/", check=True, capture_output=True, **self.user)

    @property
    def url(self):
        return f"postgres://limner@127.0.0.1:{self.port}/postgres"

    def ask(self, sql):
        """Its rows, as texts; None: it does not answer."""
        done = subprocess.run([binaries() / "psql", "-X", "-At", "-F|", self.url, "-c", sql], cwd="/", capture_output=True,
                              text=True)
        return [line.split("|") for line in done.stdout.splitlines()] if done.returncode == 0 else None

    def start(self, small=None):
        """small: a folder that becomes a file system of one megabyte, for this server alone; only root can have that."""
        options = (f"port={self.port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off",
                   "shared_buffers=16MB")
        command, user = [binaries() / "postgres", "-D", self.data, *(w for o in options for w in ("-c", o))], self.user
        if small:
            mounted = f"mount -t tmpfs -o size=1m,mode=700,uid={NOBODY},gid={NOBODY} small {small} && exec setpriv " \
                      f'--reuid={NOBODY} --regid={NOBODY} --clear-groups "$0" "$@"'
            command, user = ["unshare", "--mount", "sh", "-c", mounted, *command], {}
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(command, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, **user)
        end = time.monotonic() + 30
        while self.ask("SELECT 1") is None:
            assert self.process.poll() is None and time.monotonic() < end, (self.folder / "log").read_text()
            time.sleep(0.05)

    def stop(self):
        """At once, as when the machine loses power."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(20)

    def freeze(self, frozen=True):
        """It and its children take connections and say nothing."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in [self.process.pid, *map(int, children)]:
            os.kill(pid, signal.SIGSTOP if frozen else signal.SIGCONT)

    def close(self):
        if self.process.poll() is None:
            self.freeze(False)
            self.stop()
        shutil.rmtree(self.folder)
