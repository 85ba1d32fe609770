"""PostgreSQL that answers, and cannot: a table that another session has locked, and a disk that is full."""
import os
import subprocess
import threading
import time

import pytest

from gateway import assert_success, until
from pictures import fresh
from test_history import FAST, postgres, until_counted  # noqa: F401  # a fixture among them


def work(gateway, seconds):
    """Requests for so long, none of which notices it; how many they were."""
    count, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        begun = time.monotonic()
        assert_success(gateway.post(fresh()))
        assert time.monotonic() - begun < 0.5
        count += 1
        time.sleep(0.4)
    return count


def until_degraded(gateway):
    until(lambda: gateway.get("/readyz").json()["status"] == "degraded", 25)


def test_locked(start, postgres):
    """As by a long VACUUM FULL, or somebody's forgotten session."""
    gateway = start(**FAST, DATABASE_URL=postgres.url)
    assert_success(gateway.post(fresh()))
    until_counted(gateway, 1)
    lock = "BEGIN; LOCK TABLE history_10s IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(14); COMMIT"
    session = threading.Thread(target=postgres.ask, args=(lock,))
    session.start()
    count = work(gateway, 12)
    until_degraded(gateway)
    session.join()
    until_counted(gateway, 1 + count)
    assert gateway.get("/readyz").json()["status"] == "ready"


def may_mount(folder):
    return os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "small", folder],
                                                capture_output=True, check=False).returncode == 0


def test_disk_full(start, postgres):
    small = postgres.folder / "small"
    small.mkdir()
    if not may_mount(small):
        pytest.skip("a small disk cannot be mounted here")
    postgres.stop()
    postgres.start(small)
    gateway = start(**FAST, DATABASE_URL=postgres.url)
    assert_success(gateway.post(fresh()))
    until_counted(gateway, 1)
    assert postgres.ask(f"CREATE TABLESPACE small LOCATION '{small}'") is not None
    assert postgres.ask("ALTER TABLE history_10s SET TABLESPACE small") is not None
    at = 1
    for rows in (1000, 100, 10, 1):  # to the last byte, and so old that nobody asks for them
        fill = ("INSERT INTO history_10s (at, feature, provider, outcome, requests, latency_us, provider_us, latency, overhead, "
                "provided) SELECT i, 'junk', '', 'run', 1, 1, 1, 'x', 'x', 'x' FROM generate_series({0}, {0} + {1} - 1) i")
        while postgres.ask(fill.format(at, rows)) is not None:
            at += rows
    assert "No space left" in (postgres.folder / "log").read_text()
    count = work(gateway, 12)
    until_degraded(gateway)
    assert postgres.ask("ALTER TABLE history_10s SET TABLESPACE pg_default") is not None  # somebody makes room
    until(lambda: gateway.get("/readyz").json()["status"] == "ready", 25)
    until(lambda: postgres.ask("SELECT CAST(SUM(requests) AS BIGINT) FROM history_total") == [[str(1 + count)]], 25)
