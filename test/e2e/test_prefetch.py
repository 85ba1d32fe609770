"""PREFETCH=on: what usually comes next on a picture is there before it is asked for."""
import time

import pytest

from exposition import Scrape
from gateway import assert_success, until
from pictures import encode, fresh, photo
from test_history import revive

ON = {"PROVIDERS": "instant", "PREFETCH": "on", "PREFETCH_MIN_TIMES": 5, "UPLOADS_KEEP_MB": 32, "CACHE_MAX_SIZE": 1000}
B = {"route": "/api/enhance", "fields": {"scale": "4"}}


def post(gateway, picture, **more):
    return assert_success(gateway.post(picture, **more))


def teach(gateway, times=6, **more):
    for _ in range(times):
        picture = fresh()
        post(gateway, picture, **more)
        post(gateway, picture, **B, **more)


def counted(gateway):
    scrape = Scrape(gateway)
    return {result: scrape.value("limner_prefetch_total", result=result) for result in ("run", "hit", "wasted", "skipped")}


def ahead(gateway, count=1):
    until(lambda: len(gateway.records("ahead")) >= count)
    return gateway.records("ahead")


def nothing_ahead(gateway):
    time.sleep(0.4)
    assert gateway.records("ahead") == []


@pytest.mark.short
@pytest.mark.threads
def test_what_usually_follows_is_there(start):
    gateway = start(**ON)
    teach(gateway, 5)
    before, picture = len(gateway.records("ahead")), fresh()
    post(gateway, picture)
    assert ahead(gateway, before + 1)[-1]["feature"] == "imageEnhance"
    assert post(gateway, picture, **B)["meta"]["cached"] is True
    told = counted(gateway)
    assert told["run"] >= 1 and told["hit"] == 1
    requests_counted = Scrape(gateway).total("limner_requests_total", feature="imageEnhance")
    assert requests_counted == 6  # those that somebody sent


def test_it_is_off_unless_asked_for(start):
    gateway = start(**ON | {"PREFETCH": "off"})
    teach(gateway)
    post(gateway, fresh())
    nothing_ahead(gateway)


def test_what_nobody_asks_for_is_wasted(start):
    gateway = start(**ON, CACHE_TTL_MS=1500)
    teach(gateway, 5)
    post(gateway, fresh())
    ahead(gateway)
    until(lambda: counted(gateway)["wasted"] >= 1)


def test_requests_that_share_nothing(start):
    gateway = start(**ON)
    alone = {"headers": {"Cache-Control": "no-store"}}
    teach(gateway, **alone)
    post(gateway, fresh())
    nothing_ahead(gateway)
    teach(gateway, 5)
    before = len(gateway.records("ahead"))
    post(gateway, fresh(), **alone)
    time.sleep(0.4)
    assert len(gateway.records("ahead")) == before


def test_learned_by_the_process_before(start):
    gateway = start(**ON)
    teach(gateway, 5)
    gateway.stop()
    revive(gateway)
    until(lambda: gateway.get("/readyz").status_code == 200)
    time.sleep(0.2)
    picture = fresh()
    post(gateway, picture)
    ahead(gateway)
    assert post(gateway, picture, **B)["meta"]["cached"] is True


def test_a_step_is_not_begun_twice(start):
    """Two who are answered at once lead to one run ahead, which nobody has asked for yet."""
    gateway = start(**ON | {"INSTANT_MS": 400, "PREFETCH_MAX": 8})
    teach(gateway, 5)
    picture, before = fresh(), counted(gateway)
    post(gateway, picture)
    for _ in range(3):
        post(gateway, picture)
    until(lambda: counted(gateway)["skipped"] == before["skipped"] + 3)
    gateway.wait_idle()
    after = counted(gateway)
    assert after["run"] == before["run"] + 1 and after["hit"] == before["hit"]
    assert post(gateway, picture, **B)["meta"]["cached"] is True
    assert counted(gateway)["hit"] == before["hit"] + 1


def test_without_a_budget_nothing_costs(bare):
    options = {name: value for name, value in ON.items() if name != "PROVIDERS"}
    gateway = bare.start(**options, PREFETCH_BUDGET_USD=0, PRICES="enhance=1/run")
    teach(gateway, 5)
    created = bare.upstream.count("created")
    post(gateway, fresh())
    until(lambda: counted(gateway)["skipped"] == 1)
    assert bare.upstream.count("created") == created + 1
    assert counted(gateway)["run"] == 0


def test_the_budget_holds(bare):
    """Runs elsewhere: two a day, at a dollar each."""
    options = {name: value for name, value in ON.items() if name != "PROVIDERS"}
    gateway = bare.start(**options, PREFETCH_BUDGET_USD=2, PRICES="enhance=1/run")
    teach(gateway, 5)
    for _ in range(4):
        post(gateway, fresh())
        until(lambda: gateway.get("/status").json()["requests"] == [])
    until(lambda: counted(gateway)["skipped"] == 2)
    assert counted(gateway)["run"] == 2
    assert bare.upstream.count("created") == 5 * 2 + 4 + 2
    assert Scrape(gateway).value("limner_prefetch_cost_usd_total") == 2


def test_a_real_request_takes_the_slot(start):
    """On this machine there is one slot, and a run takes a while: the one made ahead stops for the real one."""
    gateway = start(**ON | {"PROVIDERS": "local"})
    teach(gateway, 5)
    post(gateway, encode(photo(400, 400), "JPEG"), fields={"scale": "2"})
    until(lambda: any(r["feature"] == "imageEnhance" for r in gateway.get("/status").json()["requests"]))
    post(gateway, fresh())
    stopped = [r for r in ahead(gateway) if r["outcome"] == "error"]
    assert [r["error"] for r in stopped] == ["CLIENT_GONE"]
