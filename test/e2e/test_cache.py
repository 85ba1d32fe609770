"""What is remembered, for how long and how much; and identical requests at the same moment."""
import concurrent.futures
import threading
import time

import pytest
import requests

from gateway import RUN_MS, SLOW, Gateway, assert_error, assert_success, until
from pictures import encode, fresh, photo
from raw import Wire, post_head


def cached(gateway, picture, **more):
    return assert_success(gateway.post(picture, **more))["meta"]["cached"]


@pytest.mark.short
@pytest.mark.threads
def test_second_time(instant):
    picture = fresh()
    before = instant.metrics()["requests"]
    first, second = (assert_success(instant.post(picture)) for _ in range(2))
    assert (first["meta"]["cached"], second["meta"]["cached"]) == (False, True)
    assert first["data"]["key"] == second["data"]["key"]
    assert first["request_id"] != second["request_id"] == second["meta"]["requestId"]
    assert {k: v for k, v in first["meta"].items() if k not in ("cached", "timings", "requestId")} == \
        {k: v for k, v in second["meta"].items() if k not in ("cached", "timings", "requestId")}
    after = instant.metrics()["requests"]
    assert after["total"] - before["total"] == 2
    assert after["success"] - before["success"] == 2
    assert after["cached"] - before["cached"] == 1


@pytest.mark.short
@pytest.mark.threads
def test_what_makes_a_request_another_one(instant):
    picture = fresh(kind="JPEG")
    assert not cached(instant, picture)
    assert cached(instant, picture, fields={"scale": "2"})  # the default, said aloud
    assert cached(instant, picture, fields={"faceEnhance": "no"})
    assert cached(instant, picture, name="another name.png")
    assert cached(instant, picture, headers={"Accept": "*/*", "x-request-id": "other"})
    assert not cached(instant, picture, fields={"scale": "4"})
    assert not cached(instant, picture, fields={"faceEnhance": "yes"})
    assert not cached(instant, picture, fields={"quality": "best"})
    assert not cached(instant, picture, route="/api/enhance")
    assert not cached(instant, picture, route="/api/ai-beautify")
    assert not cached(instant, picture + b"\0")


@pytest.mark.short
@pytest.mark.threads
def test_ttl(start):
    gateway = start(PROVIDERS="instant", CACHE_TTL_MS=700 * SLOW)
    picture = fresh()
    assert not cached(gateway, picture)
    assert cached(gateway, picture)
    assert gateway.metrics()["cache"] == {"size": 1, "maxSize": 100, "ttlMs": 700 * SLOW}
    time.sleep(0.8 * SLOW)
    assert gateway.metrics()["cache"]["size"] == 0
    assert not cached(gateway, picture)


def test_a_hit_does_not_prolong(start):
    gateway = start(PROVIDERS="instant", CACHE_TTL_MS=1000 * SLOW)
    picture = fresh()
    assert not cached(gateway, picture)
    end = time.monotonic() + 0.6 * SLOW
    while time.monotonic() < end:
        assert cached(gateway, picture)
        time.sleep(0.05)
    time.sleep(0.5 * SLOW)
    assert not cached(gateway, picture)


@pytest.mark.short
@pytest.mark.threads
def test_least_recently_used_goes(start):
    gateway = start(PROVIDERS="instant", CACHE_MAX_SIZE=3)
    a, b, c, d, e = (fresh() for _ in range(5))
    for picture in (a, b, c):
        assert not cached(gateway, picture)
    assert cached(gateway, a)  # now b is the oldest
    assert not cached(gateway, d)
    assert gateway.metrics()["cache"]["size"] == 3
    assert cached(gateway, a) and cached(gateway, c) and cached(gateway, d)
    assert not cached(gateway, b)  # drops a
    assert not cached(gateway, e)  # drops c
    assert cached(gateway, d) and cached(gateway, b) and cached(gateway, e)
    assert gateway.metrics()["cache"] == {"size": 3, "maxSize": 3, "ttlMs": 300000}


@pytest.mark.parametrize("options", [{"CACHE_TTL_MS": 0}, {"CACHE_MAX_SIZE": 0}])
def test_no_cache(start, options):
    gateway = start(PROVIDERS="instant", **options)
    picture = fresh()
    for _ in range(3):
        assert not cached(gateway, picture)
    assert gateway.metrics()["cache"]["size"] == 0


