"""A real redis-server: a port and a folder of its own, frozen, killed, restarted or slow as a test likes."""
import contextlib
import os
import pathlib
import signal
import socket
import subprocess

import pytest

from gateway import until

# Debian's redis-tools bring the server's code; by which name it is called decides what it is.
BINARY = pathlib.Path("/usr/bin/redis-check-rdb")


def free_port():
    with contextlib.closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Redis:
    def __init__(self, folder, *arguments):
        self.folder, self.arguments, self.port = folder, arguments, free_port()
        self.process = None
        self.frozen = False
        self.start()

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def start(self):
        words = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", "",
                 "--enable-debug-command", "yes", *self.arguments]
        self.process = subprocess.Popen(words, executable=BINARY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: self.ask("PING") == "PONG")

    def ask(self, *words):
        return subprocess.run(["redis-cli", "-p", str(self.port), "--raw", *map(str, words)], text=True,
                              capture_output=True, timeout=20, check=False).stdout.rstrip("\n")

    def calls(self, command):
        """How often clients have called it since the start, scripts' own calls too."""
        for line in self.ask("INFO", "commandstats").splitlines():
            if line.startswith(f"cmdstat_{command}:"):
                return int(line.partition("calls=")[2].partition(",")[0])
        return 0

    def names(self, pattern="*"):
        return sorted(self.ask("KEYS", pattern).split())

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)
        self.frozen = True

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)
        self.frozen = False

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        if self.process.poll() is None:
            self.kill()


@pytest.fixture
def redis(tmp_path):
    if not BINARY.exists():
        pytest.skip("there is no Redis: tools/deps --dev brings it")
    (tmp_path / "redis").mkdir()
    server = Redis(tmp_path / "redis")
    yield server
    server.close()
