"""The same picture at several gateways at once: one run for all of them, and what happens when its gateway dies."""
import concurrent.futures
import signal
import threading

import pytest

from cloud import CREATE, ask, life
from comics import created, story, tell
from gateway import assert_error, assert_success, until
from pictures import fresh


def crowd(gateways, count, picture):
    """Begun together, dealt to the gateways in turn."""
    gate = threading.Barrier(count)

    def one(i):
        gate.wait()
        return ask(gateways[i % len(gateways)], picture)

    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def stage_of(gateway):
    return [r["stage"] for r in gateway.status()["requests"]]


@pytest.mark.parametrize("nodes", [2, 3])
def test_one_run_for_all(bare, cluster, nodes):
    bare.upstream.script(life(wait_s=0, run_s=1.5))
    gateways = cluster(nodes)
    answers = [assert_success(answer) for answer in crowd(gateways, 200, fresh())]
    assert bare.upstream.count("created") == bare.upstream.count("create") == 1
    assert len({answer["data"]["key"] for answer in answers}) == 1
    ran = [a for a in answers if not a["meta"]["cached"] and not a["meta"].get("joined")]
    assert len(ran) == 1
    for gateway in gateways:
        gateway.wait_idle()


@pytest.mark.short
@pytest.mark.threads
def test_many_pictures_run_once_each(bare, cluster):
    bare.upstream.script(life(wait_s=0, run_s=0.5, times=12))
    gateways = cluster(3)
    pictures = [fresh() for _ in range(12)]
    with concurrent.futures.ThreadPoolExecutor(36) as pool:
        for answer in pool.map(lambda i: ask(gateways[i % 3], pictures[i // 3]), range(36)):
            assert_success(answer)
    assert bare.upstream.count("created") == 12


def lead_and_follow(cluster, bare, count=2, **options):
    """One gateway runs it, the others wait for it: their futures, the leader first."""
    gateways, picture = cluster(count, **options), fresh()
    pool = concurrent.futures.ThreadPoolExecutor(count * 4)
    asked = [pool.submit(ask, gateways[0], picture)]
    until(lambda: bare.upstream.count("create") == 1)
    for gateway in gateways[1:]:
        asked += [pool.submit(ask, gateway, picture) for _ in range(3)]
        until(lambda g=gateway: "shared" in stage_of(g))
    pool.shutdown(wait=False)
    return gateways, asked


def test_a_gateway_is_killed_while_it_leads(bare, cluster):
    """Exactly one of the others takes over: one create more, and everybody who can be is answered."""
    bare.upstream.script(life(wait_s=0, run_s=4), life(wait_s=0, run_s=0.5))
    gateways, asked = lead_and_follow(cluster, bare, 3)
    gateways[0].signal(signal.SIGKILL)
    gateways[0].wait()
    gateways[0].left = True
    with pytest.raises(Exception):
        asked[0].result()
    keys = {assert_success(future.result())["data"]["key"] for future in asked[1:]}
    assert len(keys) == 1
    assert bare.upstream.count("created") == 2
    bare.over()


def test_a_gateway_hangs_while_it_leads(bare, cluster):
    """It was only slow: its result, too late, spoils nothing, and its own client has it."""
    bare.upstream.script(life(wait_s=0, run_s=1), life(wait_s=0, run_s=0.5))
    gateways, asked = lead_and_follow(cluster, bare)
    gateways[0].signal(signal.SIGSTOP)
    taken = assert_success(asked[1].result())["data"]["key"]
    gateways[0].signal(signal.SIGCONT)
    mine = assert_success(asked[0].result())["data"]["key"]
    assert mine != taken
    assert bare.upstream.count("created") == 2


def test_redis_is_killed_in_the_middle(bare, cluster, redis):
    """Each goes on alone."""
    bare.upstream.script(life(wait_s=0, run_s=2), life(wait_s=0, run_s=0.5))
    gateways, asked = lead_and_follow(cluster, bare)
    redis.kill()
    for future in asked:
        assert_success(future.result())
    assert bare.upstream.count("created") == 2
    assert gateways[1].get("/readyz").json()["status"] == "degraded"


@pytest.mark.short
@pytest.mark.threads
def test_redis_freezes_in_the_middle(bare, cluster, redis):
    bare.upstream.script(life(wait_s=0, run_s=3), life(wait_s=0, run_s=0.5))
    _, asked = lead_and_follow(cluster, bare, REDIS_TIMEOUT_MS=50)
    redis.freeze()
    for future in asked:
        assert_success(future.result())
    assert bare.upstream.count("created") == 2
    redis.thaw()


def test_what_may_have_cost_is_not_done_again_elsewhere(bare, cluster):
    bare.upstream.script(life(wait_s=0, run_s=1.5, end="failed", error="out of ideas"))
    _, asked = lead_and_follow(cluster, bare)
    for future in asked:
        assert_error(future.result(), 502, "REPLICATE_ERROR", says="out of ideas")
    assert bare.upstream.count("created") == 1


def test_what_cost_nothing_is_tried_elsewhere(bare, cluster):
    bare.upstream.script({"match": CREATE, "do": "500_html", "times": 1}, life())
    gateways, picture = cluster(2, AI_RETRIES=0), fresh()
    answers = crowd(gateways, 10, picture)
    assert all(answer.status_code in (200, 502, 503) for answer in answers)
    assert bare.upstream.count("created") == 1
    assert sum(answer.status_code == 200 for answer in answers) >= 5


def test_the_leaders_client_goes(bare, cluster, redis):
    """Before anything is paid: the lease goes to the other gateway at once."""
    gateways = cluster(2, REPLICATE_LIGHT_CONCURRENCY=1)
    bare.upstream.script(life(wait_s=0, run_s=2), life(wait_s=0, run_s=0.2))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        busy = pool.submit(ask, gateways[0], fresh())
        until(lambda: bare.upstream.count("create") == 1)
        picture = fresh()
        with pytest.raises(Exception):
            ask(gateways[0], picture, timeout=0.5)  # waits for the slot, with the lease
        answer = ask(gateways[1], picture)
        assert_success(answer)
        assert_success(busy.result())
    assert bare.upstream.count("created") == 2
    assert redis.names("limner:*:lease:*") == []


def test_local_runs_take_no_lease(start, redis, tmp_path):
    gateway = start(PROVIDERS="local", REDIS_URL=redis.url)
    until(lambda: gateway.get("/readyz").json()["checks"]["redis"] == "ok")
    seen = []
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, gateway, fresh(), "/api/clarity")
        while not asked.done():
            seen += redis.names("limner:*:lease:*")
        assert_success(asked.result())
    assert seen == [] and len(until(lambda: redis.names("limner:*:result:*"))) == 1


def test_a_story_is_told_once_for_all(bare, cluster):
    """Two that ask for the same, with the same seed, at two gateways; and a third later."""
    a, b = cluster(2)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda gateway: story(tell(gateway, seed=9)), (a, b))
    late = story(tell(b, seed=9))
    assert one["story_id"] == two["story_id"] == late["story_id"]
    assert one["pages"][0]["panels"] == two["pages"][0]["panels"] == late["pages"][0]["panels"]
    assert late["meta"]["cached"] and late["title"] == one["title"]
    assert created(bare) == (4, 12)
