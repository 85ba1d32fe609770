"""The features over Replicate's API, played by the simulator of test/upstream: what is sent, what is paid for once,
what a caller sees of it."""
import concurrent.futures
import time

import pytest
import requests
from PIL import Image

from cloud import CREATE, ESRGAN
from gateway import assert_error, assert_success, until
from pictures import decode, encode, fresh, sample


def result(body):
    answer = requests.get(body["data"]["url"], timeout=30)
    assert answer.status_code == 200
    return decode(answer.content)


def assert_token_kept(cloud):
    """It goes to the API alone: to all of it, and nowhere else. (Where else it may not be, Cloud.check looks.)"""
    for r in cloud.upstream.record()["requests"]:
        has_it = any(name.lower() == "authorization" for name, _ in r["headers"])
        assert has_it == (r["host"] == "api"), r["path"]


def test_clarity(bare):
    gateway = bare.start()
    body = assert_success(gateway.post(sample("portrait-small.jpg"), fields={"scale": "2"}))
    assert result(body).size == (384, 384)
    assert (body["meta"]["ran_on"], body["meta"]["model"]) == ("replicate", ESRGAN)
    sent = bare.upstream.sent()[-1]
    assert sent["input"]["image"].startswith("data:image/jpeg;base64,")
    assert (sent["input"]["scale"], sent["input"]["face_enhance"]) == (2, False)
    assert bare.upstream.count("created") == 1
    assert_success(gateway.post(sample("portrait-small.jpg"), fields={"scale": "2"}))  # from the cache
    assert bare.upstream.count("created") == 1
    assert_token_kept(bare)


def test_every_feature(bare):
    gateway = bare.start()
    picture = sample("portrait-small.jpg")
    for route, fields in {
        "/api/clarity": {"scale": "4"}, "/api/enhance": {}, "/api/ai-beautify": {}, "/api/upscale": {"version": "v1.3"},
        "/api/style": {"style": "ghibli", "extra": "at night"},
        "/api/portraits/ic-light": {"prompt": "sunset", "number_of_images": "2"},
    }.items():
        assert_success(gateway.post(picture, route, fields))
    answer = gateway.post(files={"fg": ("a.jpg", picture)}, route="/api/replace-bg", fields={"mode": "remove"})
    assert_success(answer)
    assert bare.upstream.count("created") == 7
    assert_token_kept(bare)


def large():
    """More than fits inline."""
    return encode(Image.effect_noise((700, 700), 90).convert("RGB"), "PNG")


def test_large_picture(bare):
    gateway = bare.start()
    assert result(assert_success(gateway.post(large()))).size == (1400, 1400)
    assert "/files/" in bare.upstream.sent()[-1]["input"]["image"]
    until(lambda: bare.upstream.count("file_delete") == 1)
    assert_token_kept(bare)


def test_paid_once_when_the_answer_is_lost(bare):
    """The connection breaks after the prediction was made: it is found, not made again."""
    gateway = bare.start()
    assert_success(gateway.post(fresh(kind="JPEG")))  # from now on it knows the version
    for action in ({"do": "reset"}, {"do": "reset", "when": "half"}, {"do": "502_html", "effect": True},
                   {"do": "500", "effect": True}):
        bare.upstream.script({"match": CREATE, "times": 1} | action)
        before = bare.upstream.count("created")
        assert_success(gateway.post(fresh(kind="JPEG")))
        assert bare.upstream.count("created") - before == 1, action


STRANGE = [
    {"do": "close"}, {"do": "close", "when": "head"}, {"do": "reset", "when": "half"}, {"do": "truncated"},
    {"do": "long_length"}, {"do": "short_length"}, {"do": "no_length"}, {"do": "chunked"}, {"do": "chunked", "cut": True},
    {"do": "gzip"}, {"do": "gzip", "broken": True}, {"do": "type", "type": "text/html"}, {"do": "say", "body": "[1, 2"},
    {"do": "say", "body": ""}, {"do": "redirect", "effect": True, "to": "{elsewhere}{path}"},
    {"do": "503", "effect": True}, {"do": "504_html", "effect": True}, {"do": "500_empty", "effect": True},
    {"do": "patch", "merge": {"urls": {"get": "http://127.0.0.1:1/x", "cancel": "http://127.0.0.1:1/y"}}},
]


