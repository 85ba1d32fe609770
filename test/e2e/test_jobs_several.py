"""Several gateways with one PostgreSQL: a dead one's jobs are finished by a living one."""
import signal

import pytest
import requests

from cloud import CREATE, PINNED, life
from gateway import ONE_SLOW_RUN, assert_error, until
from jobs import ended, job, submit
from pictures import fresh
from test_history import postgres  # noqa: F401

QUICK = {"JOB_OWNER_S": 4}


def kill(gateway):
    gateway.process.kill()
    gateway.process.wait()
    gateway.left = True


def seen_by(gateway, job_id):
    """Another gateway's, read from the database, until it is here."""
    return ended(gateway, job_id, 60)


def test_a_run_whose_id_is_known_is_followed(bare, postgres):  # noqa: F811
    bare.upstream.script(life(wait_s=0, run_s=8))
    first = bare.start(DATABASE_URL=postgres.url, **QUICK)
    second = bare.start(DATABASE_URL=postgres.url, **QUICK)
    accepted = submit(first, fresh(), route=PINNED)
    until(lambda: bare.upstream.count("get") > 1)
    assert job(second, accepted["job_id"])["state"] in ("queued", "running")
    elsewhere = requests.post(f"{second.url}/api/jobs/{accepted['job_id']}/cancel", timeout=30)
    assert_error(elsewhere, 503, "DRAINING")  # it works there, and only there it can be stopped
    kill(first)
    assert seen_by(second, accepted["job_id"])["state"] == "completed"
    assert bare.upstream.count("created") == 1


def test_what_waits_is_done_where_its_picture_can_be_had(start, postgres, tmp_path):  # noqa: F811
    shared = {"DATABASE_URL": postgres.url, "JOBS_DIR": tmp_path / "jobs", **QUICK, **ONE_SLOW_RUN}
    first, second = start(**shared), start(**shared)
    accepted = [submit(first, fresh())["job_id"] for _ in range(3)]
    kill(first)
    for one in accepted:
        assert seen_by(second, one)["state"] == "completed"
    assert len(second.objects()) == 3


def test_without_its_picture_it_says_so(start, postgres):  # noqa: F811
    shared = {"DATABASE_URL": postgres.url, **QUICK, **ONE_SLOW_RUN}
    first, second = start(**shared), start(**shared)
    accepted = [submit(first, fresh())["job_id"] for _ in range(2)]
    kill(first)
    failed = seen_by(second, accepted[1])
    assert (failed["state"], failed["error"]["code"], failed["billed"]) == ("failed", "UPLOAD_UNKNOWN", False)


def test_one_that_was_away_pays_nothing(bare, postgres, tmp_path):  # noqa: F811
    """It stood still between its intent and the create; meanwhile another has taken the job over."""
    bare.upstream.script({"match": CREATE, "do": "429", "times": 1, "retry_after": 2})
    shared = {"DATABASE_URL": postgres.url, "JOBS_DIR": tmp_path / "jobs", **QUICK}
    first = bare.start(**shared)
    accepted = submit(first, fresh(), route=PINNED)
    until(lambda: bare.upstream.count("create") == 1)
    first.signal(signal.SIGSTOP)
    try:
        second = bare.start(**shared)
        assert seen_by(second, accepted["job_id"])["state"] == "completed"
    finally:
        first.signal(signal.SIGCONT)
    until(lambda: first.records("request"), 20)
    assert bare.upstream.count("created") == 1
    assert job(second, accepted["job_id"])["state"] == "completed"


def test_what_one_has_told_all_tell(bare, postgres):  # noqa: F811
    """Canceled, but its run goes on for a twin; both gateways say so, and whoever takes it over."""
    from jobs import cancel
    bare.upstream.script(life(wait_s=0, run_s=10))
    first = bare.start(DATABASE_URL=postgres.url, **QUICK)
    second = bare.start(DATABASE_URL=postgres.url, **QUICK)
    picture = fresh()
    leads = submit(first, picture, route=PINNED)["job_id"]
    until(lambda: bare.upstream.count("get") > 0)
    submit(first, picture, route=PINNED)
    until(lambda: first.status()["followers"] == 1)
    told = cancel(first, leads)
    assert told["state"] == "canceled" and job(second, leads)["ended_ms"] == told["ended_ms"]
    elsewhere = requests.post(f"{second.url}/api/jobs/{leads}/cancel", timeout=30)
    assert elsewhere.json()["data"]["state"] == "canceled"
    kill(first)
    until(lambda: bare.upstream.count("canceled") == 1, 60)  # the twin's picture is not here, so nobody wants it
    assert job(second, leads)["ended_ms"] == told["ended_ms"]


@pytest.mark.parametrize("how", ["completed", "canceled"])
def test_the_living_ones_are_left_alone(start, postgres, how):  # noqa: F811
    from jobs import cancel
    shared = {"DATABASE_URL": postgres.url, **QUICK, **ONE_SLOW_RUN}
    first, second = start(**shared), start(**shared)
    accepted = submit(first, fresh())
    if how == "canceled":
        cancel(first, accepted["job_id"])
    assert ended(first, accepted["job_id"])["state"] == how
    until(lambda: job(second, accepted["job_id"])["state"] == how)
    assert not second.records("request")


def test_jobs_wait_for_a_database_that_is_away(bare, postgres):  # noqa: F811
    gateway = bare.start(DATABASE_URL=postgres.url, DB_TIMEOUT_MS=500, REPLICATE_LIGHT_CONCURRENCY=1)
    bare.upstream.script(life(wait_s=0, run_s=1))
    accepted = [submit(gateway, fresh(), route=PINNED)["job_id"] for _ in range(3)]
    until(lambda: bare.upstream.count("created") == 1)
    postgres.stop()
    until(lambda: gateway.get("/readyz").json()["checks"]["journal"] == "failed")
    until(lambda: bare.upstream.record()["running"].get("all", 0) == 0)
    assert bare.upstream.count("created") == 1
    postgres.start()
    for one in accepted:
        assert seen_by(gateway, one)["state"] == "completed"
    assert bare.upstream.count("created") == 3
