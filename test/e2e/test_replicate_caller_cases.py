"""Replicate, and what a caller sends, or no longer waits for.

The numbers are those of the list of cases these tests were made from (see test_replicate_cases.py).
"""
import concurrent.futures

import pytest

from cloud import LOOSE, ask, life, send, succeeds
from gateway import assert_error, assert_success, until
from pictures import encode, fresh, photo
from raw import Wire
from upstream.process import header


# ---- 19: nobody waits any more ----

@pytest.mark.short
def test_case_19_the_last_one_leaves_and_it_is_cancelled(cloud):
    cloud.upstream.script(life(wait_s=0, boot_s=60))
    gateway = cloud.start()
    with Wire(gateway) as wire:
        send(gateway, wire, fresh())
        until(lambda: cloud.upstream.count("get") >= 1)
    until(lambda: cloud.upstream.count("canceled") == 1, 20)
    cloud.over()
    gateway.wait_idle()
    assert (cloud.upstream.count("created"), cloud.upstream.count("billed")) == (1, 0)


@pytest.mark.short
def test_case_19_a_twin_keeps_it_alive(cloud):
    cloud.upstream.script(life(wait_s=0, boot_polls=1))
    gateway, picture = cloud.start(), fresh()
    with Wire(gateway) as staying:
        with Wire(gateway) as leaving:
            send(gateway, leaving, picture)
            until(lambda: cloud.upstream.count("create") == 1)
            send(gateway, staying, picture)
            until(lambda: gateway.status().get("followers") == 1)
        assert_success(staying.answer())
    assert (cloud.upstream.count("created"), cloud.upstream.count("cancel")) == (1, 0)


def test_case_19_a_cancel_that_comes_too_late(bare):
    """The run was over when it arrived: the result is kept, and the next who asks gets it."""
    slow = {"match": {"call": "cancel"}, "do": "late", "seconds": 0, "before_s": 1.5}
    bare.upstream.script(life(wait_s=0, boot_s=0.7), slow)
    gateway, picture = bare.start(), fresh()
    with Wire(gateway) as wire:
        send(gateway, wire, picture)
        until(lambda: bare.upstream.count("create") == 1 and bare.upstream.requests("create")[0]["status"])
    until(lambda: gateway.records("request"), 20)
    assert (bare.upstream.count("cancel"), bare.upstream.count("succeeded")) == (1, 1)
    assert assert_success(ask(gateway, picture))["meta"]["cached"] is True
    assert bare.upstream.count("created") == 1


def test_case_19_the_time_is_over(cloud):
    cloud.upstream.script(life(wait_s=0, run_s=60))
    assert_error(ask(cloud.start(RUN_TIMEOUT_MS=2000)), 504, "DEADLINE_EXCEEDED")
    until(lambda: cloud.upstream.count("canceled") == 1, 20)
    assert cloud.upstream.count("created") == 1


def test_case_19_a_cancel_that_fails_is_said_again(bare):
    bare.upstream.script(life(wait_s=0, boot_s=60), {"match": {"call": "cancel"}, "do": "502_html", "times": 1})
    gateway = bare.start()
    with Wire(gateway) as wire:
        send(gateway, wire, fresh())
        until(lambda: bare.upstream.count("get") >= 1)
    until(lambda: bare.upstream.count("canceled") == 1, 20)
    assert bare.upstream.count("cancel") == 2


# ---- 20: the server knows our deadline ----

@pytest.mark.parametrize("limit_ms,least,most", [(1000, 5, 5), (100000, 90, 100), (86400000, 86300, 86400)])
def test_case_20_cancel_after(cloud, limit_ms, least, most):
    succeeds(cloud, RUN_TIMEOUT_MS=limit_ms)
    said = header(cloud.upstream.requests("create")[0], "Cancel-After")
    assert said.endswith("s") and least <= int(said[:-1]) <= most


# ---- 25: what is sent ----


