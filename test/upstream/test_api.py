"""What is right and wrong at the API, by raw requests."""
import datetime
import time

import pytest
import requests

from .helpers import AUTH, ESRGAN, FLUX, VERSION, ask, body, create, data_url, finished
from .pictures import fixed


def test_a_created_prediction_has_the_documented_shape(upstream):
    upstream.set(run_s=0.2)
    answer = create(upstream)
    assert answer.status_code == 201
    made = answer.json()
    assert len(made["id"]) == 26
    assert set(made) == {"id", "model", "version", "input", "logs", "output", "data_removed", "error", "source", "status",
                         "created_at", "urls"}
    assert (made["status"], made["output"], made["error"], made["version"]) == ("starting", None, None, VERSION)
    assert made["urls"]["get"] == f"{upstream.base_url}/predictions/{made['id']}"
    assert made["created_at"].endswith("Z") and len(made["created_at"]) == 24
    done = finished(upstream, made)
    assert done["status"] == "succeeded"
    assert set(done) - set(made) == {"started_at", "completed_at", "metrics"}
    assert done["output"].startswith(upstream.delivery + "/xezq/")
    assert requests.get(done["output"], timeout=10).headers["Content-Type"] == "image/png"


@pytest.mark.parametrize("seconds,status", [(1, 202), (5, 201)])
def test_prefer_wait(upstream, seconds, status):
    upstream.set(run_s=2, picture="fixed")
    answer = create(upstream, wait=seconds)
    assert answer.status_code == status
    assert (answer.json()["output"] is None) == (status == 202)


@pytest.mark.parametrize("header,value", [
    ("Prefer", "wait=0"), ("Prefer", "wait=100"), ("Prefer", "wait=1.5"), ("Cancel-After", "4s"), ("Cancel-After", "25h"),
    ("Cancel-After", "soon")])
def test_headers_out_of_range(upstream, header, value):
    answer = ask(upstream, "POST", "/predictions", json=body(), headers={header: value})
    assert answer.status_code == 422 and header in answer.json()["detail"]
    assert upstream.count("created") == 0


def test_the_deadline_before_the_start_costs_nothing(upstream):
    upstream.set(boot_s=60)
    answer = ask(upstream, "POST", "/predictions", json=body(), headers={"Cancel-After": "5s", "Prefer": "wait=10"})
    made = answer.json()
    assert made["status"] == "aborted"
    assert "started_at" not in made and "metrics" not in made and made["completed_at"] >= made["deadline"]
    assert upstream.counts().get("billed", 0) == 0


def test_the_deadline_while_running_is_billed(upstream):
    upstream.set(run_s=60)
    answer = ask(upstream, "POST", "/predictions", json=body(), headers={"Cancel-After": "5", "Prefer": "wait=10"})
    assert answer.json()["status"] == "canceled"
    assert answer.json()["metrics"]["predict_time"] > 4
    assert upstream.count("billed") == 1


@pytest.mark.parametrize("order,kind,field", [
    ({"input": {}}, "required", "input"),
    ({"input": {"image": data_url(), "scale": 11}}, "number_lte", "input.scale"),
    ({"input": {"image": data_url(), "scale": -1}}, "number_gte", "input.scale"),
    ({"input": {"image": data_url(), "scale": "2"}}, "invalid_type", "input.scale"),
    ({"input": {"image": data_url(), "face_enhance": 1}}, "invalid_type", "input.face_enhance"),
    ({"input": {"image": "photo.png"}}, "format", "input.image"),
    ({"input": {"image": None}}, "invalid_type", "input.image"),
    ({"extra": 1}, "additional_property_not_allowed", ""),
    ({"input": []}, "required", ""),
    ({"webhook": ""}, "format", "webhook"),
    ({"webhook_events_filter": ["finished"]}, "enum", "webhook_events_filter"),
])
def test_what_422_says(upstream, order, kind, field):
    answer = ask(upstream, "POST", "/predictions", json=body(**order))
    assert answer.status_code == 422
    said = answer.json()
    assert said["title"] == "Input validation failed"
    assert (said["invalid_fields"][0]["type"], said["invalid_fields"][0]["field"]) == (kind, field)
    assert upstream.count("created") == 0


def test_enum_in_its_model(upstream):
    answer = ask(upstream, "POST", f"/models/{FLUX}/predictions", json={"input": {"prompt": "x", "output_format": "webp"}})
    assert answer.json()["invalid_fields"][0]["type"] == "enum"


def test_unknown_inputs_are_passed_over_and_remembered(upstream):
    assert create(upstream, input={"image": data_url(), "sclae": 2}).status_code == 201
    assert upstream.requests("create")[0]["unknown_inputs"] == ["sclae"]


@pytest.mark.parametrize("version,good", [
    (VERSION, True), (f"{ESRGAN}:{VERSION}", True), (f"cjwbw/real-esrgan:{VERSION}", False), (FLUX, True), (ESRGAN, False),
    (f"{ESRGAN}:latest", False), ("0" * 64, False)])
