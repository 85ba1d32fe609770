"""Clients that are slow, silent or many: each is bounded, and the others do not notice."""
import concurrent.futures
import contextlib
import time

import pytest

from gateway import SLOW, assert_error, assert_success, refusal, until
from pictures import encode, fresh, photo
from raw import Wire, post_head

JPEG = encode(photo(64, 48), "JPEG")


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    from gateway import Gateway
    gateway = Gateway(tmp_path_factory.mktemp("strict"), PROVIDERS="instant", HEADER_TIMEOUT_MS=1200,
                      BODY_TIMEOUT_MS=1500, KEEPALIVE_TIMEOUT_MS=1000).start()
    yield gateway
    gateway.stop()


def cut_between(seconds, least, most):
    assert seconds is not None, "it was never cut"
    assert least <= seconds <= most * SLOW, seconds


@pytest.mark.short
@pytest.mark.threads
def test_slow_headers(strict):
    """A byte each 0.1 s: never idle, and still cut at the limit."""
    head = "GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: " + "a" * 1000
    with refusal(strict, errors=0), Wire(strict) as wire:
        cut_between(wire.drip(head.encode(), 0.1, 20), 1.1, 2.5)
        assert_error(wire.answer(), 408, "REQUEST_TIMEOUT")
        assert wire.closed()


@pytest.mark.short
@pytest.mark.threads
def test_slow_body(strict):
    with refusal(strict), Wire(strict) as wire:
        wire.send(post_head(len(JPEG)))
        cut_between(wire.drip(JPEG, 0.1, 20), 1.4, 3)
        assert_error(wire.answer(), 408, "REQUEST_TIMEOUT")
        assert wire.closed()
        until(lambda: strict.records("request", error="CLIENT_GONE"))


def test_no_headers_at_all(strict):
    """Nothing was said, so nothing is answered."""
    with Wire(strict) as wire:
        begun = time.monotonic()
        assert wire.closed(20)
        cut_between(time.monotonic() - begun, 1.1, 2.5)


def test_idle_after_an_answer(strict):
    with Wire(strict) as wire:
        wire.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wire.answer().status_code == 200
        begun = time.monotonic()
        assert wire.closed(20)
        cut_between(time.monotonic() - begun, 0.9, 2.5)


def test_second_request_is_limited_too(strict):
    with Wire(strict) as wire:
        wire.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wire.answer().status_code == 200
        cut_between(wire.drip(b"GET /health HTTP/1.1\r\nX-Slow: " + b"a" * 1000, 0.1, 20), 0.9, 3.5)


def test_body_below_the_least_rate(start):
    """100 bytes a second would take all day; after 5 s the average is looked at."""
    gateway = start(PROVIDERS="instant")
    with refusal(gateway), Wire(gateway) as wire:
        wire.send(post_head(100_000))
        cut_between(wire.drip(JPEG * 100, 0.02, 30), 4.9, 7)
        assert_error(wire.answer(), 408, "REQUEST_TIMEOUT")


def test_slow_but_honest(strict):
    """An upload that takes a while, within its limit, arrives."""
    picture = fresh(kind="JPEG")
    with Wire(strict) as wire:
        wire.send(post_head(len(picture)))
        for i in range(0, len(picture), len(picture) // 8 + 1):
            wire.send(picture[i:i + len(picture) // 8 + 1])
            time.sleep(0.1)
        assert_success(wire.answer())


def test_two_thousand_idle_connections(start):
    gateway = start(PROVIDERS="instant")
    most = gateway.records("listening")[0]["connections_max"]
    if most < 2200:
        pytest.skip(f"the file limit allows {most} connections only")
    memory = gateway.memory_kb()
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(gateway)) for _ in range(2000)]
        for i, wire in enumerate(wires):
            if i % 2:
                wire.send("POST /api/clarity HTTP/1.1\r\nHost: x\r\n")  # and nothing more
            elif i % 4:
                wire.send(post_head(len(JPEG)).encode() + JPEG[:50])
        for _ in range(5):
            begun = time.monotonic()
            assert gateway.get("/health").status_code == 200
            assert_success(gateway.post(fresh()))
            assert time.monotonic() - begun < 1 * SLOW
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            for answer in pool.map(lambda _: gateway.post(fresh()), range(100)):
                assert_success(answer)
        assert (gateway.memory_kb() - memory) / 2000 < 60 * SLOW  # kB a connection
    gateway.wait_idle()
    until(lambda: gateway.connections() < 16)


def test_more_connections_than_places(start):
    """Who finds no place hears so at once, and the others keep theirs."""
    gateway = start(PROVIDERS="instant", CONNECTIONS_MAX=20)
    with contextlib.ExitStack() as stack:
        until(lambda: gateway.connections() == 0)
        wires = [stack.enter_context(Wire(gateway)) for _ in range(20)]
        for wire in wires:
            wire.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert wire.answer().status_code == 200
        for _ in range(5):
            late = stack.enter_context(Wire(gateway))
            late.try_send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = late.answer()
            assert_error(answer, 503, "OVERLOADED", says="connections")
            assert late.closed()
        wires[0].send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wires[0].answer().status_code == 200
    until(lambda: gateway.get("/health").status_code == 200)
