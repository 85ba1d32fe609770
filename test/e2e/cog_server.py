"""A real Cog server around the small model of test/e2e/cog: a process of its own, with levers (cog/predict.py).

Two generations: in Rust, as new images have it, and on FastAPI, as most images that were ever published have it.
"""
import os
import pathlib
import socket
import subprocess
import sys

import requests

from gateway import ROOT, until

FOLDER = pathlib.Path(__file__).resolve().parent / "cog"
PYTHONS = {"rust": pathlib.Path(sys.executable), "fastapi": ROOT / "deps" / "cog-venv" / "bin" / "python"}


def _free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class CogServer:
    """Levers are files: there they are pulled."""

    def __init__(self, folder, generation="rust"):
        self.folder, self.python = pathlib.Path(folder), PYTHONS[generation]
        self.folder.mkdir(parents=True)
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None

    def start(self):
        """Its set-up ends when the lever "setup" is pulled."""
        env = {
            "PATH": f"{self.python.parent}:{os.environ['PATH']}",  # it starts "python" for its model
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "LEVERS": str(self.folder),
            "PORT": str(self.port),
            "COG_PREDICT_TYPE_STUB": "predict.py:Predictor",
            "COG_LOG_LEVEL": "warning",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        with open(self.folder / "log.txt", "ab") as log:
            self.process = subprocess.Popen([self.python, "-m", "cog.server.http", "--host", "127.0.0.1"], env=env,
                                            cwd=FOLDER, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(lambda: self.health() is not None, 30)
        return self

    def health(self):
        try:
            return requests.get(self.url + "/health-check", timeout=5).json()["status"]
        except requests.ConnectionError:
            assert self.process.poll() is None, (self.folder / "log.txt").read_text()
            return None

    def wait(self, status):
        until(lambda: self.health() == status, 30)
        return self

    def ready(self):
        self.pull("setup")
        return self.wait("READY")

    def pull(self, lever):
        (self.folder / lever).touch()

    def push(self, lever):
        (self.folder / lever).unlink()

    def lines(self, name):
        file = self.folder / name
        return file.read_text().splitlines() if file.exists() else []

    def runs(self):
        """What it was asked to do: "JPEG 192x192 2 False"."""
        return self.lines("runs")

    def kill(self):
        """As a machine that loses power: nobody says goodbye. Its model process notices."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        (self.folder / "hold").unlink(missing_ok=True)
        self.pull("setup")
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
