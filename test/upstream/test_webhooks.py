"""What the sender of webhooks does, seen by a receiver."""
import http.server
import json
import threading
import time

import pytest
from replicate.webhook import InvalidSignatureError, Webhooks, WebhookSigningSecret

from .helpers import create, finished

SECRET = WebhookSigningSecret(key="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")


class Receiver(http.server.ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.got, self.answers = [], []
        self.url = f"http://127.0.0.1:{self.server_port}/hook?a=1"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def wait(self, count):
        end = time.monotonic() + 10
        while len(self.got) < count:
            assert time.monotonic() < end, self.got
            time.sleep(0.01)
        return self.got


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        self.send_response(self.server.answers.pop(0) if self.server.answers else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *more):
        pass


@pytest.fixture
def receiver():
    server = Receiver()
    yield server
    server.shutdown()
    server.server_close()


def statuses(receiver):
    return [json.loads(body)["status"] for _, _, body in receiver.got]


def good(delivery):
    _, headers, body = delivery
    try:
        Webhooks.validate(headers=headers, body=body.decode(), secret=SECRET)
        return True
    except (ValueError, InvalidSignatureError):
        return False


def test_events_in_order(upstream, receiver):
    create(upstream, webhook=receiver.url, webhook_events_filter=["start", "output", "completed"])
    receiver.wait(3)
    assert statuses(receiver) == ["processing", "processing", "succeeded"]
    assert all(good(delivery) for delivery in receiver.got)
    assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 3
    assert receiver.got[0][0] == "/hook?a=1"


def test_only_what_was_asked_for(upstream, receiver):
    finished(upstream, create(upstream, webhook=receiver.url, webhook_events_filter=["completed"]).json())
    receiver.wait(1)
    time.sleep(0.1)
    assert statuses(receiver) == ["succeeded"]


def test_the_last_event_is_tried_again(upstream, receiver):
    receiver.answers += [500, 404, 200]
    create(upstream, webhook=receiver.url, webhook_events_filter=["completed"])
    receiver.wait(3)
    assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 1
    assert [hook["status"] for hook in upstream.record()["webhooks"]] == [500, 404, 200]


def options(upstream, receiver, events=("completed",), count=1, **more):
    upstream.script({"match": {"call": "webhook"}, "do": "webhook", **more})
    create(upstream, webhook=receiver.url, webhook_events_filter=list(events))
    receiver.wait(count)
    time.sleep(0.1)
    assert len(receiver.got) == count
    return receiver.got


def test_copies(upstream, receiver):
    first, second = options(upstream, receiver, count=2, copies=2)
    assert first[1]["webhook-id"] == second[1]["webhook-id"]


@pytest.mark.parametrize("signature", ["wrong", "foreign", "garbage", "missing"])
def test_bad_signatures(upstream, receiver, signature):
    assert not good(options(upstream, receiver, signature=signature)[0])


def test_only_another_scheme(upstream, receiver):
    """Receivers are to pass over schemes they do not know; the official helper does not look."""
    assert options(upstream, receiver, signature="v2")[0][1]["webhook-signature"].startswith("v2,")


def test_several_signatures(upstream, receiver):
    delivery = options(upstream, receiver, signature="second")[0]
    assert good(delivery) and delivery[1]["webhook-signature"].startswith("v2,")


def test_stale(upstream, receiver):
    delivery = options(upstream, receiver, timestamp_s=-3600)[0]
    assert good(delivery) and int(delivery[1]["webhook-timestamp"]) < time.time() - 3500


def test_out_of_order(upstream, receiver):
    options(upstream, receiver, events=("output", "completed"), count=2, swap=True)
    assert statuses(receiver) == ["succeeded", "processing"]


def test_lost(upstream, receiver):
    upstream.script({"match": {"call": "webhook"}, "do": "webhook", "drop": ["completed"]})
    finished(upstream, create(upstream, webhook=receiver.url).json())
    receiver.wait(1)
    assert statuses(receiver) == ["processing"]


def test_a_lost_try_is_followed_by_another(upstream, receiver):
    options(upstream, receiver, lose_first=True)


def test_before_the_answer(upstream, receiver):
    upstream.script({"match": {"call": "create"}, "do": "after_webhook"})
    made = create(upstream, webhook=receiver.url, webhook_events_filter=["completed"])
    assert statuses(receiver) == ["succeeded"] and made.status_code == 201


def test_by_hand(upstream, receiver):
    assert upstream.webhook(receiver.url, body='{"status":"x"}', id="msg_7") == 200
    assert receiver.got[0][1]["webhook-id"] == "msg_7" and good(receiver.got[0])
    assert upstream.webhook("http://127.0.0.1:1/", body="{}") == 0
