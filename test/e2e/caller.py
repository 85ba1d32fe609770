"""Who calls the command line with a gateway that does the work, and reads the JSON that it tells."""
import contextlib
import json
import subprocess

import pytest

from gateway import BINARY, SLOW, environment
from pictures import decode


class Caller:
    """Who calls limner in a folder of his own."""

    def __init__(self, folder):
        self.folder, self.out = folder, folder / "out"
        folder.mkdir()

    def _how(self, options):
        env = environment({"LC_ALL": "C.UTF-8", "HOME": self.folder, **options})
        return {"env": env, "cwd": self.folder, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}

    def call(self, *words, text=True, **options):
        return subprocess.run([BINARY, *map(str, words)], text=text, timeout=60 * SLOW, **self._how(options))

    def run(self, gateway, *arguments, command="batch", **more):
        return self.call(command, *arguments, "--server", gateway.url, **more)

    @contextlib.contextmanager
    def begin(self, gateway, *arguments, **options):
        words = [BINARY, "batch", *map(str, arguments), "--server", gateway.url]
        with subprocess.Popen(words, text=True, **self._how(options)) as process:
            yield process
            process.kill()

    def result(self, name):
        return decode((self.out / name).read_bytes())


@pytest.fixture
def caller(tmp_path):
    return Caller(tmp_path / "caller")


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def of(events, kind):
    return [e for e in events if e["event"] == kind]
