"""/metrics/history: what finished requests did, from process to process, while the database comes and goes."""
import contextlib
import os
import signal
import sqlite3
import threading
import time

import pytest
import requests

from gateway import Gateway, assert_error, assert_success, until
from pictures import fresh
from postgres import Postgres, binaries

FAST = {"PROVIDERS": "instant", "DB_TIMEOUT_MS": 500}


@pytest.fixture
def postgres():
    if not binaries():
        assert not os.environ.get("CI"), "tools/deps --dev brings PostgreSQL"
        pytest.skip("there is no PostgreSQL: tools/deps --dev brings it")
    server = Postgres()
    yield server
    server.close()


def ask(gateway, **query):
    answer = gateway.get("/metrics/history", params=query)
    body = assert_success(answer)
    assert answer.headers["Cache-Control"] == "no-store"
    assert set(body["meta"]) == {"waiting", "dropped"} and body["meta"]["dropped"] == 0
    return body


def counted(gateway, **query):
    """How many requests the history has of each outcome; the points and the whole say the same."""
    found = {}
    for series in ask(gateway, **query)["data"]["series"]:
        for outcome, count in series["whole"]["outcomes"].items():
            assert sum(point["outcomes"][outcome] for point in series["points"]) == count
            found[outcome] = found.get(outcome, 0) + count
    return found


def everything(gateway):
    return sum(counted(gateway, **{"from": "-2h"}).values())


def until_counted(gateway, count, seconds=25):
    with contextlib.suppress(AssertionError):
        until(lambda: everything(gateway) >= count, seconds, every=0.5)
    assert everything(gateway) == count, gateway.tail()


def database(gateway):
    return sqlite3.connect(gateway.data / "limner.db", timeout=10, isolation_level=None)


def restart(gateway, **options):
    gateway.stop()
    return revive(gateway, **options)


def revive(gateway, **options):
    """Another process in the same data folder."""
    gateway.options |= options
    gateway.left = False
    return gateway.start()


def kill(gateway):
    gateway.signal(signal.SIGKILL)
    gateway.wait()
    gateway.left = True


def test_what_it_says(start):
    gateway = start(**FAST)
    shot = fresh()
    for _ in range(4):
        assert_success(gateway.post(shot))
    assert_error(gateway.post(b"words"), 415, "UNSUPPORTED_MEDIA_TYPE")
    assert_success(gateway.post(shot, "/api/enhance"))
    until_counted(gateway, 6)
    data = ask(gateway, percentiles="50,99.9")["data"]
    assert data["step_s"] == 10 and data["from"] % 10 == data["to"] % 10 == 0
    assert [s["feature"] for s in data["series"]] == ["imageEnhance", "improveClarity"]
    clarity = data["series"][1]["whole"]
    assert clarity["outcomes"] == {"run": 1, "hit": 3, "twin": 0, "refused": 1, "failed": 0}
    assert clarity["ran_on"] == {"instant": 4}
    for name in ("latency_ms", "overhead_ms", "provider_ms"):
        assert set(clarity[name]) == {"avg", "p50", "p99.9"}
    assert clarity["latency_ms"]["p99.9"] == pytest.approx(max(
        r["total_ms"] for r in gateway.records("request", feature="improveClarity") if r["outcome"] != "error"), rel=0.01)
    one = ask(gateway, feature="imageEnhance", step="1h", **{"from": "-30d"})["data"]
    assert one["step_s"] == 3600 and [s["feature"] for s in one["series"]] == ["imageEnhance"]
    assert counted(gateway, **{"from": "-1d", "to": "-1h"}) == {}
    assert gateway.get("/readyz").json()["checks"]["history"] == "ok"


@pytest.mark.parametrize("query, field", [
    ({"from": "yesterday"}, "from"), ({"to": ""}, "to"), ({"step": "2s"}, "step"), ({"step": "10s", "from": "-2d"}, "step"),
    ({"from": "now", "to": "-1h"}, "from"), ({"percentiles": "101"}, "percentiles"), ({"percentiles": "99,50"}, "percentiles"),
    ({"percentiles": "50,"}, "percentiles"), ({"feature": "nothing"}, "feature"), ({"since": "1"}, "since"),
    ({"from": "-30000d"}, "from")])
def test_what_it_refuses(instant, query, field):
    assert_error(instant.get("/metrics/history", params=query), 400, "VALIDATION_ERROR", field=field)


def test_switched_off(start):
    gateway = start(**FAST, HISTORY="off")
    assert_success(gateway.post(fresh()))
    assert_error(gateway.get("/metrics/history"), 404, "NOT_FOUND", says="HISTORY")
    with contextlib.closing(sqlite3.connect(gateway.data / "limner.db")) as db:  # jobs are there, too
        assert not db.execute("SELECT * FROM history_total").fetchall()
    assert "history" not in gateway.get("/readyz").json()["checks"]


