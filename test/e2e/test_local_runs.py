"""Real runs of the best network, which take seconds: how far they are, their limit, and that they stop when nobody waits."""
import time

import pytest

from gateway import assert_error, assert_success, refusal, until
from pictures import encode, fresh, photo
from raw import Wire, post_head


@pytest.fixture
def best(start):
    """One at a time."""
    return start(PROVIDERS="local", LOCAL_QUALITY="best")


def large(n=0):
    """Some seconds of the best network."""
    return encode(photo(380, 400, left=n), "JPEG")


def send(wire, picture):
    wire.send(post_head(len(picture)).encode() + picture)


def test_a_running_one_that_leaves_frees_the_slot(best):
    """The work stops between tiles."""
    for i in range(2):
        with Wire(best) as wire:
            send(wire, large(i))
            best.wait_running("local", 1, 0)
    assert_success(best.post(fresh(32, 32)))
    best.wait_idle()
    assert len(best.objects()) == 1


def test_run_has_a_limit(start):
    gateway = start(PROVIDERS="local", LOCAL_QUALITY="best", RUN_TIMEOUT_MS=300)
    with refusal(gateway, ran=True):
        assert_error(gateway.post(large()), 504, "DEADLINE_EXCEEDED", says="run")


def test_status_shows_what_runs(best):
    with Wire(best, timeout=600) as running:
        picture = large()
        running.send(post_head(len(picture), more="x-request-id: look-at-me\r\n").encode() + picture)
        until(lambda: [r for r in best.status()["requests"] if r.get("progress", {}).get("total")], 60)
        shown = best.status()["requests"][0]
        assert shown["id"] == "look-at-me"
        assert shown["feature"] == "improveClarity"
        assert shown["stage"] == "run"
        assert shown["age_ms"] > 0
        assert 0 <= shown["progress"]["done"] <= shown["progress"]["total"]


def test_all_leave(best):
    """Nobody waits any more: the run stops between tiles, and the next asker starts anew."""
    picture = large()
    begun = time.monotonic()
    with Wire(best) as first, Wire(best) as second:
        for wire, flights, followers in ((first, 1, 0), (second, 1, 1)):
            wire.send(post_head(len(picture)).encode() + picture)
            until(lambda: (best.status().get("flights"), best.status().get("followers")) == (flights, followers))
    best.wait_idle()
    stopped = time.monotonic() - begun
    assert best.objects() == []
    assert best.metrics()["cache"]["size"] == 0
    assert len(best.records("request", error="CLIENT_GONE")) == 2
    assert assert_success(best.post(fresh(32, 32)))
    begun = time.monotonic()
    assert_success(best.post(picture))
    assert stopped < time.monotonic() - begun, "the run was not stopped"
