"""The server as a process of its own, and how a test talks to it."""
import json
import pathlib
import subprocess
import sys

import requests

FOLDER = pathlib.Path(__file__).resolve().parents[1]
TOKEN = "r8_test_0123456789abcdefghijklmnopqrstu"


class Upstream:
    """Started at once; close() ends it. Addresses: api, delivery, elsewhere, cog."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen([sys.executable, "-m", "upstream", "--until-eof", *arguments], cwd=FOLDER,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line, "the simulator did not start"
        self.bases = json.loads(line)
        self.api, self.delivery = self.bases["api"], self.bases["delivery"]
        self.elsewhere, self.cog = self.bases["elsewhere"], self.bases["cog"]
        self.base_url = self.api + "/v1"
        self.http = requests.Session()

    @property
    def port(self):
        return int(self.api.rpartition(":")[2])

    def close(self):
        self.http.close()
        self.process.stdin.close()
        assert self.process.wait(20) == 0

    # ---- control ----

    def _tell(self, path, order):
        answer = self.http.post(f"{self.api}/_sim/{path}", json=order, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def reset(self):
        self._tell("reset", {})

    def script(self, *rules, **more):
        """script({"match": {"call": "create"}, "do": "429", "times": 1}, …, seed=1, settings={…}, models={…})"""
        self._tell("script", {"rules": list(rules), **more})

    def set(self, **settings):
        self._tell("script", {"settings": settings})

    def push(self, model):
        return self._tell("push", {"model": model})["version"]

    def webhook(self, url, **order):
        """Sends one now; the status it got."""
        return self._tell("webhook", {"url": url, **order})["status"]

    def put_picture(self, data, kind="image/png", name="out.png"):
        answer = self.http.post(f"{self.api}/_sim/picture?name={name}", data=data, headers={"Content-Type": kind},
                                timeout=30)
        return answer.json()["url"]

    # ---- looking ----

    def record(self):
        return self.http.get(f"{self.api}/_sim/record", timeout=30).json()

    def predictions(self):
        return self.http.get(f"{self.api}/_sim/predictions", timeout=30).json()

    def counts(self):
        return self.record()["counts"]

    def count(self, name):
        """Arrivals of a call ("create"), or of what came of it: created, succeeded, failed, canceled, aborted, billed."""
        return self.counts().get(name, 0)

    def of_model(self, name, what="created"):
        """The same of one model: created, running, highest (at once), succeeded, failed, …"""
        return self.record()["models"].get(name, {}).get(what, 0)

    def asked(self):
        """What Gemini was asked for, in order: "outline", "board 2", "repair outline"."""
        return [r["ask"] for r in self.requests("create") if "ask" in r]

    def requests(self, call=None, **fields):
        return [r for r in self.record()["requests"]
                if call in (None, r["call"]) and all(r[name] == value for name, value in fields.items())]

    def sent(self, call="create"):
        """The JSON bodies of all requests of this call."""
        return [json.loads(r["text"]) for r in self.requests(call) if r["text"]]

    def crashes(self):
        """The simulator's own mistakes."""
        return [r["crash"] for r in self.record()["requests"] if "crash" in r]

    def leaks(self, token=TOKEN):
        """Every place but the API's Authorization header where the token was seen."""
        found = []
        for r in self.record()["requests"]:
            api = r["host"] == "api"
            headers = [f"{n}: {v}" for n, v in r["headers"] if not (api and n.lower() == "authorization")]
            texts = [*headers, r["path"], r["query"], r["text"] or ""]
            found += [(r["host"], r["path"], text) for text in texts if token in text]
        return found


def header(request, name):
    """One header of a recorded request; None without it."""
    return next((value for key, value in request["headers"] if key.lower() == name.lower()), None)
