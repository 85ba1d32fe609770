"""limner on a terminal, as a person sees it."""
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time

from gateway import BINARY, environment

LONG = 600  # the sanitizers are slow


class Terminal:
    """limner on a terminal of its own."""

    def __init__(self, args, cwd, env, columns=80):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        # A session of its own with this terminal, so that Ctrl-C reaches it.
        self.p = subprocess.Popen([BINARY, *map(str, args)], cwd=cwd, env=env, stdin=slave, stdout=slave, stderr=slave,
                                  start_new_session=True,
                                  preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.seen = b""

    def read(self, until=None, seconds=LONG):
        """Reads until the text was seen, or to the end."""
        end = time.monotonic() + seconds
        while until is None or until not in self.seen:
            assert time.monotonic() < end, self.seen
            if not select.select([self.master], [], [], 1)[0]:
                continue
            try:
                data = os.read(self.master, 65536)
            except OSError:  # the other side is closed
                break
            if not data:
                break
            self.seen += data
        return self.seen.decode()

    def ctrl_c(self):
        os.write(self.master, b"\x03")

    def end(self):
        self.read()
        code = self.p.wait(LONG)
        os.close(self.master)
        return code


def at_terminal(folder, **options):
    """The environment of somebody who lives in that folder."""
    return environment({"TERM": "xterm", "LC_ALL": "C.UTF-8", "HOME": folder, **options})


def lines_of_bar(text):
    return [s.split("\033[K")[0] for s in text.split("\r") if "\033[K" in s]
