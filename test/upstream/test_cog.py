"""Cog's three servers, by raw requests."""
import json
import socket
import time

import pytest
import requests

from .helpers import data_url

FLAVOURS = ("rust", "fastapi", "go")


def order(**more):
    return {"input": {"image": data_url(), "scale": 2}} | more


def post(upstream, path="/predictions", method="POST", given=None, **more):
    return requests.request(method, upstream.cog + path, json=order() if given is None else given, timeout=20, **more)


def busy(upstream, count=1):
    end = time.monotonic() + 10
    while upstream.record()["running"].get("cog", 0) != count:
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture(params=FLAVOURS)
def flavour(request, upstream):
    upstream.set(cog=request.param)
    return request.param


def test_sync(upstream, flavour):
    answer = post(upstream)
    shown = answer.json()
    assert answer.status_code == 200 and shown["status"] == "succeeded"
    assert shown["output"].startswith("data:image/png;base64,")
    assert ("created_at" in shown) == (flavour == "fastapi")


def test_a_failure_comes_with_200(upstream, flavour):
    upstream.script({"match": {"call": "cog_create"}, "do": "oom"})
    answer = post(upstream)
    assert answer.status_code == 200 and answer.json()["status"] == "failed" and "E1001" in answer.json()["error"]


def test_a_lost_upload(upstream):
    upstream.script({"match": {"call": "cog_create"}, "do": "no_output"})
    shown = post(upstream).json()
    assert shown["status"] == "succeeded" and "output" not in shown


def test_busy_in_three_ways(upstream, flavour):
    upstream.set(run_s=60)
    with socket.create_connection(("127.0.0.1", int(upstream.cog.rpartition(":")[2]))) as first:
        body = json.dumps(order()).encode()
        first.sendall(b"POST /predictions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                      b"Content-Length: %d\r\n\r\n" % len(body) + body)
        busy(upstream)
        answer = post(upstream)
        assert answer.status_code == 409
        assert {"rust": '"error": "At capacity', "fastapi": '"detail": "Already running',
                "go": "already running a prediction"}[flavour] in answer.text
        assert requests.get(upstream.cog + "/health-check", timeout=10).json()["status"] == "BUSY"
    busy(upstream, 0)  # who leaves takes the run along
    assert upstream.count("canceled") == 1


@pytest.mark.parametrize("health,statuses", [
    ("STARTING", (503, 503, 503)), ("SETUP_FAILED", (503, 503, 500)), ("DEFUNCT", (503, 503, 503))])
def test_not_ready(upstream, flavour, health, statuses):
    upstream.set(cog_health=health)
    assert post(upstream).status_code == statuses[FLAVOURS.index(flavour)]
    shown = requests.get(upstream.cog + "/health-check", timeout=10)
    assert shown.status_code == 200 and shown.json()["status"] == health


def test_wrong_inputs(upstream, flavour):
    for given, field in (({"scale": 2}, "image"), ({"image": data_url(), "scale": 11}, "scale"),
                         ({"image": data_url(), "scale": None}, "scale")):
        answer = post(upstream, given={"input": given})
        assert answer.status_code == 422 and answer.json()["detail"][0]["loc"] == ["body", "input", field]


def test_go_is_strict(upstream):
    upstream.set(cog="go")
    assert post(upstream, headers={"Content-Type": "application/json; charset=utf-8"}).status_code == 415
    assert post(upstream, headers={"Prefer": "respond-async"}).status_code == 400
    assert post(upstream, given=order(webhook="http://127.0.0.1:1/")).status_code == 400
    assert post(upstream, given={}).status_code == 400


def test_async_and_the_same_id(upstream):
    upstream.set(run_s=0.3)
    first = post(upstream, "/predictions/mine", "PUT", headers={"Prefer": "respond-async"})
    assert (first.status_code, first.json()) == (202, {"id": "mine", "status": "starting"})
    again = post(upstream, "/predictions/mine", "PUT")
    assert again.status_code == 202 and again.json()["input"]
    busy(upstream, 0)
    assert post(upstream, "/predictions/mine", "PUT").status_code == 200  # forgotten: it runs again
    assert upstream.count("created") == 2
    assert requests.get(upstream.cog + "/predictions/mine", timeout=10).status_code in (404, 405)


def test_cancel(upstream):
    upstream.set(run_s=60)
    post(upstream, given=order(id="x"), headers={"Prefer": "respond-async"})
    assert requests.post(upstream.cog + "/predictions/x/cancel", timeout=10).status_code == 200
    busy(upstream, 0)
    assert requests.post(upstream.cog + "/predictions/x/cancel", timeout=10).status_code == 404


def test_faults_reach_cog_too(upstream):
    upstream.script({"match": {"call": "cog_health"}, "do": "say", "body": "not json", "status": 200})
    assert requests.get(upstream.cog + "/health-check", timeout=10).text == "not json"
