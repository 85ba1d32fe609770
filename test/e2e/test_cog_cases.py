"""Cog's servers in three generations, and what they answer when there is nothing to answer.

The numbers are those of the list of cases these tests were made from (see test_replicate_cases.py).
"""
import concurrent.futures
import contextlib
import urllib.parse

import pytest

from cloud import LOOSE, ask, send, stored
from comics import tell
from gateway import assert_error, assert_success, until
from pictures import fresh
from raw import Wire
from upstream.process import Upstream, header


# ---- 21 to 24: Cog ----

FLAVOURS = ("rust", "fastapi", "go")
COG = {"call": "cog_create"}
REFUSALS = {"rust": '{"error":"At capacity - all prediction slots busy","status":"failed"}',
            "fastapi": '{"detail":"Already running a prediction"}', "go": "already running a prediction"}


@pytest.fixture(scope="module")
def second():
    with contextlib.closing(Upstream()) as upstream:
        yield upstream


@pytest.fixture
def spare(second):
    """A second Cog server."""
    second.reset()
    return second


def cog(cloud, *more, **options):
    addresses = [upstream.cog for upstream in (cloud.upstream, *more)]
    if cloud.front:
        addresses = [cloud.front.before(urllib.parse.urlsplit(address).port) for address in addresses]
    servers = ",".join(addresses)
    return cloud.start(**{"PROVIDERS": "cog", "COG_ENDPOINTS": f"clarity={servers}", "COG_HEALTH_MS": 1000} | options)


def refuses(flavour, **more):
    return {"match": COG, "do": "say", "effect": False, "status": 409, "body": REFUSALS[flavour],
            "type": "text/plain" if flavour == "go" else "application/json", **more}


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_case_21_another_server_has_room(cloud, spare, flavour):
    cloud.upstream.set(cog=flavour)
    cloud.upstream.script(refuses(flavour))
    gateway = cog(cloud, spare)
    for _ in range(3):
        assert_success(ask(gateway, route=LOOSE))
    assert (cloud.upstream.count("created"), spare.count("created")) == (0, 3)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_case_21_waits_for_the_only_one(cloud, flavour):
    cloud.upstream.set(cog=flavour)
    cloud.upstream.script(refuses(flavour, times=2))
    assert_success(ask(cog(cloud), route=LOOSE))
    assert (cloud.upstream.count("cog_create"), cloud.upstream.count("created")) == (3, 1)


def test_case_21_one_slot_and_many_requests(bare):
    """Nobody is lost to the server's refusals."""
    bare.upstream.set(run_s=0.2)
    gateway = cog(bare)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        for answer in pool.map(lambda _: ask(gateway, route=LOOSE), range(6)):
            assert_success(answer)
    assert bare.upstream.count("created") == 6 and bare.upstream.record()["highest"]["cog"] == 1


def test_case_21_starting_is_not_failed(bare):
    bare.upstream.set(cog_health="STARTING")
    gateway = cog(bare)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ask, gateway, None, LOOSE)
        until(lambda: bare.upstream.count("cog_health") >= 2)
        assert not waiting.done()
        bare.upstream.set(cog_health="READY")
        assert_success(waiting.result())


@pytest.mark.parametrize("health", ["SETUP_FAILED", "DEFUNCT"])
def test_case_22_what_is_out_of_order_gets_nothing(cloud, spare, health):
    cloud.upstream.set(cog_health=health)
    gateway = cog(cloud, spare)
    for _ in range(3):
        assert_success(ask(gateway, route=LOOSE))
    alone = cog(cloud)
    assert_error(ask(alone, route=LOOSE), 503, "PROVIDER_UNAVAILABLE")
    assert cloud.upstream.count("cog_create") == 0
    cloud.upstream.set(cog_health="READY")
    until(lambda: ask(alone, route=LOOSE).status_code == 200, 15)


@pytest.mark.parametrize("rule", [{"do": "503_empty"}, {"do": "say", "status": 503, "body": '{"status":"DEFUNCT"}'},
                                  {"do": "say", "body": "not json"}, {"do": "502_html"}, {"do": "reset"}, {"do": "hang"}],
                         ids=lambda r: r.get("body", r["do"]))
def test_case_22_health_that_is_none(bare, spare, rule):
    bare.upstream.script({"match": {"call": "cog_health"}, **rule})
    gateway = cog(bare, spare)
    for _ in range(3):
        assert_success(ask(gateway, route=LOOSE))


def test_case_22_nobody_listens(bare, spare):
    gateway = cog(bare, COG_ENDPOINTS=f"clarity=http://127.0.0.1:1,{spare.cog}")
    for _ in range(3):
        assert_success(ask(gateway, route=LOOSE))
    assert_error(ask(cog(bare, COG_ENDPOINTS="clarity=http://127.0.0.1:1"), route=LOOSE), 503, "PROVIDER_UNAVAILABLE")


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("do,says", [("oom", "E1001"), ("failed_null", ""), ("failed_object", ""), ("no_output", "")])
def test_case_23_failures_with_status_200(cloud, flavour, do, says):
    cloud.upstream.set(cog=flavour)
    cloud.upstream.script({"match": COG, "do": do})
    assert_error(ask(cog(cloud, AI_RETRIES=0), route=LOOSE), 502, "REPLICATE_ERROR", says=says)
    assert cloud.upstream.count("created") == 1


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_case_24_a_broken_connection_costs_a_second_run(bare, flavour):
    """Cog forgets what has ended: only running it again brings the result."""
    bare.upstream.set(cog=flavour)
    bare.upstream.script({"match": COG, "do": "reset", "times": 1})
    assert_success(ask(cog(bare), route=LOOSE))
    assert bare.upstream.count("created") == 2


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_case_24_who_leaves_takes_the_run_along(bare, flavour):
    bare.upstream.set(cog=flavour, run_s=60)
    gateway = cog(bare)
    with Wire(gateway) as wire:
        send(gateway, wire, fresh(), LOOSE)
        until(lambda: bare.upstream.record()["running"].get("cog") == 1)
    until(lambda: bare.upstream.count("canceled") == 1, 20)
    gateway.wait_idle()


# ---- 25: what is sent ----


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_case_25_what_every_cog_takes(cloud, flavour):
    cloud.upstream.set(cog=flavour)
    gateway = cog(cloud)
    answer = ask(gateway, route=LOOSE)
    assert_success(answer)
    assert stored(gateway, answer).size == (128, 96)
    create, = cloud.upstream.requests("cog_create")
    assert header(create, "Content-Type") == "application/json" and header(create, "Prefer") is None
    assert header(create, "Authorization") is None
    body, = cloud.upstream.sent("cog_create")
    assert isinstance(body["input"], dict) and "webhook" not in body and None not in body["input"].values()


# ---- comics ----

def test_a_comic_on_machines_of_ones_own(bare, spare):
    """One server writes, two draw."""
    options = {"COG_ENDPOINTS": f"comicText={bare.upstream.cog};comicPanel={bare.upstream.cog},{spare.cog}"}
    body = tell(cog(bare, spare, **options), route="/api/comic/generate").json()
    assert body["status"] == "success" and body["meta"]["ran_on"] == "cog" and body["meta"]["cost_usd"] == 0
    assert len(body["meta"]["panels"]) == 4 and body["meta"]["pages"][0]["source"] == "model"
    assert bare.upstream.count("created") + spare.count("created") == 1 + 4
