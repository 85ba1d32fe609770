"""Replicate, and what comes over the wire instead of an answer.

The numbers are those of the list of cases these tests were made from (see test_replicate_cases.py).
"""
import base64
import concurrent.futures
import socket
import time

import pytest

from cloud import CREATE, DELIVERY, ESRGAN, LOOSE, POLL, TOKEN, all_succeed, ask, fails, life, polled, stored, succeeds
from gateway import assert_error, assert_success
from pictures import decode, encode, fresh, photo
from upstream.pictures import fixed
from upstream.process import Upstream


# ---- 10: answers that are none ----

MANGLED = [("truncated", {}), ("long_length", {}), ("short_length", {}), ("no_length", {}), ("chunked", {}),
           ("chunked", {"cut": True}), ("gzip", {}), ("gzip", {"broken": True}), ("gzip", {"bomb": 64 << 20}),
           ("say", {"body": "<html>hello</html>", "type": "text/html"}), ("say", {"body": ""}), ("say", {"body": "null"}),
           ("say", {"body": "{}"}), ("say", {"body": "[" * 100000}), ("slow_head", {"pause_s": 0.005})]
BROKEN = [("500_html", {}), ("500_empty", {}), ("502_html", {}), ("503", {}), ("503_empty", {}), ("504_html", {}), *MANGLED]


def names(rows):
    return [f"{do}-{list(args)[0]}" if args else do for do, args in rows]


@pytest.mark.parametrize("do,args", BROKEN, ids=names(BROKEN))
def test_case_10_a_create_that_worked_but_does_not_say_so(bare, do, args):
    """It is found; no second one is paid for."""
    bare.upstream.script({"match": CREATE, "do": do, "effect": True, "times": 1, **args})
    succeeds(bare)
    assert bare.upstream.count("create") == 1


def test_case_10_polls_that_say_nothing(bare):
    """As many predictions as there are ways, each way met by one of their polls."""
    bare.upstream.script(polled(), *({"match": POLL, "do": do, "times": 1, **args} for do, args in BROKEN))
    all_succeed(bare, len(BROKEN))
    assert {r["rule"] for r in bare.upstream.requests("get")} >= {do for do, _ in BROKEN}


@pytest.mark.parametrize("do", ["400", "401", "403", "404", "422_input"])
def test_case_10_a_poll_that_is_refused_means_nothing(bare, do):
    """The run goes on, and its slot is held; a refused token only keeps new work away."""
    bare.upstream.script(polled(), {"match": POLL, "do": do, "times": 1})
    gateway = bare.start()
    assert_success(ask(gateway))
    assert bare.upstream.count("get") >= 2 and bare.upstream.count("cancel") == 0
    if do in ("401", "403"):
        assert_error(ask(gateway), 503, "PROVIDER_UNAVAILABLE")


@pytest.mark.parametrize("do", ["400", "404", "422_input"])
def test_case_10_what_is_given_up_is_cancelled_first(bare, do):
    """With one slot, the next prediction begins only after the first has been stopped."""
    bare.upstream.script({"match": CREATE, "do": "life", "wait_s": 0, "run_s": 60, "times": 1}, {"match": POLL, "do": do})
    gateway = bare.start(REPLICATE_LIGHT_CONCURRENCY=1)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask, gateway)
        time.sleep(0.5)
        second = pool.submit(ask, gateway)
        assert_error(first.result(), 502, "UNKNOWN_OUTCOME")
        assert_success(second.result())
    assert bare.upstream.count("canceled") == 1
    assert bare.upstream.record()["highest"]["all"] == 1


@pytest.mark.parametrize("do", ["500_html", "503_empty"])
def test_case_10_an_error_that_made_nothing_is_tried_again(cloud, do):
    cloud.upstream.script({"match": CREATE, "do": do, "times": 1})
    succeeds(cloud)
    assert cloud.upstream.count("create") == 2 and cloud.upstream.count("list") >= 1


@pytest.mark.parametrize("do", ["413", "413_html"])
def test_case_10_too_large_inline_goes_as_a_file(bare, do):
    bare.upstream.script({"match": CREATE, "do": do, "times": 1})
    succeeds(bare)
    assert bare.upstream.count("file_create") == 1


def test_case_10_too_large_in_any_way(bare):
    bare.upstream.script({"match": CREATE, "do": "413_html"})
    fails(bare, 413, "PAYLOAD_TOO_LARGE", created=0)
    assert bare.upstream.count("create") == 2


def test_case_10_the_token_echoed(cloud):
    """Whatever the server sends back, neither caller nor log (Cloud.check) sees the token."""
    cloud.upstream.script({"match": CREATE, "do": "say", "effect": False, "status": 400,
                          "body": f'{{"detail":"bad Authorization: Bearer {TOKEN}"}}'})
    answer = ask(cloud.start())
    assert answer.status_code >= 400 and TOKEN not in answer.text
    cloud.upstream.script({"match": CREATE, "do": "failed", "error": f"Bearer {TOKEN} is wrong"})
    assert TOKEN not in ask(cloud.gateways[0]).text


