"""Slots and places to wait: how many, who is refused, and what a client that leaves gives back; rate limits."""
import concurrent.futures

import pytest

from gateway import assert_error, assert_success, refusal, until
from pictures import encode, fresh, photo
from raw import Wire, post_head


def long_one(n=0):
    """Takes the best network a few seconds."""
    return encode(photo(200, 160, left=n), "JPEG")


def endless():
    """Takes far longer than the test that lets go of it: a run stops between tiles when its client leaves."""
    return encode(photo(480, 500), "JPEG")


@pytest.fixture
def narrow(start):
    """One at a time, and one may wait."""
    return start(PROVIDERS="local", LOCAL_QUALITY="best", QUEUE_MAX=1)


def send(wire, picture):
    wire.send(post_head(len(picture)).encode() + picture)


@pytest.mark.short
def test_queue_full(narrow):
    with Wire(narrow, timeout=600) as running, Wire(narrow, timeout=600) as waiting:
        send(running, endless())
        narrow.wait_running("local", 1, 0)
        send(waiting, long_one(10))
        narrow.wait_running("local", 1, 1)
        for i in range(3):
            answer = narrow.post(long_one(20 + i))
            assert_error(answer, 429, "QUEUE_FULL", says="wait already")
        assert narrow.limiter("local") == {"name": "local", "slots": 1, "running": 1, "waiting": 1}
        problem = narrow.post(long_one(30), headers={"Accept": "application/problem+json"})
        assert problem.status_code == 429 and int(problem.headers["Retry-After"]) >= 1
        assert problem.json()["retryable"] is True
        assert_success(running.answer())
        assert_success(waiting.answer())
    narrow.wait_idle()
    requests = narrow.metrics()["requests"]
    assert (requests["total"], requests["success"], requests["error"]) == (6, 2, 4)


def test_retry_after_follows_what_runs_take(narrow):
    """After a run of some seconds the advice is no longer a guess."""
    took = assert_success(narrow.post(long_one(0)))["meta"]["timings"]["total_ms"] / 1000
    with Wire(narrow, timeout=600) as running, Wire(narrow, timeout=600) as waiting:
        send(running, long_one(1))
        narrow.wait_running("local", 1, 0)
        send(waiting, long_one(2))
        narrow.wait_running("local", 1, 1)
        advice = int(narrow.post(long_one(3)).headers["Retry-After"])
    assert took * 0.5 <= advice <= took * 3 + 2


@pytest.mark.short
def test_who_leaves_the_queue_frees_the_place(narrow):
    with Wire(narrow, timeout=600) as running:
        send(running, endless())
        narrow.wait_running("local", 1, 0)
        for i in range(3):
            with Wire(narrow) as waiting:
                send(waiting, long_one(10 + i))
                narrow.wait_running("local", 1, 1)
            narrow.wait_running("local", 1, 0)
            until(lambda: len(narrow.records("request", error="CLIENT_GONE")) == i + 1)
        with Wire(narrow, timeout=600) as waiting:  # the place can be had again
            send(waiting, long_one(20))
            narrow.wait_running("local", 1, 1)
            assert_success(running.answer())
            assert_success(waiting.answer())
    narrow.wait_idle()
    assert len(narrow.objects()) == 2
    assert narrow.spooled() == []


def test_half_close_counts_as_leaving(narrow):
    import socket
    with Wire(narrow, timeout=600) as running, Wire(narrow, timeout=5) as waiting:
        send(running, endless())
        narrow.wait_running("local", 1, 0)
        send(waiting, long_one(1))
        narrow.wait_running("local", 1, 1)
        waiting.socket.shutdown(socket.SHUT_WR)
        narrow.wait_running("local", 1, 0)


def test_a_running_one_that_leaves_frees_the_slot(narrow):
    """The work stops between tiles."""
    for i in range(2):
        with Wire(narrow) as wire:
            send(wire, encode(photo(380, 400, left=i), "JPEG"))
            narrow.wait_running("local", 1, 0)
    assert_success(narrow.post(fresh(32, 32)))
    narrow.wait_idle()
    assert len(narrow.objects()) == 1


def test_waiting_takes_turns(start):
    """First come, first served."""
    gateway = start(PROVIDERS="local", LOCAL_QUALITY="best")
    order = []
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        def one(n):
            assert_success(gateway.post(encode(photo(64, 48, left=n), "PNG")))
            order.append(n)
        work = [pool.submit(lambda: assert_success(gateway.post(long_one())))]
        gateway.wait_running("local", 1, 0)
        for n in range(5):
            work.append(pool.submit(one, n))
            gateway.wait_running("local", 1, n + 1)
        for w in work:
            w.result()
    assert order == sorted(order)


