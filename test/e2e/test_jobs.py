"""A feature as a job: accepted at once, told about, cancelled, found again."""
import concurrent.futures
import time
import uuid

import pytest
import requests

from gateway import ONE_SLOW_RUN, SLOW, assert_error, assert_success, until
from jobs import ASYNC, cancel, ended, events, job, pictures, submit
from pictures import decode, fresh
from raw import Wire, post_head

pytestmark = [pytest.mark.short, pytest.mark.threads]
NOBODYS = "00000000-0000-4000-8000-000000000000"
KEYS = "first:0123456789abcdef,second:fedcba9876543210"


# ---- accepted, and done ----

def test_a_job_is_accepted_and_gives_what_a_request_would(instant):
    picture = fresh()
    accepted = submit(instant, picture)
    assert accepted["state"] in ("queued", "running", "completed")
    done = ended(instant, accepted["job_id"])
    assert done["state"] == "completed" and done["billed"] is False
    assert done["created_ms"] <= done["started_ms"] <= done["ended_ms"]
    plain = assert_success(instant.post(picture))
    assert plain["data"]["key"] == done["result"]["data"]["key"]
    assert plain["meta"]["cached"] and not done["result"]["meta"]["cached"]
    assert decode(requests.get(done["result"]["data"]["url"], timeout=30).content).size == decode(picture).size


@pytest.mark.parametrize("how", [{"params": {"async": "1"}}, {"fields": {"async": "true"}}], ids=["query", "field"])
def test_other_ways_to_say_so(instant, how):
    route = "/api/clarity?async=1" if "params" in how else "/api/clarity"
    answer = instant.post(fresh(), route=route, fields=how.get("fields"))
    assert answer.status_code == 202
    assert ended(instant, answer.json()["data"]["job_id"])["state"] == "completed"


def test_it_is_refused_as_early_as_a_request(instant):
    assert_error(instant.post(fresh(), fields={"scale": "3"}, headers=ASYNC), 400, "VALIDATION_ERROR", "scale")
    assert_error(instant.post(b"words", headers=ASYNC), 415, "UNSUPPORTED_MEDIA_TYPE")
    assert_error(instant.post(None, fields={"scale": "2"}, headers=ASYNC), 400, "VALIDATION_ERROR", "image")


def test_by_digest(start):
    gateway, picture = start(PROVIDERS="instant", UPLOADS_KEEP_MB=32), fresh()
    digest = assert_success(gateway.post(picture))["meta"]["image_digest"]
    accepted = submit(gateway, fields={"image_digest": digest, "scale": "4"})
    assert ended(gateway, accepted["job_id"])["state"] == "completed"
    unknown = "sha256:" + "0" * 64
    refused = gateway.post(fields={"image_digest": unknown}, headers=ASYNC)
    assert_error(refused, 404, "UPLOAD_UNKNOWN")


def test_who_waits_gets_the_result_in_time_or_the_job(start):
    gateway = start(**ONE_SLOW_RUN)
    picture = fresh()
    late = gateway.post(picture, headers={"Prefer": "wait=0"})
    assert late.status_code == 202
    answer = gateway.post(picture, headers={"Prefer": "wait=60"})
    body = assert_success(answer)
    assert answer.headers["Preference-Applied"] == "wait=60"
    done = ended(gateway, late.json()["data"]["job_id"])
    assert body["data"]["key"] == done["result"]["data"]["key"]


def test_who_leaves_while_it_waits_leaves_the_job(start):
    gateway, picture = start(**ONE_SLOW_RUN), fresh()
    with Wire(gateway) as wire:
        head = post_head(len(picture)).replace("\r\n", "\r\nPrefer: wait=60\r\nIdempotency-Key: left\r\n", 1)
        wire.send(head.encode() + picture)
        gateway.wait_running("light")
    until(lambda: not gateway.connections(), 2)
    again = gateway.post(picture, headers={"Idempotency-Key": "left"})
    assert_success(again)
    assert len(gateway.objects()) == 1


def test_status_waits_for_the_end(start):
    gateway = start(**ONE_SLOW_RUN)
    accepted = submit(gateway, fresh())
    assert job(gateway, accepted["job_id"])["state"] != "completed"
    assert job(gateway, accepted["job_id"], params={"wait": 30})["state"] == "completed"