# ---- 11: shapes of output ----

PICTURE = base64.b64encode(fixed()[0]).decode()
PERCENT = "".join(f"%{byte:02x}" for byte in fixed()[0])
SHAPES = {
    "string": "{picture}",
    "list": ["{picture}"],
    "nested": {"made": {"images": [None, {"url": "{picture}"}]}, "seed": 7},
    "nulls": [None, "{picture}", None],
    "data": f"data:image/png;base64,{PICTURE}",
    "data without a type": f"data:;base64,{PICTURE}",
    "data of a type None": f"data:None;base64,{PICTURE}",
    "data of a wrong type": f"data:text/plain;base64,{PICTURE}",
    "data in per cents": f"data:image/png,{PERCENT}",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_case_11_shapes_of_output(cloud, shape):
    cloud.upstream.script({"match": CREATE, "do": "output", "output": SHAPES[shape]})
    gateway = cloud.start()
    answer = ask(gateway)
    assert_success(answer)
    assert encode(stored(gateway, answer), "PNG") == encode(decode(fixed()[0]), "PNG")


def test_case_11_three_hundred(bare):
    bare.upstream.script({"match": CREATE, "do": "output", "output": ["{picture}"] * 300})
    succeeds(bare)
    assert 1 <= bare.upstream.count("delivery") <= 64


@pytest.mark.parametrize("output", [
    7, True, "just words", "data:image/png;base64,AAAA", "data:image/png;base64,!!!!", ["a", "b"], "file:///etc/passwd",
    "ftp://127.0.0.2/x.png"])
def test_case_11_no_picture(bare, output):
    bare.upstream.script({"match": CREATE, "do": "output", "output": output})
    fails(bare, 502, "REPLICATE_ERROR")


def test_case_11_the_bytes_decide_not_the_name(bare):
    data = encode(photo(64, 48), "JPEG")
    address = bare.upstream.put_picture(data, "text/html", "page.html")
    bare.upstream.script({"match": CREATE, "do": "output", "output": address})
    gateway = bare.start()
    answer = ask(gateway)
    assert assert_success(answer)["data"]["key"].endswith((".jpg", ".jpeg"))


def test_case_11_all_bytes_together_have_a_limit(bare):
    bare.upstream.script({"match": CREATE, "do": "output", "output": [f"data:image/png;base64,{PICTURE}"] * 30})
    fails(bare, 502, "REPLICATE_ERROR", OUTPUT_MAX_BYTES=1024, OUTPUT_TOTAL_MAX_BYTES=1024)


# ---- 12: fetching it ----

def test_case_12_expired(cloud):
    cloud.upstream.script({"match": DELIVERY, "do": "404_delivery"})
    fails(cloud, 502, "REPLICATE_ERROR")


@pytest.mark.short
def test_case_12_another_host_gets_no_token(cloud):
    cloud.upstream.script({"match": {"path": "^/xezq/"}, "do": "redirect", "to": "{elsewhere}{path}", "times": 1})
    succeeds(cloud)
    assert [r["host"] for r in cloud.upstream.requests("delivery")] == ["delivery", "elsewhere"]


def test_case_12_turning_in_circles(bare):
    bare.upstream.script({"match": DELIVERY, "do": "redirect", "to": "{delivery}{path}"})
    fails(bare, 502, "REPLICATE_ERROR", FETCH_REDIRECTS_MAX=3, AI_RETRIES=0)
    assert bare.upstream.count("delivery") == 4


def test_case_12_slow(bare):
    bare.upstream.script({"match": DELIVERY, "do": "slow_body", "pause_s": 0.2})
    answer = ask(bare.start(READ_TIMEOUT_MS=1000))
    assert answer.status_code in (502, 504), answer.text


@pytest.mark.parametrize("unsaid", [False, True])
def test_case_12_too_large(cloud, unsaid):
    cloud.upstream.script({"match": DELIVERY, "do": "oversize", "bytes": 4 << 20, "unsaid": unsaid})
    fails(cloud, 502, "REPLICATE_ERROR", says="limit", OUTPUT_MAX_BYTES=1 << 20)


def test_case_12_any_type_will_do(cloud):
    cloud.upstream.script({"match": DELIVERY, "do": "type", "type": "application/octet-stream"})
    succeeds(cloud)


@pytest.mark.parametrize("do,args", [
    ("503_empty", {}), ("reset", {"when": "half"}), ("long_length", {}), ("chunked", {"cut": True})])
def test_case_12_a_second_try(bare, do, args):
    bare.upstream.script({"match": DELIVERY, "do": do, "times": 1, **args})
    succeeds(bare)
    assert bare.upstream.count("delivery") == 2


@pytest.mark.parametrize("do", ["503", "reset"])
def test_case_12_away_for_a_while(bare, do):
    """What has been paid for is fetched as long as there is time, not so many times in a second."""
    bare.upstream.script({"match": DELIVERY, "do": do, "times": 6})
    succeeds(bare, AI_RETRIES=0)
    assert bare.upstream.count("delivery") == 7


def test_case_12_delivered_a_little_later(bare):
    bare.upstream.script({"match": DELIVERY, "do": "404_delivery", "times": 2})
    succeeds(bare)
    assert bare.upstream.count("delivery") == 3


@pytest.mark.parametrize("host", ["127.0.0.2", "localhost", "[::1]", "0.0.0.0", "2130706434", "0x7f.2"])
def test_case_12_private_addresses(bare, host):
    """The provider's own address is the operator's word; where it says the result lies is not."""
    port = bare.upstream.delivery.rpartition(":")[2]
    bare.upstream.script({"match": CREATE, "do": "output", "output": f"http://{host}:{port}/xezq/x/out.png"})
    fails(bare, 502, "REPLICATE_ERROR", ALLOW_PRIVATE_FETCH="false")
    assert bare.upstream.count("delivery") == 0


# ---- 13: was it made? ----

@pytest.mark.parametrize("do,when_", [
    ("reset", "request"), ("reset", "head"), ("reset", "half"), ("close", "request"), ("close", "half")])
def test_case_13_made_but_not_told(bare, do, when_):
    bare.upstream.script({"match": CREATE, "do": do, "when": when_, "times": 1})
    succeeds(bare)
    assert bare.upstream.count("create") == 1 and bare.upstream.count("list") >= 1


@pytest.mark.parametrize("do,when_", [("reset", "request"), ("close", "headers")])
def test_case_13_not_made(bare, do, when_):
    """The list shows that it came to nothing: only then it is sent again."""
    bare.upstream.script({"match": CREATE, "do": do, "when": when_, "effect": False, "times": 1})
    succeeds(bare)
    assert bare.upstream.count("create") == 2
    first, second = (r["at"] for r in bare.upstream.requests("create"))
    assert sum(first < r["at"] < second for r in bare.upstream.requests("list")) >= 3


@pytest.mark.parametrize("do", ["504_html", "reset"])
def test_case_13_made_a_little_later(bare, do):
    """The connection is gone, or a proxy has lost its patience, but the server is still at it."""
    bare.upstream.script({"match": CREATE, "do": do, "made_after_s": 1, "times": 1})
    succeeds(bare, AI_RETRY_BASE_MS=800, AI_RETRY_FACTOR=2)
    assert bare.upstream.count("create") == 1


@pytest.mark.parametrize("effect", [True, False])
def test_case_13_it_cannot_be_known(bare, effect):
    """The list cannot be read."""
    bare.upstream.script({"match": CREATE, "do": "reset", "effect": effect}, {"match": {"call": "list"}, "do": "502_html"})
    fails(bare, 502, "UNKNOWN_OUTCOME", created=int(effect))
    assert bare.upstream.count("create") == 1


def test_case_13_nginx_answers_for_a_server_that_is_gone(cloud):
    cloud.upstream.script({"match": CREATE, "do": "reset", "times": 1})
    succeeds(cloud)
    assert cloud.upstream.count("create") == 1


def test_case_13_silence(bare):
    """It works, but the answer never comes."""
    bare.upstream.script({"match": CREATE, "do": "hang", "effect": True})
    answer = ask(bare.start(RUN_TIMEOUT_MS=2000))
    assert answer.status_code in (200, 502, 504), answer.text
    if answer.status_code != 200:
        assert answer.json()["error"]["code"] in ("UNKNOWN_OUTCOME", "DEADLINE_EXCEEDED")
    assert bare.upstream.count("create") == bare.upstream.count("created") == 1


def test_case_13_two_alike_are_not_mixed_up(bare):
    """Both creates of one picture, for two features of one model, lose their answers: each finds its own."""
    gateway, picture = bare.start(), fresh()
    bare.upstream.script(models={ESRGAN: {"official": True}})
    bare.upstream.script({"match": CREATE, "do": "reset", "times": 2})
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for answer in pool.map(lambda route: ask(gateway, picture, route), (LOOSE, "/api/enhance")):
            assert_success(answer)
    assert bare.upstream.count("created") == 2
    polls = {r["prediction"] for r in bare.upstream.requests("get") if r.get("prediction")}
    assert len(polls) == 2


def test_case_13_nothing_was_sent(bare):
    """Until somebody listens it costs nothing to try again."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    gateway = bare.start(REPLICATE_BASE_URL=f"http://127.0.0.1:{port}/v1", AI_RETRIES=10, AI_RETRY_BASE_MS=3000,
                         BREAKER_FAILURES=1000)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ask, gateway)
        time.sleep(0.3)
        late = Upstream("--port", str(port))
        try:
            assert_success(waiting.result())
            assert late.count("created") == 1
        finally:
            late.close()


@pytest.mark.parametrize("base", ["http://127.0.0.1:1/v1", "http://no-such-host.invalid/v1", "https://{plain}/v1"])
def test_case_13_no_connection(bare, base):
    plain = bare.upstream.api.removeprefix("http://")
    answer = ask(bare.start(REPLICATE_BASE_URL=base.format(plain=plain), AI_RETRIES=1))
    assert_error(answer, 503, "PROVIDER_UNAVAILABLE")
    assert bare.upstream.count("create") == 0


def test_case_13_a_certificate_nobody_knows(tls):
    answer = ask(tls.start(CA_FILE="", AI_RETRIES=1))
    assert_error(answer, 503, "PROVIDER_UNAVAILABLE")
    assert tls.upstream.count("create") == 0


# ---- 18: strange JSON ----

ODD = [
    {"digits": 0}, {"digits": 6}, {"digits": 9}, {"view": {"created_at": "2026-01-02T03:04:05+02:00"}},
    {"version": "hidden"}, {"old_urls": True, "without": ["model", "source"]}, {"without": ["urls"]},
    {"view": {"new": {"deep": [1, 2]}, "metrics": 7}},
    {"view": {"metrics": {"predict_time": 1e300, "total_time": -0.0}}},
    {"raw": '"status":"failed","id":"x","output":[1e300,-0],'},
    {"view": {"logs": "a\0b \ud800 \udc00\ud800"}}, {"logs_bytes": 20 << 20},
    {"view": {"urls": {"get": "http://127.0.0.3/x"}}}, {"view": {"error": ""}}]


@pytest.mark.short
@pytest.mark.parametrize("plan", ODD, ids=[f"{next(iter(o))}-{n}" for n, o in enumerate(ODD)])
def test_case_18_strange_json(cloud, plan):
    cloud.upstream.script(life(**plan))
    succeeds(cloud)


def test_case_18_strange_json_in_polls(cloud):
    cloud.upstream.script(*(polled(times=1, **plan) for plan in ODD))
    all_succeed(cloud, len(ODD))
    assert cloud.upstream.count("get") >= 2 * len(ODD)


# ---- 27: lists ----

def lost(cloud, **patch):
    """A create whose answer is lost, and a list that is as patched."""
    cloud.upstream.script({"match": CREATE, "do": "reset"}, {"match": {"call": "list"}, "do": "patch", "merge": patch})


def test_case_27_it_is_on_the_second_page(cloud):
    cloud.upstream.script({"match": CREATE, "do": "reset"}, {"match": {"call": "list"}, "do": "patch", "times": 1, "merge": {
        "results": [], "next": cloud.base_url + "/predictions?cursor=0"}})
    succeeds(cloud)
    assert cloud.upstream.count("list") == 2


@pytest.mark.parametrize("where", ["{elsewhere}/v1/predictions?cursor=1", "{api}.evil.invalid/v1/predictions",
                                   "//127.0.0.3/v1/predictions", "{api}/other/predictions"])
def test_case_27_the_next_page_is_another_host(cloud, where):
    lost(cloud, results=[], next=where.format(elsewhere=cloud.upstream.elsewhere, api=cloud.upstream.api))
    answer = ask(cloud.start())
    assert_error(answer, 502, "UNKNOWN_OUTCOME")
    seen = cloud.upstream.requests("list") + cloud.upstream.requests("other")
    assert {(r["host"], r["path"]) for r in seen} == {("api", "/v1/predictions")}


def test_case_27_a_list_without_an_end(cloud):
    lost(cloud, results=[], next=cloud.base_url + "/predictions?cursor=0")
    assert_error(ask(cloud.start()), 502, "UNKNOWN_OUTCOME")
    assert cloud.upstream.count("list") <= 40


def test_case_27_nothing_of_others_is_taken(cloud):
    """A list full of other people's work, and of nonsense: ours is not there, so it is made."""
    other = {"id": "y", "model": "cjwbw/real-esrgan", "input": {"image": "z"}}
    rows = [None, 7, {}, {"id": "x"}, other]
    cloud.upstream.script({"match": CREATE, "do": "reset", "effect": False, "times": 1},
                         {"match": {"call": "list"}, "do": "patch", "merge": {"results": rows, "next": None}})
    succeeds(cloud)
    assert cloud.upstream.count("create") == 2 and cloud.upstream.count("get") == 0
