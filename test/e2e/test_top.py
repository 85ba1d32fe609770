"""limner top: in a terminal of its own, and as plain lines."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from gateway import BINARY, SLOW, assert_success, until
from pictures import fresh


class Terminal:
    """A pseudo-terminal with limner top in it; what was written to it is in `said`."""

    def __init__(self, gateway, columns=80, lines=24, **env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color", LC_ALL="C.UTF-8", **env)
            time.sleep(0.2)  # the size is set meanwhile
            os.execv(BINARY, [BINARY, "top", "--url", gateway.url, "--interval", "0.2"])
        self.said = ""
        self.resize(columns, lines)
        self.modes = termios.tcgetattr(self.fd)

    def resize(self, columns, lines):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read(self):
        while select.select([self.fd], [], [], 0.05)[0]:
            try:
                self.said += os.read(self.fd, 65536).decode()
            except OSError:
                return

    def frame(self):
        """The last whole picture, as lines without colours."""
        self.read()
        frames = re.findall("\x1b\\[\\?2026h(.*?)\x1b\\[\\?2026l", self.said, re.DOTALL)
        return [re.sub("\x1b\\[[0-9;?]*[a-zA-Z]", "", line) for line in frames[-1].replace("\r", "").split("\n")] if frames else []

    def wait(self):
        end = time.monotonic() + 10 * SLOW
        while time.monotonic() < end:
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGKILL)
        raise AssertionError("limner top did not end")


@pytest.mark.parametrize("end", [b"q", b"\x03"])
def test_in_a_terminal(start, end):
    gateway = start(PROVIDERS="instant")
    picture = fresh()
    for _ in range(3):
        assert_success(gateway.post(picture))
    t = Terminal(gateway)
    until(lambda: any("improveClarity" in line for line in t.frame()))
    frame = t.frame()
    assert len(frame) <= 24 and max(map(len, frame)) <= 80
    assert "ready" in frame[0] and "q quits" in frame[0] and "requests 3" in frame[2] and "hits 2" in frame[2]
    assert any(re.match(r"light +\[\.{10}\] +0/8", line) for line in frame)
    assert any(re.match(r"instant +ok", line) for line in frame)
    assert "\x1b[1;36m" in t.said  # colours
    t.resize(200, 50)
    until(lambda: any(line.startswith("features") and "answered" in line for line in t.frame()))
    assert any(line.startswith("comic") for line in t.frame())  # there is room for what is idle
    os.write(t.fd, end)
    assert t.wait() == 0
    assert t.said.rindex("\x1b[?1049l") > t.said.rindex("\x1b[?1049h") and "\x1b[?25h" in t.said


def test_gateway_goes_away(start):
    gateway = start(PROVIDERS="instant")
    t = Terminal(gateway, NO_COLOR="1")
    until(lambda: t.frame())
    gateway.stop()
    gateway.left = True
    until(lambda: "no answer" in t.frame()[0])
    os.kill(t.pid, signal.SIGTERM)
    assert t.wait() == 128 + signal.SIGTERM
    assert not re.search("\x1b\\[[0-9;]*m", t.said)
    assert t.said.rstrip().endswith("\x1b[?1049l")


def top(*arguments):
    return subprocess.run([BINARY, "top", *arguments], capture_output=True, text=True, timeout=30 * SLOW)


def test_plain(start):
    gateway = start(PROVIDERS="instant", METRICS_TOKEN="numbers-for-the-few")
    assert_success(gateway.post(fresh()))
    ended = top("--url", gateway.url, "--token", "numbers-for-the-few", "--once", "--interval", "0.3")
    assert (ended.returncode, ended.stderr) == (0, "") and "\x1b" not in ended.stdout
    assert "improveClarity" in ended.stdout and ended.stdout.count("limner ") == 1
    ended = top("--url", gateway.url, "--once")
    assert ended.returncode == 1 and "METRICS_TOKEN" in ended.stderr
    ended = top("--url", "http://127.0.0.1:1", "--once")
    assert ended.returncode == 1 and "no answer" in ended.stderr
    for wrong in (("--url", "here"), ("--interval", "0"), ("--often",)):
        assert top(*wrong).returncode == 2