def test_where_the_metrics_are(start):
    gateway = start(**FAST, METRICS_ADDR="127.0.0.1:0", METRICS_TOKEN="numbers-for-the-few")
    assert_error(gateway.get("/metrics/history"), 404, "NOT_FOUND", says="address of their own")
    assert "/metrics/history" not in gateway.get("/openapi.json").json()["paths"]
    [there] = gateway.records("metrics listening")
    url = f"http://127.0.0.1:{there['port']}/metrics/history"
    assert_error(requests.get(url, timeout=30), 401, "UNAUTHORIZED")
    token = {"Authorization": "Bearer numbers-for-the-few"}
    assert assert_success(requests.get(url, headers=token, timeout=30))["data"]["series"] == []
    assert_error(requests.get(url, params={"step": "x"}, headers=token, timeout=30), 400, "VALIDATION_ERROR", field="step")
    assert_error(requests.post(url, headers=token, timeout=30), 405, "METHOD_NOT_ALLOWED")
    assert_error(requests.get(url, data=b"a body", headers=token, timeout=30), 413, "PAYLOAD_TOO_LARGE")


def test_the_metrics_token(start):
    gateway = start(**FAST, METRICS_TOKEN="numbers-for-the-few")
    answer = gateway.get("/metrics/history")
    assert_error(answer, 401, "UNAUTHORIZED")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert_success(gateway.get("/metrics/history", headers={"Authorization": "Bearer numbers-for-the-few"}))


def test_from_process_to_process(start):
    """An orderly end writes all; of a kill -9 nothing that was written is lost, nor counted twice."""
    gateway = start(**FAST)
    for _ in range(3):
        assert_success(gateway.post(fresh()))
    restart(gateway)
    until_counted(gateway, 3)  # at once, or with the next ten seconds if the disk was too slow for the last writing
    assert_success(gateway.post(fresh()))
    until_counted(gateway, 4)
    assert_success(gateway.post(fresh()))  # within the ten seconds that may be lost
    kill(gateway)
    revive(gateway)
    assert 4 <= everything(gateway) <= 5


def totals(gateway):
    """The counts of the seed's JSON, checked to add up."""
    m = gateway.metrics()
    assert m["requests"]["total"] == m["requests"]["success"] + m["requests"]["error"]
    assert sum(f["count"] for f in m["features"].values()) == m["requests"]["success"]
    assert sum(f["errors"] for f in m["features"].values()) == m["requests"]["error"]
    return [m["requests"][name] for name in ("total", "success", "error", "cached")]


def test_totals_go_on(start):
    """After an orderly end and after a kill -9, and nothing is counted twice, whenever one looks."""
    gateway = start(**FAST)
    since, shot = gateway.metrics()["since"], fresh()
    for _ in range(3):
        assert_success(gateway.post(shot))
    assert_error(gateway.post(b"words"), 415, "UNSUPPORTED_MEDIA_TYPE")
    assert totals(gateway) == [4, 3, 1, 2]
    restart(gateway)
    until(lambda: totals(gateway) == [4, 3, 1, 2], 15)
    assert gateway.metrics()["requests"]["cacheHitRate"] == "0.00%"  # the rates are of the window
    assert_success(gateway.post(shot, "/api/enhance"))
    until_counted(gateway, 5)  # now its own share is in the database, too
    for _ in range(12):
        assert totals(gateway) == [5, 4, 1, 2]
        time.sleep(1)
    kill(gateway)
    revive(gateway)
    assert totals(gateway) == [5, 4, 1, 2]
    m = gateway.metrics()
    assert (m["since"], m["history"]) == (since, "known")
    assert m["features"]["imageEnhance"]["count"] == 1
    assert "limner_requests_total{" not in gateway.get("/metrics?format=prometheus").text  # these are the process's


def test_totals_that_come_later(start):
    gateway = start(**FAST)
    assert_success(gateway.post(fresh()))
    with contextlib.closing(database(gateway)) as other:
        other.execute("BEGIN EXCLUSIVE")
        restart(gateway)  # what it has counted waits in its file
        assert gateway.metrics()["history"] == "unknown"
        assert_success(gateway.post(fresh()))
        assert totals(gateway)[0] == 1
        other.execute("ROLLBACK")
    until(lambda: gateway.metrics()["history"] == "known", 25)
    assert totals(gateway)[0] == 2
    restart(gateway, HISTORY="off")
    assert (gateway.metrics()["history"], totals(gateway)[0]) == ("off", 0)


def test_killed_again_and_again(start):
    """While a load runs, at any moment: what is lost is at most ten seconds of each process."""
    gateway = start(**FAST)
    shot, sure, answered = fresh(), 0, 0
    for wait in (11.0, 12.5):
        end, times = time.monotonic() + wait, []
        while time.monotonic() < end:
            assert_success(gateway.post(shot))
            times.append(time.time())
            time.sleep(0.01)
        kill(gateway)
        written = (time.time() - 1.5) // 10 * 10  # the ten seconds up to there have been over for long enough
        sure += sum(at < written - 0.1 for at in times)
        answered += len(times)
        revive(gateway)
        total = everything(gateway)
        assert sure <= total <= answered
        sure = total
    assert sure > 0
    with contextlib.closing(database(gateway)) as db:
        assert db.execute("SELECT COUNT(*) FROM history_source").fetchall() == [(2,)]


