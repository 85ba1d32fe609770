"""One feature for the pictures of a zip archive."""
import io
import uuid
import zipfile

import pytest
import requests

from gateway import SLOW, assert_error, until
from jobs import ended, job, pictures
from pictures import fresh

pytestmark = [pytest.mark.short, pytest.mark.threads]

KINDS = ("PNG", "JPEG", "WEBP", "AVIF")
JUNK = {"notes.txt": b"not a picture", "a/.hidden.png": None, "__MACOSX/a/._one.png": None, "b/really.jpg": b"no JPEG"}


def archive(files, **more):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, **more) as z:
        for name, data in files.items():
            z.writestr(name, data)
    return out.getvalue()


def many(count):
    return {f"{'abc'[i % 3]}/deep/ü {i}.{KINDS[i % 4].lower()}": fresh(kind=KINDS[i % 4]) for i in range(count)}


def post(gateway, data, headers=None, **query):
    return requests.post(f"{gateway.url}/api/batch", params={"feature": "/api/clarity", "scale": 2} | query, data=data,
                         headers={"Content-Type": "application/zip"} | (headers or {}), timeout=30 * SLOW)


def begin(gateway, data, headers=None, **query):
    answer = post(gateway, data, headers, **query)
    assert answer.status_code == 202, answer.text
    return answer.json()["data"]


def children(gateway, batch):
    answer = gateway.get(f"/api/jobs/{batch['job_id']}/children")
    assert answer.status_code == 200, answer.text
    return sorted(answer.json()["data"], key=lambda c: c["index"])


def test_each_picture_becomes_a_job(instant):
    files = many(10)
    batch = begin(instant, archive(files | {name: data or fresh() for name, data in JUNK.items()} | {"a/": b""}))
    assert (batch["batch"]["total"], batch["batch"]["passed_over"]) == (10, len(JUNK) + 1)
    done = ended(instant, batch["job_id"])
    assert (done["state"], done["batch"]["completed"], done["batch"]["refused"]) == ("completed", 10, [])
    assert done["batch"]["passed_over"] == len(JUNK) + 1
    found = children(instant, batch)
    assert [c["name"] for c in found] == list(files)
    assert {c["job"]["result"]["meta"]["scale"] for c in found} == {2}
    assert pictures(instant) == []  # neither they nor the archive
    assert [f for f in instant.open_files() if "/jobs/" in f] == []


def test_one_that_is_damaged_or_too_large_fails_alone(start):
    gateway = start(PROVIDERS="instant", UPLOAD_MAX_BYTES=20000)
    good, bad, large = fresh(), fresh(), fresh(400, 300)
    data = bytearray(archive({"good.png": good, "in/bad.png": bad, "in/large.png": large}))
    at = data.index(b"in/bad.png") + len(b"in/bad.png") + len(bad) // 2
    data[at] ^= 0xff
    batch = begin(gateway, bytes(data))
    done = ended(gateway, batch["job_id"])
    assert (done["state"], done["batch"]["completed"], done["batch"]["failed"]) == ("completed", 1, 2)
    refused = {r["name"]: (r["index"], r["code"]) for r in done["batch"]["refused"]}
    assert refused == {"in/bad.png": (1, "VALIDATION_ERROR"), "in/large.png": (2, "PAYLOAD_TOO_LARGE")}
    assert [c["name"] for c in children(gateway, batch)] == ["good.png"]


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_another_process_goes_on(start, how):
    gateway = start(PROVIDERS="instant", INSTANT_MS=60, JOBS_MAX=5, REPLICATE_LIGHT_CONCURRENCY=2)
    files = many(12)
    batch = begin(gateway, archive(files))
    until(lambda: job(gateway, batch["job_id"])["batch"]["completed"] >= 2)
    if how == "stop":
        gateway.stop()
    else:
        gateway.process.kill()
        gateway.process.wait()
    assert len(pictures(gateway)) > 0
    gateway.start()
    done = ended(gateway, batch["job_id"], 60)
    assert (done["batch"]["completed"], done["batch"]["failed"]) == (12, 0), done
    found = children(gateway, batch)
    assert [c["name"] for c in found] == list(files)
    assert len({c["job"]["job_id"] for c in found}) == 12
    assert pictures(gateway) == []


def test_a_key_makes_it_one(instant):
    data, key = archive(many(2)), {"Idempotency-Key": str(uuid.uuid4())}
    first, again = (begin(instant, data, key) for _ in range(2))
    assert first["job_id"] == again["job_id"]
    assert_error(post(instant, archive(many(2)), key), 422, "IDEMPOTENCY_MISMATCH")
    ended(instant, first["job_id"])
    until(lambda: pictures(instant) == [])


def test_what_is_refused_at_once(start):
    gateway = start(PROVIDERS="instant", BATCH_ZIP_MAX=100000, BATCH_MAX=3)
    whole = archive(many(3))
    encrypted = bytearray(archive({"a.png": fresh()}))
    encrypted[6] |= 1  # the flag, in both of its places
    encrypted[encrypted.index(b"PK\1\2") + 8] |= 1
    assert_error(post(gateway, whole[:-40]), 400, "VALIDATION_ERROR", says="damaged")
    assert_error(post(gateway, b""), 400, "VALIDATION_ERROR")
    assert_error(post(gateway, bytes(encrypted)), 400, "VALIDATION_ERROR", says="encrypted")
    assert_error(post(gateway, archive({"a.txt": b"a"})), 400, "VALIDATION_ERROR", says="no picture")
    assert_error(post(gateway, whole, feature="dance"), 400, "VALIDATION_ERROR", "feature")
    assert_error(post(gateway, whole, callback_url="ftp://x"), 400, "VALIDATION_ERROR", "callback_url")
    assert_error(post(gateway, archive(many(4))), 413, "PAYLOAD_TOO_LARGE")
    assert_error(post(gateway, bytes(100001)), 413, "PAYLOAD_TOO_LARGE")
    assert_error(post(gateway, iter([bytes(60000)] * 2)), 413, "PAYLOAD_TOO_LARGE")  # of a length that is not told
    assert gateway.spooled() == [] and pictures(gateway) == []
    assert ended(gateway, begin(gateway, whole)["job_id"])["batch"]["completed"] == 3
