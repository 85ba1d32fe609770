"""Three gateways behind nginx on one Redis: their slots and their account's rate are one for all, whatever happens to
Redis or to a gateway."""
import concurrent.futures
import contextlib
import signal
import threading
import time

import pytest

from cloud import CREATE, ask, life
from cluster import crowd, together
from gateway import assert_success, until
from pictures import fresh
from redis_server import Redis

MANY = {"REPLICATE_CREATES_PER_MINUTE": 100000}


@contextlib.contextmanager
def meanwhile(what, *arguments):
    """Does it in a thread; its value is in the list that is given, once it is over."""
    got = []
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(what, *arguments)
        yield got
        got.append(future.result())


def highest(bare):
    return bare.upstream.record()["highest"].get("all", 0)


@pytest.mark.short
@pytest.mark.threads
def test_the_sum_of_slots_is_kept(bare, fronted):
    bare.upstream.script(life(run_s=0.2, times=72))
    gateways, front = fronted(3, **MANY)
    crowd(front, [fresh() for _ in range(72)])  # 24 at each, which has 8 slots
    assert highest(bare) == 8
    assert bare.upstream.count("created") == 72
    assert all(len(g.records("request")) >= 20 for g in gateways)
    for gateway in gateways:
        gateway.wait_idle()


def test_one_run_for_six_hundred(bare, fronted):
    bare.upstream.script(life(wait_s=0, run_s=2))
    _, front = fronted(3)
    answers = crowd(front, [fresh()] * 600)
    assert bare.upstream.count("create") == bare.upstream.count("created") == 1
    assert len({answer["data"]["key"] for answer in answers}) == 1


def test_the_leader_is_killed(bare, fronted):
    """All are answered, those too that asked the dead one: nginx asks another, which waits like all for its lease."""
    bare.upstream.script(life(wait_s=0, run_s=3), life(wait_s=0, run_s=0.2))
    gateways, front = fronted(3)
    with meanwhile(crowd, front, [fresh()] * 60) as got:
        until(lambda: bare.upstream.count("create") == 1)
        leader = next(g for g in gateways if "run" in [r["stage"] for r in g.status()["requests"]])
        until(lambda: all(g.status()["open"] >= 10 for g in gateways))
        leader.signal(signal.SIGKILL)
        leader.wait()
        leader.left = True
    assert len({answer["data"]["key"] for answer in got[0]}) == 1
    assert bare.upstream.count("created") == 2
    bare.over()


class Load:
    """Posts to the gateways in turn, so many at a time, until it is told to stop."""

    def __init__(self, gateways, threads):
        self.over, self.done = threading.Event(), 0
        self.pool = concurrent.futures.ThreadPoolExecutor(threads)
        self.futures = [self.pool.submit(self._run, gateways[i % len(gateways)]) for i in range(threads)]

    def _run(self, gateway):
        while not self.over.is_set():
            assert_success(ask(gateway, fresh()))
            self.done += 1

    def more(self, count=12):
        """So many are answered from now on."""
        goal = self.done + count
        until(lambda: self.done >= goal, 30)

    def stop(self):
        self.over.set()
        for future in self.futures:
            future.result()


def sum_is_kept(bare, gateways, slots):
    for gateway in gateways:
        gateway.wait_idle()
    bare.upstream.reset()
    bare.upstream.script(life(run_s=0.1, times=24))
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        for answer in pool.map(lambda i: ask(gateways[i % 3], fresh()), range(24)):
            assert_success(answer)
    assert highest(bare) == slots


@pytest.mark.parametrize("trouble", ["frozen", "killed", "slow"])
def test_redis_in_trouble_under_load(bare, cluster, redis, trouble):
    """Nothing fails; each gateway goes on alone, and then they have one limit again."""
    bare.upstream.script(life(run_s=0.05, times=100000))
    gateways = cluster(3, REPLICATE_LIGHT_CONCURRENCY=3, REDIS_TIMEOUT_MS=200, **MANY)
    load = Load(gateways, 12)
    load.more()
    begun = time.monotonic()
    if trouble == "slow":
        with meanwhile(redis.ask, "DEBUG", "SLEEP", "1"):
            until(lambda: not any(together(g) for g in gateways))
            load.more()
    else:
        redis.freeze() if trouble == "frozen" else redis.kill()
        until(lambda: not any(together(g) for g in gateways))
        answer = gateways[0].get("/readyz")
        assert (answer.status_code, answer.json()["status"], answer.json()["checks"]["limits"]) == (200, "degraded", "alone")
        assert "limner_limits_shared 0\n" in gateways[0].get("/metrics", headers={"Accept": "text/plain"}).text
        load.more()
        redis.thaw() if trouble == "frozen" else redis.start()
    until(lambda: all(together(g) for g in gateways), 20)
    load.more()
    load.stop()
    assert time.monotonic() - begun < 60
    sum_is_kept(bare, gateways, 3)


