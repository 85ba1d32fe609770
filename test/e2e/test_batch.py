"""One feature for many pictures."""
import concurrent.futures
import uuid

import pytest
import requests

from gateway import ONE_SLOW_RUN, SLOW, assert_error, assert_success, until
from jobs import cancel, ended, events, job, pictures
from pictures import fresh

pytestmark = [pytest.mark.short, pytest.mark.threads]


def upload(gateway, count):
    """Pictures that can be named by their digests from now on."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda _: gateway.post(fresh(), fields={"scale": "2"}), range(count))
        return [{"image_digest": assert_success(a)["meta"]["image_digest"]} for a in answers]


def post(gateway, document, **more):
    return requests.post(f"{gateway.url}/api/batch", json=document, timeout=30 * SLOW, **more)


def begin(gateway, document, **more):
    answer = post(gateway, document, **more)
    assert answer.status_code == 202, answer.text
    return answer.json()["data"]


def children(gateway, batch):
    answer = requests.get(batch["children_url"], timeout=30 * SLOW)
    assert answer.status_code == 200, answer.text
    return sorted(answer.json()["data"], key=lambda c: c["index"])


@pytest.fixture
def keeps(start):
    return start(PROVIDERS="instant", UPLOADS_KEEP_MB=32)


def test_each_item_becomes_a_job(keeps):
    items = upload(keeps, 20)
    items[3]["scale"] = 2
    batch = begin(keeps, {"feature": "/api/clarity", "fields": {"scale": 4}, "items": items})
    assert batch["batch"]["total"] == 20
    done = ended(keeps, batch["job_id"])
    assert done["state"] == "completed"
    assert (done["batch"]["completed"], done["batch"]["failed"], done["batch"]["refused"]) == (20, 0, [])
    found = children(keeps, batch)
    assert [c["index"] for c in found] == list(range(20))
    assert [c["job"]["result"]["meta"]["scale"] for c in found] == [2 if i == 3 else 4 for i in range(20)]
    names = [name for _, name, _ in events(keeps, batch["job_id"])]
    assert names[:2] == ["queued", "started"] and names[-1] == "completed"


def test_what_is_wrong_with_an_item_is_its_own_matter(keeps):
    good = upload(keeps, 2)
    bad = [{"image_digest": "sha256:" + "0" * 64}, {"scale": 3, **good[0]}, {}, {"image_url": "http://127.0.0.1:1/x.png"}]
    batch = begin(keeps, {"feature": "clarity", "items": good + bad})
    done = ended(keeps, batch["job_id"])
    assert (done["state"], done["batch"]["completed"], done["batch"]["failed"]) == ("completed", 2, 4)
    codes = {r["index"]: r["code"] for r in done["batch"]["refused"]}
    assert codes == {2: "UPLOAD_UNKNOWN", 3: "VALIDATION_ERROR", 4: "VALIDATION_ERROR", 5: "VALIDATION_ERROR"}


def test_no_room_means_later(start):
    gateway = start(PROVIDERS="instant", INSTANT_MS=50, UPLOADS_KEEP_MB=32, JOBS_MAX=4)
    items = [{**item, "scale": 4} for item in upload(gateway, 12)]
    batch = begin(gateway, {"feature": "clarity", "items": items})
    assert ended(gateway, batch["job_id"], 60)["batch"]["completed"] == 12


def test_cancel(start):
    gateway = start(UPLOADS_KEEP_MB=32, JOBS_MAX=6, **ONE_SLOW_RUN)
    items = [{**item, "scale": 4} for item in upload(gateway, 1)] * 10
    for i, item in enumerate(items):
        items[i] = {**item, "faceEnhance": i % 2 == 0, "scale": 2 if i % 3 else 4}
    batch = begin(gateway, {"feature": "clarity", "items": items})
    until(lambda: job(gateway, batch["job_id"])["state"] == "running")
    cancel(gateway, batch["job_id"])
    done = ended(gateway, batch["job_id"])
    assert done["state"] == "canceled"
    assert done["batch"]["canceled"] + done["batch"]["completed"] + done["batch"]["failed"] == 10
    assert done["batch"]["canceled"] >= 6  # some are remembered, and done at once
    gateway.wait_idle()


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_another_process_goes_on(start, how):
    gateway = start(PROVIDERS="instant", INSTANT_MS=100, UPLOADS_KEEP_MB=32, REPLICATE_LIGHT_CONCURRENCY=2)
    items = [{**item, "scale": 4} for item in upload(gateway, 12)]
    batch = begin(gateway, {"feature": "clarity", "items": items})
    until(lambda: job(gateway, batch["job_id"])["batch"]["completed"] >= 2)
    if how == "stop":
        gateway.stop()
    else:
        gateway.process.kill()
        gateway.process.wait()
    gateway.start()
    done = ended(gateway, batch["job_id"], 60)
    assert done["batch"]["completed"] == 12, done
    batch["children_url"] = f"{gateway.url}/api/jobs/{batch['job_id']}/children"
    assert len({c["job"]["job_id"] for c in children(gateway, batch)}) == 12
    gateway.stop()
    gateway.start()
    assert job(gateway, batch["job_id"])["batch"]["completed"] == 12


def test_what_was_named_is_kept_until_its_turn(start):
    """Uploads are remembered in memory for a while; what a batch names lies on the disk before it is accepted."""
    gateway = start(UPLOADS_KEEP_MB=32, JOBS_MAX=3, **ONE_SLOW_RUN)
    items = [{**item, "scale": 4} for item in upload(gateway, 1) + upload(gateway, 1) + upload(gateway, 1)]
    batch = begin(gateway, {"feature": "clarity", "items": items + items})
    assert len(pictures(gateway)) == 3
    gateway.process.kill()
    gateway.process.wait()
    gateway.options["INSTANT_MS"] = 10
    gateway.start()
    assert ended(gateway, batch["job_id"], 60)["batch"]["completed"] == 6
    until(lambda: not pictures(gateway))


def test_a_key_makes_it_one(keeps):
    document = {"feature": "clarity", "items": upload(keeps, 2)}
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first, again = (begin(keeps, document, headers=key) for _ in range(2))
    assert first["job_id"] == again["job_id"]
    assert_error(post(keeps, {**document, "feature": "enhance"}, headers=key), 422, "IDEMPOTENCY_MISMATCH")


@pytest.mark.parametrize("document, field", [
    ({}, "feature"), ({"feature": "dance", "items": [{}]}, "feature"), ({"feature": "clarity"}, "items"),
    ({"feature": "clarity", "items": []}, "items"), ({"feature": "clarity", "items": [1]}, "items"),
    ({"feature": "clarity", "items": [{}] * 1001}, "items"), ({"feature": "clarity", "items": [{}], "fields": 1}, "fields"),
    ({"feature": "clarity", "items": [{}], "callback_url": "ftp://x"}, "callback_url")])
def test_bad_documents(instant, document, field):
    assert_error(post(instant, document), 400, "VALIDATION_ERROR", field)