def test_case_25_a_request_any_server_takes(cloud):
    assert_success(ask(cloud.start(), route=LOOSE))
    for create in cloud.upstream.requests("create"):
        assert header(create, "Content-Type") == "application/json"
    for body in cloud.upstream.sent():
        assert isinstance(body["input"], dict) and None not in body["input"].values() and None not in body.values()


# ---- 26: pictures too large to go inline ----

def large(n=0):
    """About half a megabyte of PNG; another picture for each n."""
    return encode(photo(380, 400, left=n).resize((600, 500)), "PNG", compress_level=1)


@pytest.mark.short
def test_case_26_goes_as_a_file_and_is_removed(cloud):
    picture = large()
    assert len(picture) > 300_000
    assert_success(ask(cloud.start(), picture))
    upload, = cloud.upstream.requests("file_create")
    assert upload["status"] == 201 and upload["size"] > len(picture)
    assert "/v1/files/" in cloud.upstream.sent()[0]["input"]["image"]
    until(lambda: cloud.upstream.count("file_delete") == 1)


def test_case_26_small_ones_go_inline(cloud):
    assert_success(ask(cloud.start()))
    assert cloud.upstream.sent()[0]["input"]["image"].startswith("data:image/png;base64,")
    assert cloud.upstream.count("file_create") == 0


@pytest.mark.parametrize("ttl", [0, 20])
def test_case_26_uploads_that_do_not_live_long(bare, ttl):
    """It is not sent without an end, whatever the server says of its life."""
    bare.upstream.set(file_ttl_s=ttl)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, bare.start(RUN_TIMEOUT_MS=5000), large()).result(60)
    assert answer.status_code in (200, 502, 503, 504), answer.text
    assert bare.upstream.count("file_create") <= 4 and bare.upstream.count("created") <= 1


@pytest.mark.parametrize("do,status,code", [("413_html", 413, "PAYLOAD_TOO_LARGE"), ("413", 413, "PAYLOAD_TOO_LARGE"),
                                            ("500_html", 502, "REPLICATE_ERROR")])
def test_case_26_no_place_for_it(bare, do, status, code):
    bare.upstream.script({"match": {"call": "file_create"}, "do": do})
    assert_error(ask(bare.start(), large()), status, code)
    assert bare.upstream.count("create") == 0


@pytest.mark.parametrize("do,args", [
    ("reset", {}), ("truncated", {}), ("say", {"body": "{}"}), ("502_html", {"effect": True})])
def test_case_26_an_upload_whose_answer_is_lost(bare, do, args):
    """An upload costs nothing: it is sent again, or the request fails with an error that says so."""
    bare.upstream.script({"match": {"call": "file_create"}, "do": do, "times": 1, **args})
    answer = ask(bare.start(), large())
    assert answer.status_code in (200, 502), answer.text
    assert bare.upstream.count("created") == (answer.status_code == 200)


def test_case_26_goaway_in_each_upload(tls):
    """The server takes one request a connection, and says so while it is being sent: nothing is lost or done twice."""
    gateway = tls.start()
    tls.front.reload(requests=1)
    before = len(tls.front.requests())
    try:
        for n in range(3):
            assert_success(ask(gateway, large(n)))
    finally:
        tls.front.reload()
    calls = [r for r in tls.front.requests()[before:] if r["path"].startswith("/v1")]
    assert len(calls) >= 6 and {(r["protocol"], r["nth"]) for r in calls} == {("HTTP/2.0", "1")}
    assert tls.upstream.count("created") == tls.upstream.count("file_create") == 3


def test_case_26_a_new_worker_in_the_middle_of_it(tls):
    """nginx is reloaded while predictions run and pictures are sent."""
    tls.upstream.set(run_s=0.3)
    gateway = tls.start()
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        waiting = [pool.submit(ask, gateway, large(n)) for n in range(6)]
        for _ in range(3):
            tls.front.reload()
        for answer in waiting:
            assert_success(answer.result())
    assert tls.upstream.count("created") == 6
