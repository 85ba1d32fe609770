"""Each named behaviour does on the wire what it says."""
import gzip
import json
import time

import pytest
import requests

from . import faults
from .helpers import FLUX, ask, create, finished, raw, split

CREATE = {"call": "create"}


# ---- rules ----

def test_a_name_has_one_meaning():
    assert not set(faults.LIVES) & set(faults.ACTIONS)


def test_times_and_nth(upstream):
    upstream.script({"match": CREATE, "do": "500", "times": 2}, {"match": {"call": "create", "nth": 4}, "do": "503"})
    assert [create(upstream).status_code for _ in range(5)] == [500, 500, 201, 503, 201]


def test_a_rate_repeats_with_its_seed(upstream):
    def statuses():
        upstream.script({"match": {"call": "account"}, "do": "429", "rate": 0.3}, seed=7)
        return [ask(upstream, "GET", "/account").status_code for _ in range(60)]
    first = statuses()
    assert first == statuses()
    assert 5 < first.count(429) < 35


def test_rules_know_models_and_paths(upstream):
    upstream.script({"match": {"call": "create", "model": FLUX}, "do": "500"}, {"match": {"path": "account$"}, "do": "503"})
    assert create(upstream).status_code == 201
    assert ask(upstream, "POST", f"/models/{FLUX}/predictions", json={"input": {"prompt": "x"}}).status_code == 500
    assert ask(upstream, "GET", "/account").status_code == 503


def test_an_unknown_behaviour_is_refused(upstream):
    for order in ([{"do": "nonsense"}], {"settings": {"speed": 1}}, {"models": {"a/b": {}}}):
        assert requests.post(f"{upstream.api}/_sim/script", json=order, timeout=10).status_code == 400


# ---- answers ----

@pytest.mark.parametrize("name", faults.ANSWERS)
def test_answers(upstream, name):
    status, said = faults.ANSWERS[name]
    upstream.script({"match": CREATE, "do": name})
    answer = create(upstream)
    assert answer.status_code == status
    if isinstance(said, str):
        assert answer.text == said and answer.headers["Content-Type"].startswith("text/html")
    else:
        assert answer.json() == said and "json" in answer.headers["Content-Type"]
    assert upstream.count("created") == 0
    assert "Retry-After" not in answer.headers


def test_an_error_after_the_work_was_done(upstream):
    upstream.script({"match": CREATE, "do": "502_html", "effect": True})
    assert create(upstream).status_code == 502
    assert upstream.count("created") == 1


def test_retry_after(upstream):
    upstream.script({"match": CREATE, "do": "429", "retry_after": 7, "times": 1},
                    {"match": CREATE, "do": "429", "retry_after": "date:7"})
    assert create(upstream).headers["Retry-After"] == "7"
    assert create(upstream).headers["Retry-After"].endswith("GMT")


# ---- connections ----

@pytest.mark.parametrize("do,end", [("reset", "reset"), ("close", "closed")])
@pytest.mark.parametrize("when,created,comes", [
    ("headers", 0, ""), ("request", 1, ""), ("head", 1, "head"), ("half", 1, "half")])
