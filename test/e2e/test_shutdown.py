"""SIGTERM: no new work, what is under way is finished, exit code 0; a second one ends it at once."""
import signal
import socket
import time

import pytest

from gateway import ONE_SLOW_RUN, RUN_MS, SLOW, assert_error, assert_success, until
from jobs import submit
from pictures import fresh
from raw import Wire, post_head


def begin(gateway, wire):
    picture = fresh(kind="JPEG")
    wire.send(post_head(len(picture)).encode() + picture)
    gateway.wait_running("light", 1, 0)


@pytest.mark.short
@pytest.mark.threads
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_drain(start, number):
    gateway = start(**ONE_SLOW_RUN)
    with Wire(gateway, timeout=600) as running, Wire(gateway) as uploading:
        picture = fresh(kind="JPEG")
        uploading.send(post_head(len(picture)).encode() + picture[:100])  # accepted before the signal
        begin(gateway, running)
        gateway.signal(number)
        time.sleep(0.1)
        ready = gateway.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["status"] == "unready"
        assert ready.json()["checks"]["draining"] is True
        assert gateway.get("/health").status_code == 200
        refused = gateway.post(fresh())
        assert_error(refused, 503, "DRAINING")
        assert refused.headers["Connection"] == "close"
        assert gateway.get("/metrics").json()["requests"]["total"] == 3
        uploading.send(picture[100:])
        body = assert_success(running.answer())
        assert body["meta"]["ran_on"] == "instant"
        late = uploading.answer()
        assert late.status_code in (200, 503)
    assert gateway.wait() == 0
    assert gateway.records("draining") and gateway.records("stopped")
    gateway.left = True
    assert (gateway.data / "objects" / body["data"]["key"]).stat().st_size == body["meta"]["bytes"]


@pytest.mark.short
@pytest.mark.threads
def test_second_signal(start):
    gateway = start(**ONE_SLOW_RUN)
    with Wire(gateway, timeout=600) as running:
        begin(gateway, running)
        gateway.signal()
        time.sleep(0.2)
        begun = time.monotonic()
        gateway.signal()
        assert gateway.wait(5) == 130
        assert time.monotonic() - begun < 1 * SLOW
        assert running.answer() is None
    gateway.left = True


def test_drain_has_a_limit(start):
    gateway = start(**ONE_SLOW_RUN | {"INSTANT_MS": 4 * RUN_MS}, DRAIN_TIMEOUT_S=1)
    with Wire(gateway, timeout=600) as running:
        begin(gateway, running)
        gateway.signal()
        begun = time.monotonic()
        assert gateway.wait(10) == 1
        assert 0.9 < time.monotonic() - begun < 3 * SLOW
    assert gateway.records("drain took too long")
    gateway.left = True


@pytest.mark.short
@pytest.mark.threads
def test_nothing_to_finish(start):
    """With idle and half-open connections it stops at once."""
    gateway = start(PROVIDERS="instant")
    with Wire(gateway) as silent, Wire(gateway) as half, Wire(gateway) as kept:
        half.send("POST /api/clarity HTTP/1.1\r\nHost: x\r\n")
        kept.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert kept.answer().status_code == 200
        begun = time.monotonic()
        gateway.signal()
        assert gateway.wait(10) == 0
        assert time.monotonic() - begun < 2 * SLOW
        assert silent.closed() and kept.closed()
    gateway.left = True


@pytest.mark.short
@pytest.mark.threads
def test_a_download_is_finished(start):
    """What is on its way to a client that reads slowly arrives whole."""
    gateway = start(PROVIDERS="instant")
    picture = fresh(kind="JPEG")
    picture += bytes(9 * (1 << 20) - len(picture))
    path = assert_success(gateway.post(picture))["data"]["url"].removeprefix(gateway.url)
    with Wire(gateway) as wire:
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        wire.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.3)
        gateway.signal()
        time.sleep(1)
        answer = wire.answer()
        assert answer.status_code == 200
        assert answer.content == picture
        assert wire.closed()
    assert gateway.wait(5) == 0
    gateway.left = True


def test_a_download_beside_a_job_is_finished(start):
    """The job is left to the next start, but not before the answer has gone."""
    gateway = start(**ONE_SLOW_RUN | {"INSTANT_MS": 4 * RUN_MS}, DRAIN_TIMEOUT_S=60)
    picture = fresh(kind="JPEG")
    picture += bytes(9 * (1 << 20) - len(picture))
    path = assert_success(gateway.post(picture))["data"]["url"].removeprefix(gateway.url)
    with Wire(gateway) as wire:
        submit(gateway, fresh())
        gateway.wait_running("light", 1)
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        wire.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wire.socket.recv(1, socket.MSG_PEEK)
        gateway.signal()
        until(lambda: gateway.records("draining"))
        time.sleep(0.5)  # in which it would have gone
        assert wire.answer().content == picture
    assert gateway.wait(10) == 0
    assert gateway.records("stopped")[-1]["jobs_left_to_the_next_start"] == 1
    gateway.left = True


def test_an_upload_that_hangs_does_not_hold_the_drain(start):
    gateway = start(PROVIDERS="instant", BODY_TIMEOUT_MS=1500)
    with Wire(gateway) as wire:
        wire.send(post_head(5000).encode() + b"\xff\xd8\xff")
        time.sleep(0.2)
        gateway.signal()
        assert gateway.wait(10) == 0
    gateway.left = True


def test_signals_while_starting_and_right_after(start):
    for delay in (0, 0.005, 0.02):
        gateway = start(PROVIDERS="instant")
        time.sleep(delay)
        gateway.signal()
        assert gateway.wait(10) == 0
        gateway.left = True


def test_under_load(start):
    """Sixty clients hammer while it stops: each answer is a whole one, 200 or 503, or the connection is closed."""
    import concurrent.futures
    import requests
    gateway = start(PROVIDERS="instant")
    stop = time.monotonic() + 3

    def hammer(_):
        seen = []
        session = requests.Session()
        while time.monotonic() < stop:
            try:
                answer = gateway.post(fresh(), http=session)
            except requests.ConnectionError:
                seen.append(0)
                break
            seen.append(answer.status_code)
            answer.json()
        return seen

    with concurrent.futures.ThreadPoolExecutor(60) as pool:
        work = [pool.submit(hammer, i) for i in range(60)]
        time.sleep(1)
        gateway.signal()
        assert gateway.wait(10) == 0
        seen = [status for w in work for status in w.result()]
    gateway.left = True
    assert set(seen) <= {0, 200, 503} and seen.count(200) > 60
    done = [r for r in gateway.records("request") if r["outcome"] != "error"]
    assert len(done) == seen.count(200), "a request was finished, and its client not told"
