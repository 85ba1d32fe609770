"""Killed right after something was told, or just before: what a caller knows of a job, the next process knows, too."""
import concurrent.futures
import contextlib
import sqlite3
import time

import pytest
import requests

from cloud import CREATE, DELIVERY, PINNED, ask, life
from gateway import assert_error, assert_success, until
from jobs import ASYNC, OVER, cancel, ended, events, job, pictures, submit
from pictures import fresh
from test_callbacks import SECRET, receiver, told as callback_of  # noqa: F401


def kill(gateway):
    gateway.process.kill()
    gateway.process.wait()


def created(cloud):
    return cloud.upstream.count("created")


@contextlib.contextmanager
def locked(gateway):
    """Nothing can be written to its database."""
    with contextlib.closing(sqlite3.connect(gateway.data / "limner.db", timeout=30, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def test_an_end_is_told_when_it_is_written(bare):
    bare.upstream.script(life(wait_s=0, run_s=1))
    gateway, picture = bare.start(), fresh()
    leads, follows = (submit(gateway, picture, route=PINNED)["job_id"] for _ in range(2))
    until(lambda: gateway.status()["followers"] == 1)
    until(lambda: bare.upstream.count("get") > 0)
    with locked(gateway):
        until(gateway.objects)
        until(lambda: gateway.status()["flights"] == 0)
        assert [job(gateway, name)["state"] in OVER for name in (leads, follows)] == [False, False]
        assert len(pictures(gateway)) == 1
        kill(gateway)
    gateway.start()
    assert [ended(gateway, name)["state"] for name in (leads, follows)] == ["completed", "completed"]
    until(lambda: not pictures(gateway))


def test_a_database_that_is_locked_for_a_while(bare):
    gateway = bare.start(DB_TIMEOUT_MS=200)
    first = submit(gateway, fresh(), route=PINNED)["job_id"]
    with locked(gateway):
        until(lambda: gateway.records("journal"))
        refused = gateway.post(fresh(), PINNED, headers=ASYNC)
        assert_error(refused, 503, "DATABASE_UNAVAILABLE")
        assert_success(ask(gateway))  # who waits is served all the same
    assert ended(gateway, first)["state"] == "completed"
    again = until(lambda: accepted_or_none(gateway))
    assert ended(gateway, again)["state"] == "completed"


def accepted_or_none(gateway):
    answer = gateway.post(fresh(), PINNED, headers=ASYNC)
    return answer.json()["data"]["job_id"] if answer.status_code == 202 else None


def test_what_failed_before_is_not_taken_for_ones_own(bare):
    """The first fails; the second, with the same picture, is killed before its create."""
    gateway, picture = bare.start(), fresh()
    bare.upstream.script(life(end="failed", error="The model fell over."))
    assert ended(gateway, submit(gateway, picture, route=PINNED)["job_id"])["state"] == "failed"
    bare.upstream.script({"match": CREATE, "do": "429", "times": 1, "retry_after": 2})
    accepted = submit(gateway, picture, route=PINNED)
    until(lambda: bare.upstream.count("create") == 2)
    kill(gateway)
    gateway.start()
    assert ended(gateway, accepted["job_id"])["state"] == "completed"
    assert created(bare) == 2


@pytest.mark.parametrize("known", [True, False], ids=["by-id", "looked-up"])
def test_a_cancel_is_not_forgotten(bare, known):
    """Killed while the provider is asked to stop, or before it could be: the next process sees to it."""
    silent = {"match": {"call": "cancel"}, "do": "hang", "times": int(known)}
    bare.upstream.script(life(wait_s=0 if known else 30, run_s=30), silent)
    gateway = bare.start()
    accepted = submit(gateway, fresh(), route=PINNED)
    until(lambda: created(bare) == 1)
    if known:
        until(lambda: bare.upstream.count("get") > 0)
        time.sleep(0.2)  # its id is noted
    assert cancel(gateway, accepted["job_id"])["state"] == "running"
    kill(gateway)
    gateway.start()
    done = ended(gateway, accepted["job_id"])
    assert (done["state"], done["error"]["code"]) == ("canceled", "CANCELED")
    until(lambda: bare.upstream.count("canceled") == 1)
    assert created(bare) == 1


def test_a_cancel_in_the_queue_is_not_forgotten(bare):
    bare.upstream.script(life(wait_s=0, run_s=1))
    gateway = bare.start(JOBS_ACTIVE_MAX=1)
    first, second = (submit(gateway, fresh(), route=PINNED)["job_id"] for _ in range(2))
    until(lambda: created(bare) == 1)
    with locked(gateway):
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            told = pool.submit(cancel, gateway, second)
            until(lambda: gateway.get(f"/api/jobs/{second}").json()["data"]["stage"] == "respond")
            assert not told.done(), "it was told before it was written"
            kill(gateway)
            assert isinstance(told.exception(), requests.ConnectionError)
    gateway.start()
    assert cancel(gateway, second)["job_id"] == second
    kill(gateway)
    gateway.start()
    assert [ended(gateway, name)["state"] for name in (first, second)] == ["completed", "canceled"]
    assert created(bare) == 1


def leads_a_twin(cloud, gateway, run_s=4, **more):
    """Two jobs that want the same; the ids of the one whose run it is, and of the other one."""
    cloud.upstream.script(life(wait_s=0, run_s=run_s))
    picture = fresh()
    leads = submit(gateway, picture, route=PINNED, **more)["job_id"]
    until(lambda: cloud.upstream.count("get") > 0)
    follows = submit(gateway, picture, route=PINNED)["job_id"]
    until(lambda: gateway.status()["followers"] == 1)
    return picture, leads, follows


def still_canceled(gateway, name):
    shown = job(gateway, name)
    return (shown["state"], shown["error"]["code"], shown["ended_ms"])


def test_what_was_told_as_canceled_stays_so(bare, receiver):  # noqa: F811
    """Its run goes on for its twin, so its row is open: whoever asks the next process is told the same all the same."""
    gateway = bare.start(CALLBACK_SECRET=SECRET)
    key = {"Idempotency-Key": "canceled-by-its-caller"}
    picture, leads, follows = leads_a_twin(bare, gateway, headers=key, fields={"callback_url": receiver.url})
    first = cancel(gateway, leads)
    assert (first["state"], first["error"]["code"]) == ("canceled", "CANCELED")
    until(lambda: callback_of(gateway, leads)["state"] == "delivered")
    for _ in range(2):
        time.sleep(0.1)  # that it was delivered is noted
        kill(gateway)
        gateway.start()
        end = time.monotonic() + 0.7  # it has not begun to stop the run
        while time.monotonic() < end:
            assert still_canceled(gateway, leads) == ("canceled", "CANCELED", first["ended_ms"])
            again = submit(gateway, picture, headers=key, route=PINNED, fields={"callback_url": receiver.url})
            assert (again["job_id"], again["state"]) == (leads, "canceled")
            assert [name for _, name, _ in events(gateway, leads, after=1)] == ["canceled"]
            assert cancel(gateway, leads)["state"] == "canceled"
    assert ended(gateway, follows)["state"] == "completed"
    assert still_canceled(gateway, leads) == ("canceled", "CANCELED", first["ended_ms"])
    until(lambda: not pictures(gateway))
    assert (created(bare), bare.upstream.count("canceled"), len(receiver.got)) == (1, 0, 1)
    kill(gateway)
    gateway.start()
    assert still_canceled(gateway, leads) == ("canceled", "CANCELED", first["ended_ms"])


def test_its_run_is_stopped_if_nobody_wants_it(bare):
    """The twin is killed with its process, as its caller waited: what the canceled one had begun is for nobody."""
    bare.upstream.script(life(wait_s=0, run_s=30))
    gateway, picture = bare.start(), fresh()
    leads = submit(gateway, picture, route=PINNED)["job_id"]
    until(lambda: bare.upstream.count("get") > 0)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waits = pool.submit(ask, gateway, picture)
        until(lambda: gateway.status()["followers"] == 1)
        assert cancel(gateway, leads)["state"] == "canceled"
        kill(gateway)
        assert isinstance(waits.exception(), requests.ConnectionError)
    gateway.start()
    until(lambda: bare.upstream.count("canceled") == 1)
    assert job(gateway, leads)["state"] == "canceled"
    until(lambda: not pictures(gateway))
    assert created(bare) == 1


def test_a_cancel_is_told_when_it_is_written(bare):
    gateway = bare.start()
    _, leads, follows = leads_a_twin(bare, gateway, run_s=2)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with locked(gateway):
            answer = pool.submit(cancel, gateway, leads)
            until(lambda: job(gateway, leads)["stage"] == "respond")
            assert job(gateway, leads)["state"] not in OVER and not answer.done()
        assert answer.result()["state"] == "canceled"
    kill(gateway)
    gateway.start()
    assert job(gateway, leads)["state"] == "canceled"
    assert ended(gateway, follows)["state"] == "completed"
    assert created(bare) == 1


def test_a_batch_that_was_canceled_stays_so(bare):
    """The wish is written, and the provider does not answer before the end: the rest is not begun."""
    bare.upstream.script(life(wait_s=0, run_s=30), {"match": {"call": "cancel"}, "do": "hang", "times": 1})
    gateway = bare.start(JOBS_MAX=2, JOBS_ACTIVE_MAX=1)  # the last ones wait for room
    items = [{"image_url": bare.upstream.put_picture(fresh())} for _ in range(12)]
    answer = requests.post(f"{gateway.url}/api/batch", json={"feature": PINNED, "items": items}, timeout=30)
    assert answer.status_code == 202
    name = answer.json()["data"]["job_id"]
    until(lambda: bare.upstream.count("get") > 0)
    time.sleep(0.2)  # its id is noted
    assert cancel(gateway, name)["state"] == "running"
    kill(gateway)
    gateway.start()
    done = ended(gateway, name)
    assert (done["state"], done["error"]["code"], done["batch"]["canceled"]) == ("canceled", "CANCELED", 12)
    until(lambda: bare.upstream.record()["running"].get("all", 0) == 0)
    assert (created(bare), bare.upstream.count("canceled")) == (1, 1)
    kill(gateway)
    gateway.start()
    assert still_canceled(gateway, name)[:2] == ("canceled", "CANCELED")


@pytest.mark.short
def test_a_run_outlives_its_job(bare):
    """It goes on for a twin, and tells its prediction when nobody remembers the job."""
    bare.upstream.script(life(wait_s=1, run_s=2))
    gateway, picture = bare.start(JOBS_RECENT_MAX=0), fresh()
    accepted = submit(gateway, picture, route=PINNED)
    until(lambda: created(bare) == 1)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waits = pool.submit(ask, gateway, picture)
        until(lambda: gateway.status()["followers"] == 1)
        cancel(gateway, accepted["job_id"])
        assert ended(gateway, accepted["job_id"])["state"] == "canceled"
        assert_success(waits.result())
    assert created(bare) == 1


def test_a_batch_goes_on_after_a_stop(bare):
    bare.upstream.script({"match": DELIVERY, "do": "late", "seconds": 1, "times": 2})
    gateway = bare.start()
    items = [{"image_url": bare.upstream.put_picture(fresh())} for _ in range(2)]
    answer = requests.post(f"{gateway.url}/api/batch", json={"feature": PINNED, "items": items}, timeout=30)
    assert answer.status_code == 202
    until(lambda: bare.upstream.count("delivery") == 2)
    gateway.signal()
    assert gateway.wait() == 0
    gateway.check_log()
    gateway.start()
    done = ended(gateway, answer.json()["data"]["job_id"])["batch"]
    assert (done["completed"], done["failed"], done["refused"]) == (2, 0, [])