def test_strange_answers_to_a_create(bare):
    """The prediction was made in each of these: there is a result, and it was paid for once."""
    gateway = bare.start(AI_RETRY_BASE_MS=5)
    assert_success(gateway.post(fresh(kind="JPEG")))
    for action in STRANGE:
        bare.upstream.script({"match": CREATE, "times": 1} | action)
        before = bare.upstream.count("created")
        answer = gateway.post(fresh(kind="JPEG"))
        assert bare.upstream.count("created") - before == 1, action
        if action["do"] != "redirect":  # refused: a redirect of a create says nothing
            assert_success(answer)
    assert_token_kept(bare)


def test_unknown_outcome(bare):
    gateway = bare.start()
    bare.upstream.script({"match": CREATE, "do": "reset"}, {"match": {"call": "list"}, "do": "502_html"})
    assert_error(gateway.post(fresh(kind="JPEG")), 502, "UNKNOWN_OUTCOME")
    assert bare.upstream.count("create") == 1


def test_not_made_is_made_again(bare):
    gateway = bare.start()
    bare.upstream.script({"match": CREATE, "do": "503", "times": 1})
    assert_success(gateway.post(fresh(kind="JPEG")))
    assert bare.upstream.count("created") == 1


@pytest.mark.parametrize("life", ["director", "interrupted"])
def test_platform_failure_runs_anew(bare, life):
    gateway = bare.start()
    bare.upstream.script({"match": CREATE, "do": life, "times": 1})
    assert_success(gateway.post(fresh(kind="JPEG")))
    assert bare.upstream.count("created") == 2


@pytest.mark.parametrize(("life", "status", "code"), [
    ("aborted", 504, "DEADLINE_EXCEEDED"), ("canceled", 504, "DEADLINE_EXCEEDED"), ("failed", 502, "REPLICATE_ERROR"),
    ("failed_null", 502, "REPLICATE_ERROR"), ("failed_object", 502, "REPLICATE_ERROR"),
    ("failed_64k", 502, "REPLICATE_ERROR"), ("nsfw", 422, "CONTENT_FILTERED"), ("oom", 502, "REPLICATE_ERROR"),
    ("no_output", 502, "REPLICATE_ERROR"),
])
def test_ends(bare, life, status, code):
    gateway = bare.start()
    bare.upstream.script({"match": CREATE, "do": life})
    assert_error(gateway.post(fresh(kind="JPEG")), status, code)
    assert bare.upstream.count("created") == 1


@pytest.mark.parametrize("name", ["429", "429_reset", "429_credit"])
def test_throttled(bare, name):
    """Everybody waits as long as the server asks for, then it goes on."""
    gateway = bare.start()
    bare.upstream.script({"match": CREATE, "do": name, "times": 1})
    assert_success(gateway.post(fresh(kind="JPEG")))
    arrivals = bare.upstream.requests("create")
    refused = next(r for r in arrivals if r["status"] == 429)
    following = next(r for r in arrivals if r["n"] > refused["n"])
    assert following["at"] - refused["at"] >= (1 if name == "429" else 2)
    assert bare.upstream.count("created") == 1


def test_no_credit(bare):
    """Masked for callers, seen by the operator; nobody is asked until the account may be well again."""
    gateway = bare.start(BREAKER_ACCOUNT_MS=1500)
    bare.upstream.script({"match": CREATE, "do": "402", "times": 1})
    for _ in range(3):
        assert_error(gateway.post(fresh(kind="JPEG")), 503, "PROVIDER_UNAVAILABLE", says="no provider")
    assert bare.upstream.count("create") == 1
    checks = gateway.get("/readyz").json()
    assert checks["checks"]["replicate.account"] == "open"
    assert "insufficient credit" in gateway.records("account switched off")[0]["said"]
    assert gateway.metrics()["providers"]["replicate"]["breakersOpened"] == 1
    time.sleep(1.6)
    assert_success(gateway.post(fresh(kind="JPEG")))


def test_readyz_says_when_the_next_one_serves(bare):
    """What the first provider cannot do now, another one does: that is not what was wanted."""
    gateway = bare.start(PROVIDERS="replicate,instant", BREAKER_ACCOUNT_MS=1500)
    assert gateway.get("/readyz").json()["status"] == "ready"
    bare.upstream.script({"match": CREATE, "do": "402", "times": 1})
    assert assert_success(gateway.post(fresh(kind="JPEG")))["meta"]["degraded"]
    answer = gateway.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    time.sleep(1.6)
    assert_success(gateway.post(fresh(kind="JPEG")))
    assert gateway.get("/readyz").json()["status"] == "ready"


