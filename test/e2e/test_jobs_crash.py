"""Killed at any moment: what was accepted is done, and nothing is paid twice."""
import concurrent.futures
import time

import requests

from cloud import CREATE, PINNED, ask, life
from gateway import assert_success, until
from jobs import cancel, ended, job, submit
from pictures import fresh

SLOWLY = life(wait_s=0, run_s=2)


def kill(gateway):
    gateway.process.kill()
    gateway.process.wait()


def created(cloud):
    return cloud.upstream.count("created")


def test_a_prediction_is_taken_up_by_its_id(bare):
    bare.upstream.script(SLOWLY)
    gateway = bare.start()
    accepted = submit(gateway, fresh(), route=PINNED)
    until(lambda: bare.upstream.record()["running"].get("all", 0) == 1)
    until(lambda: job(gateway, accepted["job_id"])["state"] == "running")
    until(lambda: bare.upstream.count("get") > 0)  # it knows the id, and has noted it
    time.sleep(0.2)
    kill(gateway)
    gateway.start()
    done = ended(gateway, accepted["job_id"])
    assert done["state"] == "completed" and done["billed"] is True
    assert created(bare) == 1 and bare.upstream.count("list") == 0
    assert requests.get(done["result"]["data"]["url"], timeout=30).status_code == 200


def test_a_create_without_an_answer_is_looked_up(bare):
    bare.upstream.script(life(wait_s=30, run_s=1.5))
    gateway = bare.start()
    accepted = submit(gateway, fresh(), route=PINNED)
    until(lambda: created(bare) == 1)
    kill(gateway)
    gateway.start()
    assert ended(gateway, accepted["job_id"])["state"] == "completed"
    assert created(bare) == 1 and bare.upstream.count("list") > 0


def test_what_was_not_sent_is_sent_by_the_next(bare):
    bare.upstream.script({"match": CREATE, "do": "429", "times": 1, "retry_after": 2})
    gateway = bare.start()
    accepted = submit(gateway, fresh(), route=PINNED)
    until(lambda: bare.upstream.count("create") == 1)
    kill(gateway)
    gateway.start()
    assert ended(gateway, accepted["job_id"])["state"] == "completed"
    assert created(bare) == 1


def test_a_request_that_waited_is_finished_for_the_next_who_asks(bare):
    bare.upstream.script(SLOWLY)
    gateway, picture = bare.start(), fresh()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waits = pool.submit(ask, gateway, picture)
        until(lambda: bare.upstream.count("get") > 0)
        time.sleep(0.2)
        kill(gateway)
        assert isinstance(waits.exception(), requests.ConnectionError)
    gateway.start()
    until(lambda: gateway.records("request", outcome="run"), 20)
    assert assert_success(ask(gateway, picture))["meta"]["cached"]
    assert created(bare) == 1


def test_a_stop_leaves_jobs_to_the_next_start(bare):
    bare.upstream.script(SLOWLY)
    gateway = bare.start()
    accepted = submit(gateway, fresh(), route=PINNED)
    until(lambda: bare.upstream.count("get") > 0)
    begun = time.monotonic()
    gateway.signal()
    assert gateway.wait() == 0
    assert time.monotonic() - begun < 1.5, "it waited for the job"
    gateway.check_log()
    gateway.start()
    assert ended(gateway, accepted["job_id"])["state"] == "completed"
    assert created(bare) == 1


def test_twins_are_not_paid_for_by_the_one_that_only_followed(bare):
    bare.upstream.script(SLOWLY)
    gateway, picture = bare.start(), fresh()
    jobs = [submit(gateway, picture, route=PINNED)["job_id"] for _ in range(6)]
    until(lambda: bare.upstream.count("get") > 0)
    time.sleep(0.2)
    kill(gateway)
    gateway.start()
    assert {ended(gateway, name)["state"] for name in jobs} == {"completed"}
    assert created(bare) == 1


def test_a_canceled_leader_with_followers_is_not_paid_for_again(bare):
    bare.upstream.script(SLOWLY)
    gateway, picture = bare.start(), fresh()
    leads, follows = (submit(gateway, picture, route=PINNED)["job_id"] for _ in range(2))
    until(lambda: bare.upstream.count("get") > 0 and gateway.status()["followers"] == 1)
    assert cancel(gateway, leads)["state"] == "canceled"
    time.sleep(0.2)
    kill(gateway)
    gateway.start()
    assert ended(gateway, follows)["state"] == "completed"
    assert created(bare) == 1


def test_a_wish_to_cancel_outlives_the_process(bare):
    bare.upstream.script({"match": CREATE, "do": "429", "times": 100, "retry_after": 1})
    gateway = bare.start(AI_RETRIES=10)
    accepted = submit(gateway, fresh(), route=PINNED)
    until(lambda: bare.upstream.count("create") > 0)
    cancel(gateway, accepted["job_id"])
    time.sleep(0.2)
    kill(gateway)
    bare.upstream.script()
    gateway.start()
    assert ended(gateway, accepted["job_id"])["state"] == "canceled"
    assert created(bare) == 0


def test_a_stop_leaves_a_job_of_two_steps(bare):
    """The cut-out is a request of its own, and as much the job's."""
    bare.upstream.script(SLOWLY)
    gateway = bare.start()
    files = {"fg": ("fg.jpg", fresh(kind="JPEG")), "bg": ("bg.jpg", fresh(kind="JPEG"))}
    accepted = submit(gateway, files=files, route="/api/replace-bg")
    until(lambda: bare.upstream.count("get") > 0)
    begun = time.monotonic()
    gateway.signal()
    assert gateway.wait() == 0
    assert time.monotonic() - begun < 1.5, "it waited for the job"
    gateway.start()
    assert ended(gateway, accepted["job_id"])["state"] == "completed"
    assert created(bare) == 1