def test_a_gateway_that_ends_leaves_nothing(bare, cluster, redis):
    """It finishes what it has, and its slots go to those who wait elsewhere."""
    bare.upstream.script(life(run_s=0.5, times=6))
    gateways = cluster(3, REPLICATE_LIGHT_CONCURRENCY=2, REDIS_LEASE_MS=30000)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(ask, gateways[0], fresh()) for _ in range(2)]
        gateways[0].wait_running("light", 2)
        asked += [pool.submit(ask, gateways[i % 3], fresh()) for i in range(4)]
        until(lambda: sum(g.limiter("light")["waiting"] for g in gateways) == 4)
        gateways[0].signal()
        for future in asked:
            assert_success(future.result())
    assert gateways[0].wait() == 0
    assert highest(bare) == 2
    until(lambda: redis.names("limner:limits:light:*") == [])


def test_limits_apart_from_a_cache_that_evicts(bare, cluster, redis, tmp_path):
    (tmp_path / "other").mkdir()
    limits = Redis(tmp_path / "other")
    try:
        redis.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        redis.ask("CONFIG", "SET", "maxmemory", "3mb")
        bare.upstream.script(life(run_s=0.5, times=24))
        gateways = cluster(3, REDIS_LIMITS_URL=limits.url, REPLICATE_LIGHT_CONCURRENCY=3, **MANY)
        with concurrent.futures.ThreadPoolExecutor(9) as pool:
            asked = [pool.submit(ask, gateways[i % 3], fresh()) for i in range(9)]
            until(lambda: limits.names("limner:limits:light:*"))
            redis.ask("DEBUG", "POPULATE", "20000", "junk", "200")
            assert int(redis.ask("INFO", "stats").partition("evicted_keys:")[2].split()[0]) > 0
            for future in asked:
                assert_success(future.result())
        assert highest(bare) == 3
        assert redis.names("limner:limits:*") == []
        assert not gateways[0].records("limits may be evicted")
        until(lambda: limits.names() == ["limner:limits:accounts"])
        bold = bare.start(REDIS_URL=redis.url)
        warning = until(lambda: bold.records("limits may be evicted"))[0]
        assert warning["maxmemory_policy"] == "allkeys-lru" and "REDIS_LIMITS_URL" in warning["advice"]
    finally:
        limits.close()


def test_one_rate_for_the_account(bare, cluster):
    """120 a minute: 12 at once, then one each 0.55 s, at whichever gateway."""
    gateways = cluster(3, REPLICATE_CREATES_PER_MINUTE=120, REPLICATE_LIGHT_CONCURRENCY=18)
    bare.upstream.script(life(run_s=0, times=18))
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for answer in pool.map(lambda i: ask(gateways[i % 3], fresh()), range(16)):
            assert_success(answer)
    times = sorted(r["at"] for r in bare.upstream.requests("create"))
    assert len(times) == 16
    for n, at in enumerate(times):
        assert at - times[0] > (n - 11) * 60 / 109 - 0.3


def test_a_pause_is_everybodys(bare, cluster):
    """What one is told with a 429, all keep to."""
    bare.upstream.script({"match": CREATE, "do": "429", "retry_after": 2, "times": 1}, life(run_s=0, times=9))
    gateways = cluster(3)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(ask, gateways[0], fresh())]
        until(lambda: bare.upstream.count("create") == 1)
        time.sleep(0.2)
        asked += [pool.submit(ask, gateway, fresh()) for gateway in gateways[1:]]
        for future in asked:
            assert_success(future.result())
    first, *others = sorted(bare.upstream.requests("create"), key=lambda r: r["at"])
    assert first["status"] == 429 and len(others) == 3
    assert all(other["at"] - first["answered_at"] > 2 for other in others)
