"""A job's end is told to the address it named: signed, tried again, and on request once more."""
import base64
import contextlib
import hashlib
import hmac
import http.server
import json
import threading

import pytest
import requests

from gateway import SLOW, assert_error, until
from jobs import ended, events, submit
from pictures import fresh

pytestmark = [pytest.mark.short, pytest.mark.threads]
KEY = b"a key of twenty-four b.."
SECRET = "whsec_" + base64.b64encode(KEY).decode()
OPEN = {"PROVIDERS": "instant", "CALLBACK_SECRET": SECRET, "ALLOW_PRIVATE_FETCH": "true"}


class Receiver:
    """Answers what it is told to, and keeps what came."""

    def __init__(self):
        self.answers, self.got, self.hang = [], [], threading.Event()
        self.hang.set()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((dict(self.headers.items()), body))
                receiver.hang.wait(30)
                status = receiver.answers.pop(0) if receiver.answers else 204
                with contextlib.suppress(OSError):
                    self.send_response(status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/told?by=limner"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.hang.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver():
    with contextlib.closing(Receiver()) as made:
        yield made


def told(gateway, job_id):
    return gateway.get(f"/api/jobs/{job_id}/callback").json()["data"]


def verify(headers, body):
    """As a receiver does it."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == "v1," + wanted
    return json.loads(body)


def test_the_end_is_told(start, receiver):
    gateway = start(**OPEN)
    accepted = submit(gateway, fresh(), fields={"callback_url": receiver.url})
    until(lambda: receiver.got)
    message = verify(*receiver.got[0])
    assert message["type"] == "job.completed" and message["data"]["job_id"] == accepted["job_id"]
    assert requests.get(message["data"]["result"]["data"]["url"], timeout=30).status_code == 200
    until(lambda: told(gateway, accepted["job_id"])["state"] == "delivered")
    assert [a["status"] for a in told(gateway, accepted["job_id"])["attempts"]] == [204]


def test_an_address_alone_asks_for_a_job(start, receiver):
    gateway = start(**OPEN)
    assert gateway.post(fresh(), fields={"callback_url": receiver.url}).status_code == 202


def test_it_is_tried_again_also_by_the_next_process(start, receiver):
    receiver.answers = [500]
    gateway = start(**OPEN)
    accepted = submit(gateway, fresh(), fields={"callback_url": receiver.url})
    until(lambda: told(gateway, accepted["job_id"])["attempts"])
    before = told(gateway, accepted["job_id"])
    assert before["state"] == "pending" and before["next_ms"] > before["attempts"][0]["at_ms"]
    gateway.process.kill()
    gateway.process.wait()
    gateway.start()
    assert [name for _, name, _ in events(gateway, accepted["job_id"], after=1)] == ["completed"]
    until(lambda: told(gateway, accepted["job_id"])["state"] == "delivered", 20)
    assert [a["status"] for a in told(gateway, accepted["job_id"])["attempts"]] == [500, 204]
    assert len({h["webhook-id"] for h, _ in receiver.got}) == 1


def test_who_is_gone_is_left_alone_until_somebody_asks(start, receiver):
    receiver.answers = [410]
    gateway = start(**OPEN)
    accepted = submit(gateway, fresh(), fields={"callback_url": receiver.url})
    until(lambda: told(gateway, accepted["job_id"])["state"] == "failed")
    again = requests.post(f"{gateway.url}/api/jobs/{accepted['job_id']}/callback", timeout=30 * SLOW)
    assert again.status_code == 200, again.text
    until(lambda: told(gateway, accepted["job_id"])["state"] == "delivered")
    assert len(receiver.got) == 2


def test_one_that_hangs_holds_up_nothing(start, receiver):
    receiver.hang.clear()
    gateway = start(CALLBACK_CONCURRENCY=1, **OPEN)
    stuck = [submit(gateway, fresh(), fields={"callback_url": receiver.url}) for _ in range(3)]
    for one in stuck:
        assert ended(gateway, one["job_id"])["state"] == "completed"
    assert len(receiver.got) <= 1
    receiver.hang.set()
    until(lambda: len(receiver.got) == 3, 30)


def test_the_end_cuts_one_that_hangs(start, receiver):
    """It is late: the next process tells it again."""
    receiver.hang.clear()
    gateway = start(DRAIN_TIMEOUT_S=1, **OPEN)
    accepted = submit(gateway, fresh(), fields={"callback_url": receiver.url})
    until(lambda: receiver.got)
    gateway.signal()
    assert gateway.wait(8) == 0
    gateway.check_log()
    receiver.hang.set()
    gateway.start()
    until(lambda: told(gateway, accepted["job_id"])["state"] == "delivered", 20)
    assert len(receiver.got) == 2


def test_inside_addresses_are_not_told(start, receiver):
    gateway = start(PROVIDERS="instant", CALLBACK_SECRET=SECRET)
    accepted = submit(gateway, fresh(), fields={"callback_url": receiver.url})
    until(lambda: told(gateway, accepted["job_id"])["attempts"])
    assert not receiver.got
    assert "public address" in told(gateway, accepted["job_id"])["attempts"][0]["error"].lower()


@pytest.mark.parametrize("url", ["ftp://example.org/", "nothing", "http://" + "x" * 2100])
def test_addresses_that_are_none(instant, url):
    refused = instant.post(fresh(), fields={"callback_url": url})
    assert_error(refused, 400, "VALIDATION_ERROR", "callback_url")


def test_a_job_without_one(instant):
    accepted = submit(instant, fresh())
    assert_error(instant.get(f"/api/jobs/{accepted['job_id']}/callback"), 404, "NOT_FOUND")


def test_a_secret_that_is_none(tmp_path):
    from gateway import Gateway
    with pytest.raises(AssertionError, match="CALLBACK_SECRET"):
        Gateway(tmp_path / "bad", CALLBACK_SECRET="not a secret at all").start()
