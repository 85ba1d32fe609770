"""Replicate's own API at /v1: what limner adds to it, and what it must not change."""
import concurrent.futures
import http.server
import json
import threading
import time

import pytest
import requests

from cloud import CREATE, ESRGAN, life, polled
from gateway import SLOW, until
from upstream.process import TOKEN, header

FLUX = "black-forest-labs/flux-kontext-pro"
MODEL = f"/models/{FLUX}/predictions"
KEYS = "one:0123456789abcdef-one,two:0123456789abcdef-two"
PINNED = "f121d640bd286e1fdc67f9799164c1d5be36ff74576ee11c803ae5b665dd46aa"


def call(gateway, method, path, **more):
    return requests.request(method, f"{gateway.url}/v1{path}", timeout=60 * SLOW, **more)


def create(gateway, prompt="a tree", path=MODEL, wait=None, headers=None, **more):
    headers = (headers or {}) | ({"Prefer": f"wait={wait}"} if wait else {})
    return call(gateway, "POST", path, json={"input": {"prompt": prompt}, **more}, headers=headers)


def made(answer, status=None):
    assert answer.status_code in (201, 202), answer.text
    shown = answer.json()
    assert status in (None, shown["status"]), shown
    return shown


def shown(gateway, name, **more):
    answer = call(gateway, "GET", f"/predictions/{name}", **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ended(gateway, name):
    """The prediction once it is over."""
    return until(lambda: (lambda p: p.get("completed_at") and p)(shown(gateway, name)), 20)


def problem(answer, status):
    assert answer.status_code == status, answer.text
    said = answer.json()
    assert said["status"] == status and said["detail"]
    return said


def many(count, work):
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return [f.result() for f in [pool.submit(work) for _ in range(count)]]


# ---- memory and twins ----

def test_a_hit(bare):
    gateway = bare.start()
    first = create(gateway, wait=10)
    again = create(gateway)
    assert made(first, "succeeded")["output"] == made(again, "succeeded")["output"]
    assert made(first)["id"] != made(again)["id"]
    assert again.headers["Cache-Status"] == "limner; hit"
    assert shown(gateway, made(again)["id"]) == made(again)
    assert bare.upstream.count("create") == 1
    for more in ({"headers": {"Cache-Control": "no-cache"}}, {"headers": {"Cache-Control": "no-store"}}, {"stream": True},
                 {"webhook": "https://127.0.0.1:9/x"}):
        assert "hit" not in create(gateway, wait=10, **more).headers["Cache-Status"]
    assert bare.upstream.count("create") == 5


def test_other_inputs_and_what_failed_are_not_hits(bare):
    gateway = bare.start(CACHE_TTL_MS=300)
    assert made(create(gateway, "a", wait=10))["output"] != made(create(gateway, "b", wait=10))["output"]
    until(lambda: "hit" not in create(gateway, "a", wait=10).headers["Cache-Status"], 5)  # its time is over
    bare.upstream.script(life(end="failed", error="out of ideas"))
    for _ in range(2):
        assert made(create(gateway, "c", wait=10), "failed")["error"] == "out of ideas"
    assert bare.upstream.count("create") == 5


def test_twins_share_one_prediction(bare):
    bare.upstream.set(run_s=0.5)
    gateway = bare.start()
    answers = many(6, lambda: create(gateway, wait=20))
    assert len({made(a, "succeeded")["id"] for a in answers}) == 6
    assert len({a.json()["output"] for a in answers}) == 1
    assert bare.upstream.count("create") == 1
    assert sum("collapsed" in a.headers["Cache-Status"] for a in answers) == 5


def test_a_cancel_leaves_the_twin_alone(bare):
    bare.upstream.set(run_s=60)
    gateway = bare.start()
    one, two = (made(create(gateway), "starting")["id"] for _ in range(2))
    assert call(gateway, "POST", f"/predictions/{one}/cancel").json()["status"] == "canceled"
    assert shown(gateway, one)["status"] == "canceled" and shown(gateway, one)["completed_at"]
    assert shown(gateway, two)["status"] in ("starting", "processing")
    assert bare.upstream.count("cancel") == 0
    assert call(gateway, "POST", f"/predictions/{two}/cancel").json()["status"] == "canceled"
    assert bare.upstream.count("canceled") == 1
    assert made(create(gateway), "starting")["id"] not in (one, two)  # nobody joins what was cancelled
    assert bare.upstream.count("create") == 2


def test_api_keys_divide(bare):
    gateway = bare.start(API_KEYS=KEYS)
    one, two = ({"Authorization": f"{scheme} 0123456789abcdef-{name}"} for scheme, name in (("Bearer", "one"), ("Token", "two")))
    first = made(create(gateway, wait=10, headers=one), "succeeded")
    assert "hit" not in create(gateway, wait=10, headers=two).headers["Cache-Status"]
    assert "hit" in create(gateway, headers=one).headers["Cache-Status"]
    assert shown(gateway, first["id"], headers=one)["id"] == first["id"]
    problem(call(gateway, "GET", f"/predictions/{first['id']}", headers=two), 404)
    problem(call(gateway, "POST", f"/predictions/{first['id']}/cancel", headers=two), 404)
    assert len(call(gateway, "GET", "/predictions", headers=one).json()["results"]) == 2
    assert len(call(gateway, "GET", "/predictions", headers=two).json()["results"]) == 1
    problem(create(gateway), 401)
    problem(call(gateway, "GET", "/files", headers=one), 404)
    assert all(header(r, "authorization") == f"Bearer {TOKEN}" for r in bare.upstream.requests("create"))


# ---- slots ----

def test_who_must_wait_gets_an_id_at_once(bare):
    bare.upstream.script(polled(run_s=0.3))
    gateway = bare.start(V1_CLASSES=f"{FLUX}=light", REPLICATE_LIGHT_CONCURRENCY=1)
    first = made(create(gateway, "a"), "starting")
    second = made(create(gateway, "b"), "starting")
    assert (second["model"], second["version"], second["input"]) == (FLUX, "hidden", {"prompt": "b"})
    assert len(second["id"]) == 26 and bare.upstream.count("create") == 1
    assert ended(gateway, first["id"])["status"] == "succeeded"
    assert ended(gateway, second["id"])["status"] == "succeeded"
    assert bare.upstream.record()["highest"]["all"] == 1
    theirs = {p["id"] for p in bare.upstream.predictions()}
    assert first["id"] in theirs and second["id"] not in theirs
    for name in theirs:  # as a webhook would call it
        assert shown(gateway, name)["status"] == "succeeded"


def test_classes_and_a_full_queue(bare):
    bare.upstream.script(life(run_s=60, wait_s=0))
    gateway = bare.start(V1_CLASSES=f"{FLUX}=comic,*=heavy", REPLICATE_COMIC_CONCURRENCY=1, QUEUE_MAX=1)
    names = [made(create(gateway, prompt))["id"] for prompt in ("a", "b")]
    assert gateway.limiter("comic") | {"running": 1, "waiting": 1} == gateway.limiter("comic")
    refused = create(gateway, "c")
    problem(refused, 429)
    assert int(refused.headers["Retry-After"]) >= 1
    for name in names[::-1]:  # the one that waits first
        assert call(gateway, "POST", f"/predictions/{name}/cancel").json()["status"] == "canceled"
    gateway.wait_idle()
    assert bare.upstream.count("create") == 1


def test_callers_share_the_queue(bare):
    """One with many leaves room for another; and what it was told of is not driven out."""
    bare.upstream.script(life(run_s=0.1, wait_s=0))
    gateway = bare.start(V1_CLASSES=f"{FLUX}=comic", REPLICATE_COMIC_CONCURRENCY=1, QUEUE_MAX=2, API_KEYS=KEYS)
    one, two = ({"Authorization": f"Bearer 0123456789abcdef-{name}"} for name in ("one", "two"))
    names = [made(create(gateway, str(n), headers=one))["id"] for n in range(3)]
    problem(create(gateway, "more", headers=one), 429)
    other = made(create(gateway, "other", headers=two))["id"]
    until(lambda: shown(gateway, other, headers=two)["status"] == "succeeded", 20)
    assert sum(shown(gateway, name, headers=one)["status"] == "succeeded" for name in names) < 3
    for name in names:
        until(lambda: shown(gateway, name, headers=one)["status"] == "succeeded", 20)


def test_no_slot_in_time(bare):
    bare.upstream.script(life(run_s=60, wait_s=0))
    gateway = bare.start(V1_CLASSES=f"{FLUX}=comic", REPLICATE_COMIC_CONCURRENCY=1, QUEUE_TIMEOUT_MS=300)
    create(gateway, "a")
    late = ended(gateway, made(create(gateway, "b"))["id"])
    assert late["status"] == "failed" and "slot" in late["error"]


def test_budgets_count(bare):
    """A run costs what the same model costs for a feature."""
    gateway = bare.start(PRICES="style=0.04/run", BUDGETS="all=0.05/day")
    made(create(gateway, wait=10), "succeeded")
    refused = create(gateway, "b", wait=10)
    problem(refused, 402)
    assert "hit" in create(gateway).headers["Cache-Status"]  # what is remembered costs nothing
    assert bare.upstream.count("create") == 1
    money = gateway.metrics()["money"]
    assert (money["cost_usd"], money["saved_usd"]["cache"]) == (0.04, 0.04)


# ---- what goes wrong upstream ----

def test_throttled_creates_are_tried_again(bare):
    bare.upstream.script({"match": CREATE, "do": "429", "times": 1})
    gateway = bare.start()
    assert made(create(gateway, wait=20), "succeeded")
    assert (bare.upstream.count("create"), bare.upstream.count("created")) == (2, 1)
    bare.upstream.script({"match": CREATE, "do": "429"})
    gateway = bare.start(AI_RETRIES=0)
    refused = create(gateway, "b", wait=20)
    problem(refused, 429)
    assert int(refused.headers["Retry-After"]) >= 1


@pytest.mark.parametrize("how", ["reset", "502_html"])
def test_never_two_creates_for_one(bare, how):
    """It was made, though the answer did not say so."""
    bare.upstream.script({"match": CREATE, "do": how, "effect": True, "times": 1})
    gateway = bare.start(AI_RETRY_BASE_MS=100)
    early = made(create(gateway))
    assert ended(gateway, early["id"])["status"] == "succeeded"
    assert bare.upstream.count("created") == 1


def test_what_cannot_be_known_is_said(bare):
    bare.upstream.script({"match": CREATE, "do": "reset", "effect": True}, {"match": {"call": "list"}, "do": "502_html"})
    gateway = bare.start()
    assert problem(create(gateway, wait=20), 502)["code"] == "UNKNOWN_OUTCOME"
    assert bare.upstream.count("create") == 1


def test_lost_by_the_platform(bare):
    """A new one is made, and the id stays; unless a webhook has been told of the first."""
    bare.upstream.script(life(end="failed", error="Prediction interrupted; please retry (code: PA)", times=1, wait_s=0))
    gateway = bare.start()
    name = made(create(gateway))["id"]
    assert ended(gateway, name)["status"] == "succeeded"
    bare.upstream.script(life(end="failed", error="Prediction interrupted; please retry (code: PA)"))
    assert made(create(gateway, "b", wait=20, webhook="https://127.0.0.1:9/x"), "failed")
    assert bare.upstream.count("create") == 3


def test_refusals_are_handed_on(bare):
    gateway = bare.start()
    said = problem(create(gateway, output_format="webp"), 422)
    assert said["title"] == "Input validation failed" and said["invalid_fields"]
    problem(create(gateway, path=f"/models/{ESRGAN}/predictions"), 404)
    problem(call(gateway, "POST", "/predictions", data="{"), 400)
    problem(call(gateway, "POST", "/predictions", json=[1]), 400)
    problem(call(gateway, "GET", "/nothing"), 404)
    problem(call(gateway, "GET", "/predictions/absent"), 404)
    problem(call(gateway, "GET", "/predictions/a%2Fb"), 404)
    problem(call(gateway, "DELETE", "/predictions"), 405)
    assert not call(gateway, "GET", "/predictions").json()["results"]
    bare.upstream.script({"match": CREATE, "do": "402"})
    text = create(gateway).text
    assert "credit" not in text and "billing" not in text


def test_aborted_ends_for_every_client(bare):
    bare.upstream.script({"match": CREATE, "do": "aborted", "wait_s": 0})
    gateway = bare.start()
    name = made(create(gateway, headers={"Cancel-After": "30s"}))["id"]
    assert ended(gateway, name)["status"] == "canceled"
    assert header(bare.upstream.requests("create")[0], "Cancel-After") == "30s"


# ---- what is handed on ----

def test_bytes_go_as_they_came(bare):
    gateway = bare.start()
    text = '{ "input" : {"prompt":"\\u00e9", "seed": 9007199254740993 } }'
    answer = call(gateway, "POST", MODEL, data=text, headers={"Prefer": "wait"})
    assert made(answer, "succeeded")["input"]["seed"] == 9007199254740993
    [sent] = bare.upstream.requests("create")
    assert sent["text"] == text and header(sent, "Prefer") == "wait=60"
    assert header(sent, "Content-Type") == "application/json"


def test_what_is_not_remembered_is_asked_for(bare):
    bare.upstream.set(run_s=60)
    before, after = bare.start(), bare.start()
    name = made(create(before))["id"]
    assert shown(after, name)["urls"]["get"] == f"{after.url}/v1/predictions/{name}"
    assert call(after, "POST", f"/predictions/{name}/cancel").json()["status"] == "canceled"
    assert ended(before, name)["status"] == "canceled"


def test_models_are_kept_for_a_while(bare):
    gateway = bare.start()
    for path in (f"/models/{ESRGAN}", f"/models/{ESRGAN}/versions/{PINNED}", f"/models/{ESRGAN}/versions"):
        assert call(gateway, "GET", path).json() == call(gateway, "GET", path).json()
    assert (bare.upstream.count("model"), bare.upstream.count("versions")) == (1, 3)
    bare.upstream.script({"match": {"call": "model"}, "do": "503", "times": 1})
    assert call(gateway, "GET", f"/models/{FLUX}").json()["is_official"]  # tried again
    problem(call(gateway, "GET", "/models/none/such"), 404)


def test_files(bare):
    gateway = bare.start(V1_FILE_MAX="20kb")
    answer = call(gateway, "POST", "/files", files={"content": ("é.bin", bytes(range(256)) * 64, "application/x-odd")})
    assert answer.status_code == 201, answer.text
    file = answer.json()
    assert (file["name"], file["size"], file["content_type"]) == ("é.bin", 16384, "application/x-odd")
    assert file["urls"]["get"].startswith(bare.upstream.base_url)  # where the model finds it
    assert [f["id"] for f in call(gateway, "GET", "/files").json()["results"]] == [file["id"]]
    assert call(gateway, "DELETE", f"/files/{file['id']}").status_code == 204
    problem(call(gateway, "GET", f"/files/{file['id']}"), 404)
    problem(call(gateway, "POST", "/files", files={"content": bytes(30000)}), 413)


def test_webhooks_are_called(bare):
    heard = []

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        gateway = bare.start()
        url = f"http://127.0.0.1:{server.server_port}/hook?a=1"
        name = made(create(gateway, webhook=url, webhook_events_filter=["completed"]))["id"]
        until(lambda: heard)
        assert (heard[0]["id"], heard[0]["status"], heard[0]["webhook"]) == (name, "succeeded", url)
    finally:
        server.shutdown()
        server.server_close()


def test_deployments_and_streams(bare):
    bare.upstream.set(streams=True, run_s=0.6)
    gateway = bare.start(REPLICATE_HEAVY_CONCURRENCY=1)
    deployed = made(create(gateway, path=f"/deployments/{FLUX}/predictions", wait=20), "succeeded")
    assert deployed["deployment"] == FLUX
    first, second = (made(create(gateway, prompt, path="/models/google/gemini-2.5-flash/predictions")) for prompt in "ab")
    for shown_now in (first, second):  # the second one waits for a slot, and then for its own events
        events = requests.get(shown_now["urls"]["stream"], timeout=30 * SLOW).text
        assert "event: output" in events and events.rstrip().endswith("data: {}")


# ---- bounds, and the end ----

def test_the_oldest_is_forgotten(bare):
    gateway = bare.start(V1_KEEP_MAX=3, V1_BODY_MAX="2kb", V1_MEMORY_MB=1)
    names = [made(create(gateway, str(n), wait=10), "succeeded")["id"] for n in range(5)]
    listed = call(gateway, "GET", "/predictions").json()
    assert [p["id"] for p in listed["results"]] == names[:1:-1] and listed["next"] is None
    assert shown(gateway, names[0])["status"] == "succeeded"  # upstream knows it still
    problem(create(gateway, "x" * 3000), 413)


def test_pages(bare):
    gateway = bare.start()
    create(gateway, wait=10)
    names = [made(create(gateway))["id"] for _ in range(150)]
    first = call(gateway, "GET", "/predictions").json()
    assert [p["id"] for p in first["results"]] == names[:-101:-1]
    second = requests.get(first["next"], timeout=30).json()
    assert len(second["results"]) == 51 and second["next"] is None


def test_polls_do_not_wait_for_ours(bare):
    """Who asks is told what is true now, not at our last look."""
    bare.upstream.script(polled())
    gateway = bare.start()
    name = made(create(gateway))["id"]
    begun = time.monotonic()
    assert ended(gateway, name)["status"] == "succeeded"
    assert bare.upstream.count("get") >= 2
    assert SLOW > 1 or time.monotonic() - begun < 5


def test_the_end(bare):
    """What was accepted is created before it goes, and lives on upstream."""
    bare.upstream.script(life(run_s=1, wait_s=0))
    gateway = bare.start(V1_CLASSES=f"{FLUX}=comic", REPLICATE_COMIC_CONCURRENCY=1)
    names = [made(create(gateway, prompt))["id"] for prompt in ("a", "b")]
    gateway.signal()
    until(lambda: gateway.get("/readyz").status_code == 503)
    problem(create(gateway, "c"), 503)
    assert shown(gateway, names[1])["status"] == "starting"
    assert gateway.wait() == 0
    gateway.left = True
    assert bare.upstream.count("created") == 2
    bare.over()
    assert bare.upstream.count("succeeded") == 2


def test_without_an_account(instant):
    assert "REPLICATE_API_TOKEN" in problem(call(instant, "GET", "/predictions"), 404)["detail"]
