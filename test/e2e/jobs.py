"""Jobs, as their callers see them."""
import json

import requests

from gateway import SLOW, until

ASYNC = {"Prefer": "respond-async"}
OVER = ("completed", "failed", "canceled")


def submit(gateway, picture=None, headers=None, **more):
    """Accepted; the job as the 202 shows it."""
    answer = gateway.post(picture, headers=ASYNC | (headers or {}), **more)
    assert answer.status_code == 202, answer.text
    body = answer.json()
    assert body["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["Location"] == body["data"]["status_url"]
    assert answer.headers["Preference-Applied"] == "respond-async"
    return body["data"]


def job(gateway, job_id, **more):
    answer = gateway.get(f"/api/jobs/{job_id}", **more)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["status"] == body["data"]["state"]
    return body["data"]


def ended(gateway, job_id, seconds=30):
    def over():
        found = job(gateway, job_id)
        return found if found["state"] in OVER else None
    return until(over, seconds)


def cancel(gateway, job_id):
    answer = requests.post(f"{gateway.url}/api/jobs/{job_id}/cancel", timeout=30 * SLOW)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def pictures(gateway):
    """Those that jobs keep."""
    return [f for f in (gateway.data / "jobs").rglob("*") if f.is_file()]


def events(gateway, job_id, after=None, until_last=True):
    """The events as (id, name, data), to the end of the stream."""
    headers = {"Last-Event-ID": str(after)} if after is not None else {}
    found, fields = [], {}
    with requests.get(f"{gateway.url}/api/jobs/{job_id}/events", headers=headers, stream=True, timeout=60 * SLOW) as r:
        assert r.status_code == 200, r.text
        assert r.headers["content-type"].startswith("text/event-stream")
        for line in r.iter_lines(chunk_size=1, decode_unicode=True):
            if line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                fields[name] = value
            elif fields:
                found.append((int(fields.get("id", 0)), fields["event"], json.loads(fields["data"])))
                fields = {}
                if not until_last:
                    break
    return found