def test_wait_has_a_limit(start):
    gateway = start(PROVIDERS="local", LOCAL_QUALITY="best", QUEUE_TIMEOUT_MS=500)
    with Wire(gateway, timeout=600) as running:
        send(running, encode(photo(380, 400), "JPEG"))
        gateway.wait_running("local", 1, 0)
        assert_error(gateway.post(fresh()), 504, "DEADLINE_EXCEEDED", says="queue")
        gateway.wait_running("local", 1, 0)
    gateway.wait_running("local", 0, 0)


def test_run_has_a_limit(start):
    gateway = start(PROVIDERS="local", LOCAL_QUALITY="best", RUN_TIMEOUT_MS=300)
    with refusal(gateway, ran=True):
        assert_error(gateway.post(encode(photo(380, 400), "JPEG")), 504, "DEADLINE_EXCEEDED", says="run")


@pytest.mark.short
def test_classes_have_their_slots(start):
    """/status names every limiter with the slots that its option gives."""
    gateway = start(PROVIDERS="instant", REPLICATE_LIGHT_CONCURRENCY=3, REPLICATE_HEAVY_CONCURRENCY=2,
                    REPLICATE_COMIC_CONCURRENCY=1)
    until(lambda: gateway.limiter("light"))
    slots = {l["name"]: l["slots"] for l in gateway.status()["limiters"]}
    assert slots == {"light": 3, "heavy": 2, "comic": 1, "local": 1}
    shots = [fresh() for _ in range(50)]
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        for answer in pool.map(gateway.post, shots):
            assert_success(answer)
    gateway.wait_idle()


def test_status_shows_what_runs(narrow):
    with Wire(narrow, timeout=600) as running:
        picture = encode(photo(380, 400), "JPEG")
        running.send(post_head(len(picture), more="x-request-id: look-at-me\r\n").encode() + picture)
        until(lambda: [r for r in narrow.status()["requests"] if r.get("progress", {}).get("total")], 60)
        shown = narrow.status()["requests"][0]
        assert shown["id"] == "look-at-me"
        assert shown["feature"] == "improveClarity"
        assert shown["stage"] == "run"
        assert shown["age_ms"] > 0
        assert 0 <= shown["progress"]["done"] <= shown["progress"]["total"]


# ---- requests a minute ----

@pytest.mark.short
@pytest.mark.parametrize("route,most", [("/api/clarity", 60), ("/api/enhance", 60), ("/api/ai-beautify", 30)])
def test_rate_limit(start, route, most):
    gateway = start(PROVIDERS="instant", RATE_LIMITS="on")
    picture = fresh(16, 16)
    for i in range(most):
        answer = gateway.post(picture, route)
        assert_success(answer)
        assert int(answer.headers["RateLimit-Limit"]) == most
        assert int(answer.headers["RateLimit-Remaining"]) <= most - 1 - i + 1
    answer = gateway.post(picture, route)
    assert_error(answer, 429, "RATE_LIMIT_EXCEEDED", says=f"{most} requests a minute")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.headers["RateLimit-Remaining"] == "0"
    other = "/api/enhance" if route == "/api/clarity" else "/api/clarity"
    assert_success(gateway.post(picture, other))  # each route counts for itself
    for _ in range(3):
        assert gateway.get("/health").status_code == 200


def test_rate_limit_by_caller(start):
    """Behind a proxy the caller is who the proxy says; without one, nobody is believed."""
    believing = start(PROVIDERS="instant", RATE_LIMITS="on", TRUST_PROXY=1)
    picture = fresh(16, 16)

    def ask(gateway, address):
        return gateway.post(picture, "/api/ai-beautify", headers={"X-Forwarded-For": address}).status_code

    assert [ask(believing, "198.51.100.1") for _ in range(31)] == [200] * 30 + [429]
    assert ask(believing, "198.51.100.2") == 200
    assert ask(believing, "203.0.113.9, 198.51.100.1") == 429  # only the last hop is the proxy's own word
    assert [ask(believing, f"2001:db8:0:1::{i}") for i in range(31)] == [200] * 30 + [429]  # one /64
    assert ask(believing, "2001:db8:0:2::1") == 200
    plain = start(PROVIDERS="instant", RATE_LIMITS="on")
    assert [ask(plain, f"198.51.100.{i}") for i in range(31)] == [200] * 30 + [429]


def test_links_say_https_behind_a_trusted_proxy(start):
    """What the proxy says of the scheme counts only when a proxy is trusted."""
    headers = {"X-Forwarded-Proto": "https"}
    doubting, believing = start(PROVIDERS="instant"), start(PROVIDERS="instant", TRUST_PROXY=1)
    assert doubting.post(fresh(), headers=headers).json()["data"]["url"].startswith("http://127.0.0.1:")
    assert believing.post(fresh(), headers=headers).json()["data"]["url"].startswith("https://127.0.0.1:")
    assert believing.post(fresh()).json()["data"]["url"].startswith("http://127.0.0.1:")
