"""Slots and places to wait: how many, who is refused, and what a client that leaves gives back; rate limits."""
import concurrent.futures

import pytest

from gateway import ONE_SLOW_RUN, RUN_MS, assert_error, assert_success, until
from pictures import fresh
from raw import Wire, post_head


@pytest.fixture
def narrow(start):
    """One at a time, which takes its time, and one may wait."""
    return start(**ONE_SLOW_RUN, QUEUE_MAX=1)


def send(wire, picture):
    wire.send(post_head(len(picture)).encode() + picture)


@pytest.mark.short
@pytest.mark.threads
def test_queue_full(narrow):
    with Wire(narrow, timeout=600) as running, Wire(narrow, timeout=600) as waiting:
        send(running, fresh())
        narrow.wait_running("light", 1, 0)
        send(waiting, fresh())
        narrow.wait_running("light", 1, 1)
        for _ in range(3):
            answer = narrow.post(fresh())
            assert_error(answer, 429, "QUEUE_FULL", says="wait already")
        assert narrow.limiter("light") == {"name": "light", "slots": 1, "running": 1, "waiting": 1}
        problem = narrow.post(fresh(), headers={"Accept": "application/problem+json"})
        assert problem.status_code == 429 and int(problem.headers["Retry-After"]) >= 1
        assert problem.json()["retryable"] is True
        assert_success(running.answer())
        assert_success(waiting.answer())
    narrow.wait_idle()
    requests = narrow.metrics()["requests"]
    assert (requests["total"], requests["success"], requests["error"]) == (6, 2, 4)


def test_retry_after_follows_what_runs_take(narrow):
    """After a run of some seconds the advice is no longer a guess."""
    took = assert_success(narrow.post(fresh()))["meta"]["timings"]["total_ms"] / 1000
    with Wire(narrow, timeout=600) as running, Wire(narrow, timeout=600) as waiting:
        send(running, fresh())
        narrow.wait_running("light", 1, 0)
        send(waiting, fresh())
        narrow.wait_running("light", 1, 1)
        advice = int(narrow.post(fresh()).headers["Retry-After"])
    assert took * 0.5 <= advice <= took * 3 + 2


@pytest.mark.short
@pytest.mark.threads
def test_who_leaves_the_queue_frees_the_place(narrow):
    with Wire(narrow, timeout=600) as running:
        send(running, fresh())
        narrow.wait_running("light", 1, 0)
        for i in range(3):
            with Wire(narrow) as waiting:
                send(waiting, fresh())
                narrow.wait_running("light", 1, 1)
            narrow.wait_running("light", 1, 0)
            until(lambda: len(narrow.records("request", error="CLIENT_GONE")) == i + 1)
        with Wire(narrow, timeout=600) as waiting:  # the place can be had again
            send(waiting, fresh())
            narrow.wait_running("light", 1, 1)
            assert_success(running.answer())
            assert_success(waiting.answer())
    narrow.wait_idle()
    assert len(narrow.objects()) == 2
    assert narrow.spooled() == []


def test_half_close_counts_as_leaving(narrow):
    import socket
    with Wire(narrow, timeout=600) as running, Wire(narrow, timeout=5) as waiting:
        send(running, fresh())
        narrow.wait_running("light", 1, 0)
        send(waiting, fresh())
        narrow.wait_running("light", 1, 1)
        waiting.socket.shutdown(socket.SHUT_WR)
        narrow.wait_running("light", 1, 0)


def test_waiting_takes_turns(start):
    """First come, first served."""
    gateway = start(**ONE_SLOW_RUN | {"INSTANT_MS": RUN_MS // 4})
    order = []
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        def one(n):
            assert_success(gateway.post(fresh()))
            order.append(n)
        work = [pool.submit(one, 0)]
        gateway.wait_running("light", 1, 0)
        for n in range(1, 6):
            work.append(pool.submit(one, n))
            until(lambda: gateway.request_count() + gateway.limiter("light")["waiting"] == n)
        for w in work:
            w.result()
    assert order == sorted(order)


def test_wait_has_a_limit(start):
    gateway = start(**ONE_SLOW_RUN, QUEUE_TIMEOUT_MS=500)
    with Wire(gateway, timeout=600) as running:
        send(running, fresh())
        gateway.wait_running("light", 1, 0)
        assert_error(gateway.post(fresh()), 504, "DEADLINE_EXCEEDED", says="queue")
        gateway.wait_running("light", 1, 0)
    gateway.wait_running("light", 0, 0)


@pytest.mark.short
@pytest.mark.threads
def test_classes_have_their_slots(start):
    """/status names every limiter with the slots that its option gives."""
    gateway = start(PROVIDERS="instant", REPLICATE_LIGHT_CONCURRENCY=3, REPLICATE_HEAVY_CONCURRENCY=2,
                    REPLICATE_COMIC_CONCURRENCY=1, CONCURRENCY_REPLACE_BG=5, FETCH_CONCURRENCY=7)
    until(lambda: gateway.limiter("light"))
    slots = {l["name"]: l["slots"] for l in gateway.status()["limiters"]}
    assert slots == {"light": 3, "heavy": 2, "comic": 1, "local": 1, "replace-bg": 5, "fetch": 7}
    shots = [fresh() for _ in range(50)]
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        for answer in pool.map(gateway.post, shots):
            assert_success(answer)
    gateway.wait_idle()


# ---- requests a minute ----

@pytest.mark.short
@pytest.mark.threads
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