def test_place_and_time_are_told(start):
    gateway = start(**ONE_SLOW_RUN)
    assert_success(gateway.post(fresh()))  # so that it knows how long one takes
    first, second, third = [submit(gateway, fresh()) for _ in range(3)]
    until(lambda: job(gateway, first["job_id"])["state"] == "running")
    until(lambda: job(gateway, third["job_id"])["queue_position"] == 2)
    assert job(gateway, second["job_id"])["queue_position"] == 1
    assert job(gateway, third["job_id"])["eta_ms"] > job(gateway, second["job_id"])["eta_ms"] > 0
    assert job(gateway, third["job_id"])["stage"] == "queue"
    for one in (second, third, first):
        cancel(gateway, one["job_id"])


def test_no_more_than_jobs_max(start):
    gateway = start(JOBS_MAX=2, **ONE_SLOW_RUN)
    kept = [submit(gateway, fresh()) for _ in range(2)]
    assert_error(gateway.post(fresh(), headers=ASYNC), 429, "QUEUE_FULL")
    for one in kept:
        cancel(gateway, one["job_id"])
    submit(gateway, fresh())


# ---- a key ----

def test_a_key_makes_the_same_request_one_job(start):
    gateway, picture = start(PROVIDERS="instant", CACHE_MAX_SIZE=0), fresh()
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first = assert_success(gateway.post(picture, headers=key))
    again = assert_success(gateway.post(picture, headers=key))
    assert again["data"]["key"] == first["data"]["key"]
    assert len(gateway.objects()) == 1
    other = assert_success(gateway.post(picture, headers={"Idempotency-Key": str(uuid.uuid4())}))
    assert other["data"]["key"] != first["data"]["key"]
    assert_error(gateway.post(fresh(), headers=key), 422, "IDEMPOTENCY_MISMATCH")
    gateway.stop()
    gateway.start()
    after = assert_success(gateway.post(picture, headers=key))
    assert after["data"]["key"] == first["data"]["key"]


def test_a_key_attaches_to_what_is_under_way(start):
    gateway, picture = start(CACHE_MAX_SIZE=0, **ONE_SLOW_RUN), fresh()
    key = {"Idempotency-Key": "the-same"}
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: gateway.post(picture, headers=key), range(4)))
    assert len({assert_success(a)["data"]["key"] for a in answers}) == 1
    assert len(gateway.objects()) == 1


@pytest.mark.parametrize("key", ["", "a b", "x" * 256])
def test_a_key_that_is_none(instant, key):
    assert_error(instant.post(fresh(), headers={"Idempotency-Key": key}), 400, "VALIDATION_ERROR", "Idempotency-Key")


def test_a_key_answers_by_digest_when_the_picture_is_forgotten(start):
    gateway, picture = start(PROVIDERS="instant", UPLOADS_KEEP_MB=32, UPLOADS_KEEP_S=1, CACHE_TTL_MS=500), fresh()
    digest = assert_success(gateway.post(picture))["meta"]["image_digest"]
    key, fields = {"Idempotency-Key": "by-digest"}, {"image_digest": digest, "scale": "4"}
    first = assert_success(gateway.post(fields=fields, headers=key))
    time.sleep(2.5)  # whoever asks makes it known again
    assert gateway.post(fields={**fields, "scale": "2"}).status_code == 404
    assert assert_success(gateway.post(fields=fields, headers=key))["data"]["key"] == first["data"]["key"]
    other = {"Idempotency-Key": "another"}
    assert_error(gateway.post(fields=fields, headers=other), 404, "UPLOAD_UNKNOWN")
    assert_success(gateway.post(picture, fields={"scale": "4"}, headers=other))


def test_none_is_kept_in_memory(start):
    """Whoever has just ended it may still answer with it."""
    gateway, picture = start(PROVIDERS="instant", JOBS_RECENT_MAX=0), fresh()
    for how in ({"Prefer": "wait=10"}, {"Prefer": "respond-async"}, {"Idempotency-Key": "a"}, {"Idempotency-Key": "a"}):
        assert gateway.post(picture, headers=how).status_code in (200, 202)
        assert gateway.post(fresh(), headers=how | {"Idempotency-Key": str(uuid.uuid4())}).status_code in (200, 202)


# ---- cancelling ----

def test_cancel_in_the_queue_and_at_work(start):
    gateway = start(**ONE_SLOW_RUN)
    works, waits = submit(gateway, fresh()), submit(gateway, fresh())
    until(lambda: job(gateway, works["job_id"])["state"] == "running")
    assert cancel(gateway, waits["job_id"])["job_id"] == waits["job_id"]
    for one in (waits, works):
        cancel(gateway, one["job_id"])
        over = ended(gateway, one["job_id"], 1)
        assert over["state"] == "canceled" and over["error"]["code"] == "CANCELED"
    gateway.wait_idle()
    assert gateway.objects() == []
    assert pictures(gateway) == []