def test_versions(upstream, version, good):
    order = {"version": version, "input": {"prompt": "x"} if version == FLUX else {"image": data_url()}}
    answer = ask(upstream, "POST", "/predictions", json=order)
    assert answer.status_code == (201 if good else 422), answer.text
    if not good:
        assert answer.json()["title"] == "Invalid version or not permitted"


def test_models_route(upstream):
    order = {"input": {"prompt": "x"}}
    made = ask(upstream, "POST", f"/models/{FLUX}/predictions", json=order).json()
    assert made["version"] == "hidden"
    with_version = ask(upstream, "POST", f"/models/{FLUX}/predictions", json=order | {"version": VERSION})
    assert with_version.json()["invalid_fields"][0]["type"] == "additional_property_not_allowed"
    missing = ask(upstream, "POST", f"/models/{ESRGAN}/predictions", json={"input": body()["input"]})
    assert missing.json() == {"detail": "The requested resource could not be found.", "status": 404}
    upstream.script(models={ESRGAN: {"official": True, "versions": []}})
    assert ask(upstream, "POST", f"/models/{ESRGAN}/predictions", json={"input": body()["input"]}).status_code == 201
    assert ask(upstream, "GET", f"/models/{ESRGAN}").json()["latest_version"] is None


def test_a_new_version_becomes_the_latest(upstream):
    version = upstream.push(ESRGAN)
    assert ask(upstream, "GET", f"/models/{ESRGAN}").json()["latest_version"]["id"] == version
    listed = ask(upstream, "GET", f"/models/{ESRGAN}/versions").json()["results"]
    assert [v["id"] for v in listed] == [version, VERSION]


def test_cancel_of_what_is_over(upstream):
    made = create(upstream, wait=5).json()
    assert ask(upstream, "POST", f"/predictions/{made['id']}/cancel").status_code == 422
    assert ask(upstream, "GET", f"/predictions/{made['id']}").json() == made
    assert ask(upstream, "POST", "/predictions/nothing/cancel").status_code == 404


def test_list_by_time(upstream):
    first = create(upstream).json()
    time.sleep(0.01)
    between = datetime.datetime.now(datetime.timezone.utc).isoformat()
    time.sleep(0.01)
    second = create(upstream, input={"image": data_url(), "scale": 3}).json()
    found = ask(upstream, "GET", "/predictions", params={"created_after": between}).json()
    assert [p["id"] for p in found["results"]] == [second["id"]]
    assert found["results"][0]["input"]["scale"] == 3
    found = ask(upstream, "GET", "/predictions", params={"created_before": between}).json()
    assert [p["id"] for p in found["results"]] == [first["id"]]


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff"])
def test_bodies_that_are_none(upstream, data):
    answer = ask(upstream, "POST", "/predictions", data=data)
    assert answer.status_code == 400 and "Failed to parse" in answer.json()["detail"]


def test_a_body_too_long(upstream):
    upstream.set(body_max=1000)
    assert create(upstream, input={"image": data_url() + "A" * 1000}).status_code == 400


def test_no_token(upstream):
    answer = requests.post(f"{upstream.base_url}/predictions", json=body(), timeout=10)
    assert answer.status_code == 401 and answer.json()["title"] == "Unauthenticated"
    assert upstream.count("created") == 0


def test_a_picture_that_is_none_fails_the_run(upstream):
    made = create(upstream, wait=5, input={"image": "data:image/png;base64,AAAA"}).json()
    assert made["status"] == "failed" and "cannot identify image" in made["error"]


def test_input_by_address(upstream):
    address = upstream.put_picture(fixed()[0])
    assert create(upstream, wait=5, input={"image": address}).json()["status"] == "succeeded"
    lost = create(upstream, wait=5, input={"image": upstream.delivery + "/nothing"}).json()
    assert lost["status"] == "failed" and "404" in lost["error"]


def test_the_record(upstream):
    upstream.set(run_s=0.3)
    made = [create(upstream).json(), create(upstream).json(),
            create(upstream, input={"image": data_url(), "scale": 9}).json()]
    record = upstream.record()
    assert record["highest"] == {"light": 3, "all": 3}
    assert record["duplicates"] == 1
    for prediction in made:
        finished(upstream, prediction)
    record = upstream.record()
    assert record["running"] == {"light": 0, "all": 0}
    assert record["counts"]["succeeded"] == record["counts"]["created"] == record["counts"]["billed"] == 3
    entry = upstream.requests("create")[0]
    assert ["Authorization", AUTH["Authorization"]] in entry["headers"]
    assert (entry["status"], entry["prediction"], entry["model"]) == (201, made[0]["id"], ESRGAN)
    upstream.reset()
    assert upstream.record()["requests"] == [] and upstream.predictions() == []


def test_a_token_that_leaks_is_seen(upstream):
    requests.get(upstream.delivery + "/x", headers=AUTH, timeout=10)
    create(upstream, input={"image": data_url(), "note": AUTH["Authorization"]})
    assert [place[0] for place in upstream.leaks()] == ["delivery", "api"]