def test_connections_that_end(upstream, do, end, when, created, comes):
    upstream.script({"match": CREATE, "do": do, "when": when})
    got, ended = raw(upstream)
    assert ended == end or (when == "headers" and ended == "reset")  # the unread body makes a RST of any close
    assert upstream.count("created") == created
    if comes:
        status, headers, rest = split(got)
        assert status == 201
        assert len(rest) == (int(headers["content-length"]) // 2 if comes == "half" else 0)
    else:
        assert got == b""


def test_reset_without_the_work(upstream):
    upstream.script({"match": CREATE, "do": "reset", "effect": False})
    assert raw(upstream) == (b"", "reset")
    assert upstream.count("created") == 0


def test_hang(upstream):
    upstream.script({"match": CREATE, "do": "hang"})
    assert raw(upstream) == (b"", "silent")
    assert upstream.count("created") == 0
    assert ask(upstream, "GET", "/account").status_code == 200  # the others are served


# ---- bodies ----

def test_truncated(upstream):
    upstream.script({"match": CREATE, "do": "truncated"})
    answer = create(upstream)
    assert answer.status_code == 201
    with pytest.raises(requests.exceptions.JSONDecodeError):
        answer.json()


@pytest.mark.parametrize("do,differs", [("long_length", 100), ("short_length", -10)])
def test_wrong_lengths(upstream, do, differs):
    upstream.script({"match": CREATE, "do": do})
    got, ended = raw(upstream)
    status, headers, rest = split(got)
    assert (status, ended) == (201, "closed")
    assert int(headers["content-length"]) - len(rest) == differs
    assert json.loads(rest)["status"] == "starting"


def test_no_length(upstream):
    upstream.script({"match": CREATE, "do": "no_length"})
    _, headers, rest = split(raw(upstream)[0])
    assert "content-length" not in headers and "transfer-encoding" not in headers
    assert json.loads(rest)


def test_chunked(upstream):
    upstream.script({"match": CREATE, "do": "chunked", "times": 1}, {"match": CREATE, "do": "chunked", "cut": True})
    answer = create(upstream)
    assert answer.headers["Transfer-Encoding"] == "chunked" and answer.json()["id"]
    got, ended = raw(upstream)
    assert ended == "closed" and not got.endswith(b"0\r\n\r\n")


def test_gzip(upstream):
    upstream.script({"match": CREATE, "do": "gzip", "times": 1}, {"match": CREATE, "do": "gzip", "broken": True, "times": 1},
                    {"match": CREATE, "do": "gzip", "bomb": 1 << 24})
    answer = create(upstream)
    assert answer.headers["Content-Encoding"] == "gzip" and answer.json()["id"]
    with pytest.raises(requests.exceptions.ContentDecodingError):
        create(upstream)
    got, _ = raw(upstream, more="Connection: close\r\n")
    assert len(got) < 1 << 17 and len(gzip.decompress(split(got)[2])) > 1 << 24


def test_any_words(upstream):
    upstream.script({"match": CREATE, "do": "say", "body": "<html>", "type": "text/html", "status": 200})
    answer = create(upstream)
    assert (answer.status_code, answer.text, upstream.count("created")) == (200, "<html>", 1)


def test_patch(upstream):
    upstream.script({"match": {"call": "list"}, "do": "patch", "merge": {"next": "https://example.com/v1/predictions"}})
    listed = ask(upstream, "GET", "/predictions").json()
    assert listed == {"next": "https://example.com/v1/predictions", "previous": None, "results": []}


# ---- time ----

def test_slow(upstream):
    upstream.script({"match": {"call": "account"}, "do": "slow_head", "pause_s": 0.002, "times": 1},
                    {"match": {"call": "account"}, "do": "slow_body", "pause_s": 0.002, "times": 1},
                    {"match": {"call": "account"}, "do": "late", "seconds": 0.3})
    for least in (0.1, 0.1, 0.3):
        begun = time.monotonic()
        assert ask(upstream, "GET", "/account").json()["type"]
        assert time.monotonic() - begun >= least


def test_late_before_the_work(upstream):
    upstream.script({"match": CREATE, "do": "late", "seconds": 0, "before_s": 0.3})
    begun = time.time()
    assert create(upstream).status_code == 201
    assert upstream.record()["counts"]["created"] == 1 and time.time() - begun >= 0.3


@pytest.mark.parametrize("do", ["504_html", "reset"])
def test_made_when_the_answer_is_out(upstream, do):
    upstream.script({"match": CREATE, "do": do, "made_after_s": 0.3})
    got, _ = raw(upstream, more="Connection: close\r\n")
    assert got[:12] == (b"HTTP/1.1 504" if do == "504_html" else b"") and upstream.count("created") == 0
    while upstream.count("created") == 0:
        time.sleep(0.01)
    assert upstream.requests("create")[0]["prediction"] == upstream.predictions()[0]["id"]


# ---- lives ----

def outcome(upstream, **rule):
    upstream.script({"match": CREATE, **rule})
    return finished(upstream, create(upstream).json())


@pytest.mark.parametrize("do,status,error", [
    ("aborted", "aborted", None), ("canceled", "canceled", None), ("failed", "failed", "fell over"),
    ("failed_null", "failed", None), ("nsfw", "failed", "NSFW"), ("oom", "failed", "E1001"),
    ("director", "failed", "E9828"), ("interrupted", "failed", "code: PA")])
def test_ends(upstream, do, status, error):
    shown = outcome(upstream, do=do)
    assert (shown["status"], shown["output"]) == (status, None)
    assert shown["error"] == error if error is None else error in shown["error"]


def test_errors_of_strange_form(upstream):
    assert isinstance(outcome(upstream, do="failed_object")["error"], dict)
    assert len(outcome(upstream, do="failed_64k")["error"]) > 65000


@pytest.mark.parametrize("output", [None, [], [None], "text", 3, True, ["a", "b"], {"a": {"b": ["{picture}"]}},
                                    ["{picture}"] * 300, "{delivery}/gone.png", "data:None;base64,AAAA"])
def test_outputs(upstream, output):
    shown = outcome(upstream, do="output", output=output)["output"]
    assert type(shown) is type(output)
    text = json.dumps(shown)
    assert "{" + "picture}" not in text and "{" + "delivery}" not in text
    if "picture" in json.dumps(output):
        address = text[text.index("http"):].partition('"')[0]
        assert requests.get(address, timeout=10).content[:4] == b"\x89PNG"


def test_unfinalised(upstream):
    upstream.script({"match": CREATE, "do": "unfinalised"})
    shown = create(upstream, wait=5).json()
    assert shown["status"] == "processing" and shown["output"]
    assert not {"started_at", "completed_at", "metrics"} & set(shown)
    assert finished(upstream, shown)["status"] == "succeeded"


def test_removed(upstream):
    shown = outcome(upstream, do="removed")
    assert (shown["status"], shown["data_removed"], shown["output"], shown["input"]) == ("succeeded", True, None, {})


def test_words_for_success(upstream):
    assert outcome(upstream, do="successful")["status"] == "successful"
    assert outcome(upstream, do="strange_status")["status"] == "settled"


@pytest.mark.parametrize("digits,length", [(0, 20), (3, 24), (6, 27), (9, 30)])
def test_timestamps(upstream, digits, length):
    assert len(outcome(upstream, do="life", digits=digits)["completed_at"]) == length


def test_by_count_of_polls(upstream):
    upstream.script({"match": CREATE, "do": "life", "boot_polls": 2, "run_polls": 2, "run_s": 0})
    made, seen = create(upstream).json(), []
    for _ in range(6):
        seen.append(ask(upstream, "GET", f"/predictions/{made['id']}").json()["status"])
        time.sleep(0.05)
    assert seen[:4] == ["starting", "starting", "processing", "processing"] and seen[-1] == "succeeded"


def test_a_server_that_does_not_wait(upstream):
    upstream.script({"match": CREATE, "do": "life", "run_polls": 1, "wait_s": 0.1})
    answer = create(upstream, wait=60)
    assert (answer.status_code, answer.json()["status"]) == (202, "processing")


def test_raw_json(upstream):
    upstream.script({"match": CREATE, "do": "life", "raw": '"status":"x","odd":1e300,', "view": {"more": "\0\ud800"},
                     "logs_bytes": 1 << 20, "version": "hidden"})
    text = create(upstream).text
    assert text.count('"status"') == 2 and "1e300" in text and "\\u0000\\ud800" in text and len(text) > 1 << 20
    assert json.loads(text)["version"] == "hidden"


def test_old_objects(upstream):
    shown = outcome(upstream, do="old")
    assert not {"model", "data_removed", "source"} & set(shown) and set(shown["urls"]) == {"get", "cancel"}


# ---- deliveries ----

def delivered(upstream, **rule):
    address = create(upstream, wait=5).json()["output"]
    upstream.script({"match": {"call": "delivery"}, **rule})
    return requests.get(address, timeout=10, stream=True)


def test_delivery_moves_to_another_host(upstream):
    answer = delivered(upstream, do="redirect", to="{elsewhere}{path}", times=1)
    assert answer.status_code == 200 and len(answer.history) == 1 and answer.url.startswith(upstream.elsewhere)
    assert [r["host"] for r in upstream.requests("delivery")] == ["delivery", "elsewhere"]


@pytest.mark.parametrize("unsaid", [False, True])
def test_delivery_too_large(upstream, unsaid):
    answer = delivered(upstream, do="oversize", bytes=1 << 20, unsaid=unsaid)
    assert ("Content-Length" in answer.headers) != unsaid
    assert len(answer.content) == 1 << 20 and answer.content[:4] == b"\x89PNG"


def test_delivery_of_another_kind(upstream):
    answer = delivered(upstream, do="type", type="application/octet-stream")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert delivered(upstream, do="404_delivery").status_code == 404
