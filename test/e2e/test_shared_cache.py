"""Gateways that share their results through Redis, and a Redis that is slow, frozen, killed and back."""
import statistics
import subprocess
import threading
import time

import pytest

from cloud import CREATE, ask
from gateway import BINARY, DEFAULTS, SLOW, assert_success, environment, until
from pictures import fresh

TIMEOUT_MS = 50


def up(gateway):
    checks = gateway.get("/readyz").json()["checks"]
    return checks["redis"] == "ok" and checks["limits"] == "shared"


@pytest.fixture
def pair(start, redis, tmp_path):
    """Two that keep their results in the same place."""
    made = [start(PROVIDERS="instant", REDIS_URL=redis.url, DATA_DIR=tmp_path / "data") for _ in range(2)]
    for gateway in made:
        until(lambda g=gateway: up(g))
    return made


def shared(gateway):
    return gateway.metrics()["cache"]["shared"]


@pytest.mark.short
def test_what_one_has_made_is_a_hit_for_the_other(pair, redis):
    a, b = pair
    picture = fresh()
    first = assert_success(ask(a, picture))
    assert first["meta"]["cached"] is False
    until(lambda: redis.names("limner:*:result:*"))
    second = assert_success(ask(b, picture))
    assert second["meta"]["cached"] is True
    assert second["data"]["key"] == first["data"]["key"]
    assert second["meta"]["ran_on"] == "instant"
    assert b.get("/files/" + second["data"]["url"].partition("/files/")[2]).status_code == 200
    assert b.record_of(ask(b, picture))["outcome"] == "hit"  # from its own memory by now
    assert shared(b) == {"hits": 1, "misses": 0, "errors": 0, "off": 0}
    assert shared(a) == {"hits": 0, "misses": 1, "errors": 0, "off": 0}
    assert b.metrics()["requests"]["cached"] == 2


def test_only_small_things_lie_in_redis(pair, redis):
    ask(pair[0], fresh(600, 600))
    name = until(lambda: redis.names("limner:*:result:*"))[0]
    assert len(redis.ask("GET", name)) < 1000
    assert 0 < int(redis.ask("PTTL", name)) <= 300000


def test_another_store_is_another_space(start, redis):
    """Nobody could open the links."""
    a, b = (start(PROVIDERS="instant", REDIS_URL=redis.url) for _ in range(2))
    picture = fresh()
    assert_success(ask(a, picture))
    until(lambda: redis.names("limner:*:result:*"))
    assert assert_success(ask(b, picture))["meta"]["cached"] is False
    assert len(until(lambda: redis.names("limner:*:result:*"))) == 2


def test_a_crowd_asks_once(pair, redis):
    a, b = pair
    picture = fresh(900, 900)
    ask(a, picture)
    until(lambda: redis.names("limner:*:result:*"))
    before = redis.calls("eval")
    threads, answers = [], []
    for _ in range(60):
        threads.append(threading.Thread(target=lambda: answers.append(assert_success(ask(b, picture)))))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert redis.calls("eval") - before == 1
    assert len({answer["data"]["key"] for answer in answers}) == 1
    assert all(answer["meta"]["cached"] or answer["meta"].get("joined") for answer in answers)


@pytest.mark.parametrize("value", ["rubbish", '{"v":0}', "{}", ""])
def test_older_and_broken_values_are_misses(pair, redis, value):
    a, b = pair
    picture = fresh()
    ask(a, picture)
    name = until(lambda: redis.names("limner:*:result:*"))[0]
    redis.ask("SET", name, value)
    assert assert_success(ask(b, picture))["meta"]["cached"] is False
    until(lambda: redis.ask("GET", name).startswith('{"v":1,'))  # it has been put again


def test_frozen(pair, redis):
    """One request waits for its limit; no other does; all are answered, and it comes back by itself."""
    a, _ = pair
    redis.freeze()
    times = []
    for _ in range(20):
        begun = time.monotonic()
        assert_success(ask(a, fresh()))
        times.append((time.monotonic() - begun) * 1000)
    until(lambda: not up(a))
    answer = a.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert sum(t > TIMEOUT_MS for t in times[1:]) <= 2 * SLOW, times
    counts = shared(a)
    assert counts["errors"] + counts["off"] == 20 and counts["errors"] <= 2
    redis.thaw()
    until(lambda: up(a), 20)
    assert a.get("/readyz").json()["status"] == "ready"
    picture = fresh()
    ask(a, picture)
    until(lambda: redis.names("limner:*:result:*"))


@pytest.mark.short
def test_killed_and_restarted(pair, redis):
    a, b = pair
    redis.kill()
    until(lambda: not up(a))
    for _ in range(5):
        assert_success(ask(a, fresh()))
    redis.start()
    until(lambda: up(a) and up(b), 20)
    picture = fresh()
    ask(a, picture)
    until(lambda: redis.names("limner:*:result:*"))
    assert assert_success(ask(b, picture))["meta"]["cached"] is True


def test_absent_from_the_start(start, redis):
    redis.kill()
    gateway = start(PROVIDERS="instant", REDIS_URL=redis.url)
    assert gateway.get("/readyz").json()["checks"]["redis"] == "unavailable"
    times = []
    for _ in range(10):
        begun = time.monotonic()
        assert_success(ask(gateway, fresh()))
        times.append((time.monotonic() - begun) * 1000)
    assert statistics.median(times) < TIMEOUT_MS * SLOW
    assert len(gateway.records("redis switched off")) == 1  # said once, however often it is tried
    redis.start()
    until(lambda: up(gateway), 20)


def test_slow(pair, redis):
    """It sleeps in the middle of work, again and again: nobody notices but the counters."""
    a, _ = pair
    stop = threading.Event()

    def sleeper():
        while not stop.is_set():
            redis.ask("DEBUG", "SLEEP", "0.3")
            time.sleep(0.05)

    thread = threading.Thread(target=sleeper)
    thread.start()
    try:
        for _ in range(30):
            assert_success(ask(a, fresh()))
    finally:
        stop.set()
        thread.join()
    until(lambda: up(a), 20)


def test_full(start, redis, tmp_path):
    """A server that takes nothing any more: it is told off by nobody, and all goes on."""
    redis.ask("CONFIG", "SET", "maxmemory", "1")
    gateway = start(PROVIDERS="instant", REDIS_URL=redis.url)
    until(lambda: up(gateway))
    for _ in range(3):
        assert_success(ask(gateway, fresh()))
    assert redis.names() == []


def test_degraded_is_not_kept_long(bare, redis):
    """What only a fallback could give leaves Redis soon, too."""
    bare.upstream.script({"match": CREATE, "do": "429", "times": 9})
    gateway = bare.start(PROVIDERS="replicate,instant", REDIS_URL=redis.url, DEGRADED_TTL_MS=20000, AI_RETRIES=0)
    until(lambda: up(gateway))
    assert assert_success(ask(gateway))["meta"]["degraded"] is True
    name = until(lambda: redis.names("limner:*:result:*"))[0]
    assert 0 < int(redis.ask("PTTL", name)) <= 20000


@pytest.mark.parametrize("url, says", [("rediss://h", "TLS"), ("redis://:pw@", "REDIS_URL cannot be read"),
                                       ("http://h", "redis://")])
def test_an_address_that_cannot_be_used_stops_the_start(url, says, tmp_path):
    run = subprocess.run([BINARY, "serve"], env=environment(DEFAULTS | {"DATA_DIR": tmp_path, "REDIS_URL": url}), cwd=tmp_path,
                         capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 1
    assert says in run.stderr and "pw" not in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1
