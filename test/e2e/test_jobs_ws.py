"""The events of many jobs over one WebSocket."""
import json
import socket
import time

import pytest
import requests

from gateway import ONE_SLOW_RUN, SLOW, until
from jobs import OVER, job, submit
from pictures import fresh

websockets = pytest.importorskip("websockets.sync.client")
pytestmark = [pytest.mark.short, pytest.mark.threads]


def connect(gateway, **more):
    return websockets.connect(f"ws://127.0.0.1:{gateway.port}/ws", **more)


def say(ws, **message):
    ws.send(json.dumps(message))


def hear(ws):
    return json.loads(ws.recv(timeout=30 * SLOW))


def test_two_jobs_are_followed_to_their_ends(start):
    gateway = start(**ONE_SLOW_RUN)
    jobs = [submit(gateway, fresh())["job_id"] for _ in range(2)]
    seen = {name: [] for name in jobs}
    with connect(gateway) as ws:
        for name in jobs:
            say(ws, type="subscribe", job_id=name)
        while any(not e or e[-1]["event"] not in OVER for e in seen.values()):
            message = hear(ws)
            if message.get("type") != "subscribed":
                seen[message["job_id"]].append(message)
    for events in seen.values():
        assert [e["id"] for e in events] == list(range(1, len(events) + 1))
        assert events[0]["event"] == "queued" and events[-1]["event"] == "completed"


def test_from_the_middle_on(instant):
    name = submit(instant, fresh())["job_id"]
    until(lambda: job(instant, name)["state"] == "completed")
    with connect(instant) as ws:
        say(ws, type="subscribe", job_id=name)
        assert hear(ws) == {"type": "subscribed", "job_id": name}
        first = hear(ws)
        events = [first]
        while events[-1]["event"] != "completed":
            events.append(hear(ws))
        say(ws, type="unsubscribe", job_id=name)
        assert hear(ws)["type"] == "unsubscribed"
        say(ws, type="subscribe", job_id=name, after=events[-2]["id"])
        assert hear(ws)["type"] == "subscribed"
        assert hear(ws) == events[-1]


def test_cancel_and_ping(start):
    gateway = start(**ONE_SLOW_RUN)
    name = submit(gateway, fresh())["job_id"]
    with connect(gateway) as ws:
        say(ws, type="ping")
        assert hear(ws) == {"type": "pong"}
        say(ws, type="cancel", job_id=name)
        until(lambda: job(gateway, name)["state"] == "canceled")


@pytest.mark.parametrize("message, code", [
    ("words", "VALIDATION_ERROR"), ("[]", "VALIDATION_ERROR"), ('{"type":"dance","job_id":"x"}', "VALIDATION_ERROR"),
    ('{"type":"subscribe"}', "VALIDATION_ERROR"), ('{"type":"subscribe","job_id":"none"}', "NOT_FOUND")])
def test_what_cannot_be_done_is_said(instant, message, code):
    with connect(instant) as ws:
        ws.send(message)
        said = hear(ws)
        assert (said["type"], said["code"]) == ("error", code)
        say(ws, type="ping")
        assert hear(ws) == {"type": "pong"}


def test_strangers_are_refused(start):
    gateway = start(PROVIDERS="instant", API_KEYS="app:0123456789abcdef", CORS_ORIGINS="https://app.example")
    key = {"x-api-key": "0123456789abcdef"}
    with pytest.raises(Exception, match="401"):
        connect(gateway)
    with pytest.raises(Exception, match="403"):
        connect(gateway, additional_headers=key, origin="https://evil.example")
    with connect(gateway, additional_headers=key, origin="https://app.example") as ws:
        say(ws, type="ping")
        assert hear(ws) == {"type": "pong"}


def test_a_plain_request_is_told_what_is_expected(instant):
    assert requests.get(f"{instant.url}/ws", timeout=30).status_code in (400, 426)


def test_the_end_of_the_server(start):
    gateway = start(PROVIDERS="instant")
    with connect(gateway) as ws:
        say(ws, type="ping")
        hear(ws)
        gateway.signal()
        with pytest.raises(Exception, match="1001"):
            hear(ws)
    assert gateway.wait() == 0


def test_one_that_never_reads_does_not_hold_up_others(start):
    """It subscribes to the same job again and again, and takes nothing of what comes."""
    gateway = start(STREAM_QUEUE_BYTES=4096, **ONE_SLOW_RUN)
    name = submit(gateway, fresh())["job_id"]
    with connect(gateway) as ws:
        raw = ws.socket
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        for _ in range(40):
            say(ws, type="subscribe", job_id=name)
            say(ws, type="unsubscribe", job_id=name)
            time.sleep(0.05)
    until(lambda: job(gateway, name)["state"] == "completed", 30)