def test_locked_by_another_program(start):
    """A whole ten seconds and more: requests do not notice, and it is complete afterwards."""
    gateway = start(**FAST)
    other = database(gateway)
    other.execute("BEGIN EXCLUSIVE")
    slowest = 0
    for _ in range(60):
        begun = time.monotonic()
        assert_success(gateway.post(fresh()))
        slowest = max(slowest, time.monotonic() - begun)
        time.sleep(0.2)
    assert slowest < 0.5, "a request waited for the database"
    until(lambda: gateway.get("/readyz").json()["checks"]["history"] != "ok", 15)
    ready = gateway.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    assert list((gateway.data / "history").rglob("*.batches"))
    other.execute("ROLLBACK")
    until_counted(gateway, 60)
    until(lambda: not list((gateway.data / "history").rglob("*.batches")))
    assert gateway.get("/readyz").json()["status"] == "ready"
    said = [r["what"] for r in gateway.records("history")]
    assert len(said) == 2 and "locked" in said[0] and "back" in said[1]


def test_damaged_at_the_start(start, tmp_path):
    gateway = start(**FAST)
    gateway.stop()
    (gateway.data / "limner.db").write_bytes(b"no database " * 1000)
    with pytest.raises(AssertionError, match="is damaged.*limner repair.*move it away"):
        gateway.start()
    (gateway.data / "limner.db").unlink()
    revive(gateway)


def test_made_by_a_newer_limner(start):
    gateway = start(**FAST)
    gateway.stop()
    with contextlib.closing(database(gateway)) as db:
        db.execute("INSERT INTO schema_version VALUES (99, 0)")
    with pytest.raises(AssertionError, match="version 99.*newer limner"):
        gateway.start()
    with contextlib.closing(database(gateway)) as db:
        db.execute("DELETE FROM schema_version WHERE version = 99")
    revive(gateway)


def test_deleted_while_it_runs(start):
    gateway = start(**FAST)
    assert_success(gateway.post(fresh()))
    until_counted(gateway, 1)
    for file in gateway.data.glob("limner.db*"):
        file.unlink()
    assert_success(gateway.post(fresh()))
    until(lambda: (gateway.data / "limner.db").exists(), 25)
    until_counted(gateway, 1)


def test_two_processes_one_folder(start, tmp_path):
    """As in an upgrade without a gap."""
    one = start(**FAST)
    two = start(**FAST, DATA_DIR=one.data)
    for gateway in (one, two, two):
        assert_success(gateway.post(fresh()))
    one.stop()
    one.left = True
    until_counted(two, 3)


def test_postgres_stopped_and_started(start, postgres):
    gateway = start(**FAST, DATABASE_URL=postgres.url)
    assert not (gateway.data / "limner.db").exists()
    assert_success(gateway.post(fresh()))
    until_counted(gateway, 1)
    postgres.stop()
    assert_error(gateway.get("/metrics/history"), 503, "DATABASE_UNAVAILABLE")
    for _ in range(30):
        begun = time.monotonic()
        assert_success(gateway.post(fresh()))
        assert time.monotonic() - begun < 0.5
        time.sleep(0.4)
    until(lambda: gateway.get("/readyz").json()["status"] == "degraded", 15)
    restart(gateway)  # it starts without the database, too
    assert gateway.records("history")
    assert_success(gateway.post(fresh()))
    postgres.start()
    until(lambda: gateway.get("/readyz").json()["checks"]["history"] == "ok", 25)
    until_counted(gateway, 32)
    assert postgres.ask("SELECT CAST(SUM(requests) AS BIGINT) FROM history_total") == [["32"]]


def test_postgres_frozen(start, postgres):
    gateway = start(**FAST, DATABASE_URL=postgres.url)
    postgres.freeze()
    begun = time.monotonic()
    assert_error(gateway.get("/metrics/history"), 503, "DATABASE_UNAVAILABLE")
    assert time.monotonic() - begun < 5
    asked = [threading.Thread(target=gateway.get, args=("/metrics/history",)) for _ in range(8)]
    for thread in asked:
        thread.start()
    for _ in range(20):
        begun = time.monotonic()
        assert_success(gateway.post(fresh()))
        assert time.monotonic() - begun < 0.5
    for thread in asked:
        thread.join()
    postgres.freeze(False)
    until(lambda: gateway.get("/metrics/history").status_code == 200)  # it rests for a second after a failure
    until_counted(gateway, 20)


def test_two_gateways_one_postgres(start, postgres):
    both = [start(**FAST, DATABASE_URL=postgres.url) for _ in range(2)]
    for gateway in both:
        for _ in range(3):
            assert_success(gateway.post(fresh()))
    until_counted(both[0], 6)
    until_counted(both[1], 6)
    for gateway in both:
        until(lambda: totals(gateway)[0] == 6, 15)


def test_wrong_address(start, tmp_path):
    gateway = Gateway(tmp_path / "wrong", **FAST, DATABASE_URL="mysql://somewhere/else")
    with pytest.raises(AssertionError, match="DATABASE_URL must begin with postgres://"):
        gateway.start()