def test_cancel_leaves_twins_alone(start):
    gateway, picture = start(**ONE_SLOW_RUN), fresh()
    leads, follows = submit(gateway, picture), submit(gateway, picture)
    until(lambda: gateway.status()["followers"] == 1)
    cancel(gateway, leads["job_id"])
    assert ended(gateway, leads["job_id"])["state"] == "canceled"
    assert ended(gateway, follows["job_id"])["state"] == "completed"


def test_cancel_when_it_is_over_changes_nothing(instant):
    done = ended(instant, submit(instant, fresh())["job_id"])
    assert cancel(instant, done["job_id"])["state"] == "completed"


# ---- whose ----

def test_others_cannot_see_it(start):
    gateway = start(PROVIDERS="instant", API_KEYS=KEYS)
    mine, other = ({"x-api-key": k.partition(":")[2]} for k in KEYS.split(","))
    accepted = submit(gateway, fresh(), headers=mine)
    path = f"/api/jobs/{accepted['job_id']}"
    assert gateway.get(path, headers=mine).status_code == 200
    assert_error(gateway.get(path, headers=other), 404, "NOT_FOUND")
    assert_error(gateway.get(path), 401, "UNAUTHORIZED")
    stranger = requests.post(gateway.url + path + "/cancel", headers=other, timeout=30)
    assert_error(stranger, 404, "NOT_FOUND")


@pytest.mark.parametrize("path", ["", "no-such-job", "x" * 100, NOBODYS, f"{NOBODYS}/what"])
def test_there_is_no_such_job(instant, path):
    assert_error(instant.get(f"/api/jobs/{path}"), 404, "NOT_FOUND")


def test_methods(instant):
    done = ended(instant, submit(instant, fresh())["job_id"])
    assert_error(instant.get(f"/api/jobs/{done['job_id']}/cancel"), 405, "METHOD_NOT_ALLOWED")
    refused = requests.post(f"{instant.url}/api/jobs/{done['job_id']}", timeout=30 * SLOW)
    assert_error(refused, 405, "METHOD_NOT_ALLOWED")


# ---- events ----

def test_events_from_the_beginning_and_from_the_middle(start):
    gateway = start(**ONE_SLOW_RUN)
    accepted = submit(gateway, fresh())
    seen = events(gateway, accepted["job_id"])
    names = [name for _, name, _ in seen]
    assert names[0] == "queued" and names[-1] == "completed" and "started" in names
    assert [number for number, _, _ in seen] == list(range(1, len(seen) + 1))
    assert all(e["job_id"] == accepted["job_id"] and e["id"] == n for n, _, e in seen)
    assert seen[-1][2]["data"]["result"]["data"]["url"].startswith("http")
    assert events(gateway, accepted["job_id"], after=seen[-2][0]) == [seen[-1]]


def test_events_of_one_that_is_long_over(start):
    gateway = start(PROVIDERS="instant", JOBS_RECENT_MAX=0)
    accepted = submit(gateway, fresh())
    ended(gateway, accepted["job_id"])
    assert [name for _, name, _ in events(gateway, accepted["job_id"])] == ["completed"]


# ---- another process ----

def test_what_waits_is_done_after_a_restart(start):
    gateway = start(**ONE_SLOW_RUN)
    accepted = [submit(gateway, fresh()) for _ in range(3)]
    until(lambda: job(gateway, accepted[0]["job_id"])["state"] == "running")
    gateway.stop()
    gateway.start()
    for one in accepted:
        assert ended(gateway, one["job_id"], 60)["state"] == "completed"
    assert len(gateway.objects()) == 3
    assert pictures(gateway) == []


def test_what_waits_is_done_after_a_kill(start):
    gateway = start(**ONE_SLOW_RUN)
    accepted = [submit(gateway, fresh()) for _ in range(3)]
    gateway.process.kill()
    gateway.process.wait()
    (pictures(gateway)[0].parent / ("0" * 64)).write_bytes(b"nobody's")
    gateway.start()
    for one in accepted:
        assert ended(gateway, one["job_id"], 60)["state"] == "completed"
    until(lambda: pictures(gateway) == [])