def test_default_size(start):
    """The hundred latest, exactly."""
    gateway = start(PROVIDERS="instant")
    session = requests.Session()
    shots = [fresh(16, 16) for _ in range(105)]
    for shot in shots:
        assert not cached(gateway, shot, http=session)
    assert gateway.metrics()["cache"] == {"size": 100, "maxSize": 100, "ttlMs": 300000}
    for shot in shots[5:]:
        assert cached(gateway, shot, http=session)


def test_failures_are_not_remembered(instant):
    bad = fresh()[:-10]
    for _ in range(3):
        assert_error(instant.post(bad), 400, "VALIDATION_ERROR", "image")
    assert not instant.records("request", outcome="hit", error="VALIDATION_ERROR")


# ---- the same at the same moment ----

def many(gateway, picture, count, **more):
    """The same post, that often, as nearly at once as threads can."""
    gate = threading.Barrier(count)

    def one(_):
        gate.wait()
        return gateway.post(picture, **more)

    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def outcomes(gateway, answers):
    ids = {answer.headers["x-request-id"] for answer in answers}
    until(lambda: len([r for r in gateway.records("request") if r["id"] in ids]) == len(answers))
    found = [r["outcome"] for r in gateway.records("request") if r["id"] in ids]
    return {name: found.count(name) for name in set(found)}


@pytest.mark.short
@pytest.mark.threads
def test_two_hundred_at_once(instant):
    picture = fresh(300, 200)
    before = instant.metrics()["requests"]
    answers = many(instant, picture, 200)
    keys = {assert_success(answer)["data"]["key"] for answer in answers}
    assert len(keys) == 1
    assert len({answer.headers["x-request-id"] for answer in answers}) == 200
    found = outcomes(instant, answers)
    assert found["run"] == 1
    assert found.get("twin", 0) + found.get("hit", 0) == 199
    after = instant.metrics()["requests"]
    assert after["total"] - before["total"] == after["success"] - before["success"] == 200
    assert after["cached"] - before["cached"] == found.get("hit", 0)
    assert len([key for key in instant.objects() if key in keys]) == 1
    instant.wait_idle()


def test_two_hundred_join_a_run(local):
    """The run takes a while: those who come meanwhile wait for it, and say so."""
    picture = encode(photo(380, 400), "JPEG", comment=b"two hundred")
    answers = many(local, picture, 200, fields={"scale": "4"})
    bodies = [assert_success(answer) for answer in answers]
    assert len({body["data"]["key"] for body in bodies}) == 1
    found = outcomes(local, answers)
    assert found["run"] == 1
    assert found["twin"] >= 150
    assert sum(body["meta"].get("joined", False) for body in bodies) == found["twin"]
    local.wait_idle()


def test_twins_of_a_bad_picture(local):
    """What lies in the upload is told to all who sent it; nobody tries again."""
    import pictures
    answers = many(local, pictures.damaged_png(), 40)
    for answer in answers:
        assert_error(answer, 400, "VALIDATION_ERROR", "image")
    local.wait_idle()


@pytest.fixture
def slow(start):
    """A gateway whose runs take their time."""
    return start(PROVIDERS="instant", INSTANT_MS=RUN_MS)


def hang_up_after(gateway, picture, ready):
    with Wire(gateway) as wire:
        wire.send(post_head(len(picture)).encode() + picture)
        until(ready)


def test_the_leader_leaves(slow):
    """Its twin still gets the result, of the one run that had begun."""
    picture = fresh()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        follower = None

        def joined():
            nonlocal follower
            if slow.status().get("flights") != 1:
                return False
            follower = follower or pool.submit(slow.post, picture)
            return slow.status().get("followers") == 1

        hang_up_after(slow, picture, joined)
        body = assert_success(follower.result())
    assert body["meta"].get("joined") and not body["meta"]["cached"]
    slow.wait_idle()
    assert len(slow.objects()) == 1


def test_the_follower_leaves(slow):
    picture = fresh()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        leader = pool.submit(slow.post, picture)
        until(lambda: slow.status().get("flights") == 1)
        hang_up_after(slow, picture, lambda: slow.status().get("followers") == 1)
        until(lambda: slow.status().get("followers") == 0)
        assert_success(leader.result())
    until(lambda: slow.records("request", error="CLIENT_GONE"))
