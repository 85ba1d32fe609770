"""/metrics: the seed's document, and sums that add up."""
import concurrent.futures
import datetime
import re
import time

import pytest

from gateway import assert_error, assert_success, until
from pictures import fresh


def percent(part, total):
    return f"{100 * part / total if total else 0:.2f}%"


def assert_adds_up(m):
    requests = m["requests"]
    assert requests["cacheHitRate"] == percent(requests["cached"], requests["total"])
    assert requests["errorRate"] == percent(requests["error"], requests["total"])
    assert requests["cached"] <= requests["success"]
    assert requests["success"] + requests["error"] <= requests["total"]
    assert sum(f["count"] for f in m["features"].values()) == requests["success"]
    assert sum(f["errors"] for f in m["features"].values()) == requests["error"]


@pytest.mark.short
def test_at_the_start(start):
    m = start(PROVIDERS="instant").metrics()
    assert set(m) == {"uptime", "since", "history", "requests", "features", "cache", "money"}
    assert m["history"] == "known" and abs(datetime.datetime.fromisoformat(m["since"]).timestamp() - time.time()) < 60
    assert re.fullmatch(r"\d+s", m["uptime"])
    assert m["requests"] == {"total": 0, "success": 0, "error": 0, "cached": 0, "cacheHitRate": "0.00%", "errorRate": "0.00%"}
    assert m["features"] == {}
    assert m["cache"] == {"size": 0, "maxSize": 100, "ttlMs": 300000}


@pytest.mark.short
def test_arithmetic(start):
    """Ten requests: four runs, three hits, three errors."""
    gateway = start(PROVIDERS="instant")
    shots = [fresh() for _ in range(3)]
    for shot in shots:
        assert_success(gateway.post(shot))
    for shot in shots:
        assert_success(gateway.post(shot))
    assert_success(gateway.post(shots[0], "/api/enhance"))
    assert_error(gateway.post(b"words"), 415, "UNSUPPORTED_MEDIA_TYPE")
    assert_error(gateway.post(shots[0], "/api/ai-beautify", {"scale": "9"}), 400, "VALIDATION_ERROR")
    assert_error(gateway.post(shots[0][:-9], "/api/enhance"), 400, "VALIDATION_ERROR")
    for path in ("/health", "/nothing", "/files/x", "/status"):
        gateway.get(path)  # these are no feature's
    m = gateway.metrics()
    assert m["requests"] == {"total": 10, "success": 7, "error": 3, "cached": 3, "cacheHitRate": "30.00%", "errorRate": "30.00%"}
    assert {name: (f["count"], f["errors"]) for name, f in m["features"].items()} == \
        {"improveClarity": (6, 1), "imageEnhance": (1, 1), "aiBeautify": (0, 1)}
    for f in m["features"].values():
        assert set(f) == {"count", "avg", "min", "max", "p50", "p95", "p99", "errors"}
        assert f["min"] <= f["p50"] <= f["p95"] <= f["p99"] <= f["max"]
        assert f["min"] <= f["avg"] <= f["max"]
    assert m["cache"]["size"] == 4
    assert_adds_up(m)


def test_times_are_milliseconds(local):
    before = local.metrics()["features"].get("imageEnhance", {"count": 0})["count"]
    body = assert_success(local.post(fresh(200, 200), "/api/enhance", {"scale": "4"}))
    f = local.metrics()["features"]["imageEnhance"]
    assert f["count"] == before + 1
    assert f["max"] >= body["meta"]["timings"]["run_ms"] * 0.9 - 1
    assert f["p50"] <= f["max"] < 600_000


def test_adds_up_under_load(start):
    """Looked at while hundreds come and go, no sum is ever wrong; at the end all are counted."""
    gateway = start(PROVIDERS="instant")
    shots = [fresh() for _ in range(20)]

    def one(i):
        if i % 7 == 0:
            return gateway.post(b"words")
        return gateway.post(shots[i % 20], ("/api/clarity", "/api/enhance")[i % 2])

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        work = [pool.submit(one, i) for i in range(700)]
        while not all(w.done() for w in work):
            requests = gateway.metrics()["requests"]
            assert requests["success"] + requests["error"] <= requests["total"]
            assert requests["cached"] <= requests["success"]
    until(lambda: sum(gateway.metrics()["requests"][k] for k in ("success", "error")) == 700)
    m = gateway.metrics()
    assert m["requests"]["total"] == 700
    assert m["requests"]["error"] == 100
    assert len(gateway.records("request", outcome="run")) + len(gateway.records("request", outcome="twin")) == \
        m["requests"]["success"] - m["requests"]["cached"]
    assert_adds_up(m)


def test_window(start):
    """Times and rates are of the last while, counts of everything."""
    gateway = start(PROVIDERS="instant", METRICS_WINDOW_S=10)
    picture = fresh()
    assert_success(gateway.post(picture))
    assert_success(gateway.post(picture))
    assert_error(gateway.post(b"words"), 415, "UNSUPPORTED_MEDIA_TYPE")
    m = gateway.metrics()
    assert (m["requests"]["cacheHitRate"], m["requests"]["errorRate"]) == ("33.33%", "33.33%")
    assert m["features"]["improveClarity"]["max"] > 0
    until(lambda: gateway.metrics()["features"]["improveClarity"]["max"] == 0, 20)
    m = gateway.metrics()
    assert m["requests"] == {"total": 3, "success": 2, "error": 1, "cached": 1, "cacheHitRate": "0.00%", "errorRate": "0.00%"}
    assert m["features"]["improveClarity"] == {"count": 2, "avg": 0, "min": 0, "max": 0, "p50": 0, "p95": 0, "p99": 0, "errors": 1}
    assert_success(gateway.post(picture))
    m = gateway.metrics()
    assert m["requests"]["cacheHitRate"] == "100.00%"
    assert m["features"]["improveClarity"]["count"] == 3


@pytest.mark.short
def test_access_records(instant):
    """One line a request, with what is needed to find out what happened."""
    picture = fresh()
    run, hit, bad = instant.post(picture), instant.post(picture), instant.post(b"words")
    records = [instant.record_of(answer) for answer in (run, hit, bad)]
    assert [r["outcome"] for r in records] == ["run", "hit", "error"]
    assert records[2]["error"] == "UNSUPPORTED_MEDIA_TYPE" and "reason" in records[2]
    assert records[0]["key"] == records[1]["key"] == run.json()["data"]["key"]
    for record in records:
        assert record["feature"] == "improveClarity"
        assert record["total_ms"] >= record["receive_ms"] >= 0