def test_a_hook_before_its_secret_is_known(bare):
    """Who is told to come again is told when."""
    gateway = bare.start(REPLICATE_BASE_URL="http://127.0.0.1:9", PUBLIC_BASE_URL="https://limner.test")
    answer = requests.post(gateway.url + "/hooks/replicate", data=b"{}", timeout=30,
                           headers={"webhook-id": "a", "webhook-timestamp": str(int(time.time())), "webhook-signature": "v1,x"})
    assert_error(answer, 503, "PROVIDER_UNAVAILABLE")
    assert int(answer.headers["Retry-After"]) > 0


def test_fallback(bare):
    """Without credit this machine does it, and says so."""
    gateway = bare.start(PROVIDERS="replicate,local")
    bare.upstream.script({"match": CREATE, "do": "402"})
    body = assert_success(gateway.post(sample("portrait-small.jpg")))
    assert body["meta"]["ran_on"] == "local"


def test_leaving_costs_nothing_while_it_starts(bare):
    """The create's answer comes before the model has begun: nobody waits any more, so it is cancelled."""
    gateway = bare.start(RUN_TIMEOUT_MS=4000)
    bare.upstream.set(boot_s=30)
    with pytest.raises(requests.Timeout):
        gateway.post(fresh(kind="JPEG"), timeout=0.5)
    until(lambda: bare.upstream.count("canceled") == 1)
    assert (bare.upstream.count("created"), bare.upstream.count("billed")) == (1, 0)
    gateway.wait_idle()


def test_many_at_once(bare):
    """Different pictures at once: as many as there are slots, each paid for once."""
    gateway = bare.start()
    pictures = [fresh(kind="JPEG") for _ in range(24)]
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        for answer in pool.map(gateway.post, pictures):
            assert_success(answer)
    assert bare.upstream.count("created") == 24
    assert bare.upstream.record()["highest"]["all"] <= 8


HOOKS = "/hooks/replicate"


def test_webhook_tells_the_end(bare):
    """Longer than Prefer: wait, so limner waits to be told: no poll, no cancel."""
    gateway = bare.start(PUBLIC_BASE_URL="https://limner.invalid", RUN_TIMEOUT_MS=4000)
    assert_success(gateway.post(fresh(kind="JPEG")))  # it knows the version, and how to read the secret
    until(lambda: bare.upstream.count("secret") == 1)
    bare.upstream.set(run_s=3.3)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(gateway.post, fresh(kind="JPEG"))
        made = until(lambda: next((p for p in bare.upstream.predictions() if p["status"] == "processing"), None))
        until(lambda: any(p["id"] == made["id"] and p["status"] == "succeeded" for p in bare.upstream.predictions()))
        until(lambda: all(r["answered_at"] for r in bare.upstream.requests("create")))
        assert bare.upstream.webhook(gateway.url + HOOKS, prediction=made["id"], id="msg_1") == 204
        assert_success(answer.result())
    assert (bare.upstream.count("get"), bare.upstream.count("cancel")) == (0, 0)
    assert bare.upstream.sent()[-1]["webhook"].partition("?job=")[0] == "https://limner.invalid/hooks/replicate"


def test_webhooks_of_others(bare):
    gateway = bare.start(PUBLIC_BASE_URL="https://limner.invalid")
    until(lambda: bare.upstream.count("secret") == 1)
    body = '{"id": "nobodyknowsthis", "status": "succeeded"}'
    send = lambda **more: bare.upstream.webhook(gateway.url + HOOKS, body=body, **more)  # noqa: E731
    assert until(lambda: send(id="msg_1") == 204)
    assert send(id="msg_1") == 204  # twice is no error
    assert send(id="msg_2", signature="second") == 204
    for wrong in ("wrong", "foreign", "missing", "garbage", "v2"):
        assert send(id="msg_3", signature=wrong) == 401, wrong
    for late in (-400, 400):
        assert send(id="msg_4", timestamp_s=late) == 401
    assert requests.post(gateway.url + HOOKS, data=b"x" * (2 << 20), timeout=10).status_code == 413
    assert requests.post(gateway.url + HOOKS, data=(b"x" * 65536 for _ in range(32)), timeout=10).status_code == 413
    assert requests.post(gateway.url + HOOKS, timeout=10).status_code == 401
    answer = gateway.get(HOOKS)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert bare.upstream.count("secret") == 1  # a wrong one asks for the secret again, but not so soon


def test_no_webhooks_expected(bare):
    gateway = bare.start()
    assert bare.upstream.webhook(gateway.url + HOOKS, body="{}") == 404
    assert_success(gateway.post(fresh(kind="JPEG")))
    assert "webhook" not in bare.upstream.sent()[-1]
