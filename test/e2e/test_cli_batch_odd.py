"""limner batch against a gateway that answers oddly: one of the test's own, which follows a script."""
import http.server
import json
import threading
import time

import pytest

from caller import lines, of
from pictures import fresh

JOB = "2da90811-97aa-44d9-84f0-acc18f057017"
PICTURE = fresh()


class Odd(http.server.ThreadingHTTPServer):
    """Takes what is posted for a job; how that stands, and what its files are, the test says."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.posted = {"state": "queued"}  # with what the 202 says
        self.replayed = []                 # of each post; beyond them: not
        self.stands = []                   # of each look at the job; the last one stays
        self.files = {"/a.png": PICTURE}
        self.keys, self.looks = [], []     # of posts; times

    def completed(self, *paths):
        outputs = [{"url": self.url + path} for path in paths]
        return {"state": "completed", "result": {"data": {**outputs[0], "outputs": outputs}, "meta": {"model": "odd"}}}


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def send(self, status, body, **headers):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["Prefer"] == "respond-async"
        number = len(self.server.keys)
        self.server.keys.append(self.headers["Idempotency-Key"])
        replayed = number < len(self.server.replayed) and self.server.replayed[number]
        self.send(202, {"data": {"job_id": JOB, **self.server.posted}}, **{"Idempotent_Replayed": "true"} if replayed else {})

    def do_GET(self):
        if not self.path.startswith("/api/jobs/"):
            found = self.server.files.get(self.path)
            self.send(200 if found else 404, found or b"")
            return
        assert self.path == f"/api/jobs/{JOB}?wait=2"
        self.server.looks.append(time.monotonic())
        stands = self.server.stands
        self.send(200, {"data": {"job_id": JOB, **(stands.pop(0) if len(stands) > 1 else stands[0])}})


@pytest.fixture
def odd(caller):
    (caller.folder / "in.png").write_bytes(PICTURE)
    with Odd() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server
        server.shutdown()


def batch(caller, odd, *words):
    said = caller.run(odd, "in.png", "--feature", "clarity", "-o", "out.png", "--json", *words)
    return said.returncode, lines(said.stdout)


def test_progress_and_no_haste(odd, caller):
    """One that does not hold its answers back is not asked all the time."""
    running = {"state": "running", "stage": "run", "progress": {"done": 1, "total": 4, "percent": 25}}
    odd.stands = [running, odd.completed("/a.png")]
    code, events = batch(caller, odd)
    assert code == 0
    assert [e.get("percent") for e in events[1:-1]] == [25, 100]
    assert odd.looks[1] - odd.looks[0] > 0.9
    assert (caller.folder / "out.png").read_bytes() == PICTURE


def test_a_result_that_was_deleted_is_made_anew(odd, caller):
    odd.replayed = [True]
    odd.stands = [odd.completed("/gone.png"), odd.completed("/a.png")]
    assert batch(caller, odd)[0] == 0
    assert [key[-2:] for key in odd.keys] == ["-0", "-1"] and odd.keys[0][:-2] == odd.keys[1][:-2]


def test_all_results_or_none(odd, caller):
    odd.stands = [odd.completed("/a.png", "/gone.png")]
    code, events = batch(caller, odd)
    assert code == 1
    assert of(events, "failed")[0]["error"]["message"] == "the answer was HTTP status 404"
    assert [f.name for f in caller.folder.iterdir() if f.suffix == ".png"] == ["in.png"]
    odd.files["/gone.png"] = PICTURE
    assert batch(caller, odd)[0] == 0
    assert (caller.folder / "out-2.png").read_bytes() == PICTURE


@pytest.mark.parametrize("stands, words, code, posts", [
    ({"state": "failed", "billed": True, "error": {"message": "no", "code": "UNKNOWN_OUTCOME", "retryable": False}}, [], 1, 1),
    ({"state": "failed", "billed": True, "error": {"message": "no", "code": "CONTENT_FILTERED", "retryable": False}}, [], 1, 1),
    ({"state": "failed", "billed": True, "error": {"message": "no", "code": "CONTENT_FILTERED", "retryable": False}}, ["-f"], 1, 2),
    ({"state": "failed", "billed": False, "error": {"message": "no", "code": "BUDGET_EXCEEDED", "retryable": False}}, [], 1, 2),
    ({"state": "failed", "billed": True, "error": {"message": "no", "code": "REPLICATE_ERROR", "retryable": True}}, [], 1, 2),
    ({"state": "canceled", "billed": True}, [], 1, 2)])
def test_what_was_over_before(odd, caller, stands, words, code, posts):
    """What may have cost money and would fail alike is not done again unless somebody insists."""
    odd.posted = stands
    odd.replayed = [True]
    assert batch(caller, odd, *words)[0] == code
    assert len(odd.keys) == posts


@pytest.mark.parametrize("stands", [
    {"state": "completed", "result": {"data": {}}}, {"state": "completed"}, {"state": "failed"},
    {"state": "failed", "error": {"message": "\x1b[2J"}}])
def test_answers_that_make_no_sense(odd, caller, stands):
    odd.stands = [stands]
    code, events = batch(caller, odd)
    assert code == 1 and events[-1]["failed"] == 1
    assert "\x1b" not in of(events, "failed")[0]["error"]["message"]


def test_no_picture_comes(odd, caller):
    odd.files["/a.png"] = b"<html>"
    odd.stands = [odd.completed("/a.png")]
    assert batch(caller, odd)[0] == 1
    assert not (caller.folder / "out.png").exists()
