"""What a request may wish of the cache, and what an answer says about it: Cache-Control, Cache-Status (RFC 9211),
Server-Timing, and the validators of stored results."""
import base64
import concurrent.futures
import hashlib
import re
import time

import pytest
import requests

from cloud import ask, life
from gateway import SLOW, assert_error, assert_success, until
from pictures import cut_out, encode, fresh
from raw import Wire, post_head

SLOW_RUN = life(wait_s=0, run_s=1.5 * SLOW)


def status(answer):
    """Cache-Status as {name: value}, without the name of the cache."""
    cache, *parameters = answer.headers["Cache-Status"].split("; ")
    assert cache == "limner"
    return {name: value or True for name, _, value in (p.partition("=") for p in parameters)}


def post(gateway, picture, wish=None, **more):
    answer = gateway.post(picture, headers={"Cache-Control": wish} if wish is not None else None, **more)
    assert_success(answer)
    return answer


def is_hit(answer):
    told = status(answer)
    assert answer.json()["meta"]["cached"] is ("hit" in told)
    return "hit" in told


# ---- what it says ----

@pytest.mark.short
def test_cache_status(instant):
    picture = fresh()
    assert status(post(instant, picture)) == {"fwd": "miss", "stored": True}
    told = status(post(instant, picture))
    assert told == {"hit": True, "ttl": told["ttl"]}
    assert 300 - 5 * SLOW <= int(told["ttl"]) <= 300


def test_status_of_failures(instant):
    assert status(instant.post(fresh()[:-10])) == {"fwd": "miss"}
    assert "Cache-Status" not in instant.post(b"no picture").headers  # it never got as far


@pytest.mark.parametrize("options", [{"CACHE_TTL_MS": 0}, {"CACHE_MAX_SIZE": 0}])
def test_status_without_a_cache(start, options):
    gateway = start(PROVIDERS="instant", **options)
    assert status(post(gateway, fresh())) == {"fwd": "bypass"}


def test_status_of_what_is_never_remembered(instant):
    answer = post(instant, fresh(), route="/api/portraits/ic-light", fields={"prompt": "dusk"})
    assert status(answer) == {"fwd": "bypass"}
    answer = post(instant, fresh(), route="/api/portraits/ic-light", fields={"prompt": "dusk", "seed": "5"})
    assert status(answer) == {"fwd": "miss", "stored": True}


def timings(answer):
    return {name: float(ms) for name, ms in re.findall(r"(\w+);dur=([\d.]+)(?:, |$)", answer.headers["Server-Timing"])}


@pytest.mark.short
def test_server_timing(instant):
    picture = fresh(300, 200)
    told, again = timings(post(instant, picture)), timings(post(instant, picture))
    assert set(told) >= {"receive", "cache", "prescale", "queue", "run", "store", "total"}
    assert set(again) <= {"receive", "cache", "total"} and "total" in again
    for each in (told, again):
        assert sum(ms for name, ms in each.items() if name != "total") <= each["total"] + 0.01
    refused = timings(instant.post(fresh(), fields={"scale": "9"}))
    assert set(refused) == {"receive", "total"}


@pytest.mark.short
def test_scripts_of_other_origins_can_read_it(instant):
    answer = instant.post(fresh(), headers={"Origin": "https://app.example"})
    exposed = {name.strip().lower() for name in answer.headers["Access-Control-Expose-Headers"].split(",")}
    assert {"cache-status", "server-timing", "etag", "repr-digest", "ratelimit-limit", "ratelimit-policy",
            "ratelimit-remaining", "ratelimit-reset", "retry-after", "x-request-id"} <= exposed


def test_the_answer_itself_is_not_to_be_kept(instant):
    """It holds links that expire."""
    answer = post(instant, fresh())
    assert answer.headers["Cache-Control"] == "no-store"
    assert "ETag" not in answer.headers


# ---- what it wishes ----

@pytest.mark.short
def test_no_cache(instant):
    picture = fresh()
    first = post(instant, picture)
    anew = post(instant, picture, "no-cache")
    assert status(anew) == {"fwd": "request", "stored": True}
    assert anew.json()["data"]["key"] != first.json()["data"]["key"]
    later = post(instant, picture)
    assert is_hit(later) and later.json()["data"]["key"] == anew.json()["data"]["key"]


@pytest.mark.short
def test_no_store(instant):
    picture = fresh()
    assert status(post(instant, picture, "no-store")) == {"fwd": "request"}
    first = post(instant, picture)
    assert status(first) == {"fwd": "miss", "stored": True}
    assert status(post(instant, picture, "no-store")) == {"fwd": "request"}
    later = post(instant, picture)
    assert is_hit(later) and later.json()["data"]["key"] == first.json()["data"]["key"]


def test_max_age(instant):
    picture = fresh()
    first = post(instant, picture)
    assert is_hit(post(instant, picture, "max-age=60"))
    time.sleep(1.1)
    assert is_hit(post(instant, picture, f"max-age={60 * SLOW}"))
    anew = post(instant, picture, "max-age=1")
    assert status(anew) == {"fwd": "request", "stored": True}
    assert anew.json()["data"]["key"] != first.json()["data"]["key"]
    assert is_hit(post(instant, picture, f"max-age={60 * SLOW}"))  # what it made is younger
    time.sleep(0.01)
    assert not is_hit(post(instant, picture, "max-age=0"))


@pytest.mark.parametrize("wish", ["", "max-age=soon", "max-age", "no-store, max-age=-1", "no-cache; no-store", "private",
                                  "x=\"no-store\"", "only-if-cached", "max-stale=5, min-fresh=5"])
def test_what_means_nothing(instant, wish):
    picture = fresh()
    assert status(post(instant, picture, wish)) == {"fwd": "miss", "stored": True}
    assert is_hit(post(instant, picture, wish))


def test_several_headers_are_one_list(instant):
    picture = fresh()
    post(instant, picture)
    with Wire(instant) as wire:
        head = post_head(len(picture)).replace("\r\n\r\n", "\r\nCache-Control: max-age=60\r\nCache-Control: no-store\r\n\r\n")
        wire.send(head.encode() + picture)
        answer = wire.answer()
    assert answer.headers["cache-status"] == "limner; fwd=request"


def test_steps_obey_too(start):
    """The cut-out inside of replace-bg: not kept, or made anew."""
    gateway = start(PROVIDERS="instant")
    files = {"fg": ("fg", encode(cut_out(90, 70), "PNG"))}

    def cut(wish=None):
        answer = gateway.post(route="/api/replace-bg", fields={"mode": "remove"}, files=files,
                              headers={"Cache-Control": wish} if wish else None)
        assert_success(answer)
        return len([r for r in gateway.records("request", feature="cutout") if r["outcome"] == "run"])

    assert cut("no-store") == 1
    assert gateway.metrics()["cache"]["size"] == 0
    assert cut() == 2
    assert gateway.metrics()["cache"]["size"] == 2
    assert cut() == 2
    assert cut("no-cache") == 3


# ---- the same at the same moment ----

def together(gateway, picture, wishes):
    """The first runs; the others come while it does."""
    with concurrent.futures.ThreadPoolExecutor(len(wishes)) as pool:
        answers = [pool.submit(ask, gateway, picture, headers={"Cache-Control": wishes[0]})]
        until(lambda: any(r["stage"] == "run" for r in gateway.status()["requests"]))
        answers += [pool.submit(ask, gateway, picture, headers={"Cache-Control": wish}) for wish in wishes[1:]]
        return [a.result() for a in answers]


def test_joined(bare):
    bare.upstream.script(SLOW_RUN)
    first, second = together(bare.start(), fresh(), ["", "max-age=0"])
    assert_success(first)
    assert status(first) == {"fwd": "miss", "stored": True}
    assert status(second) == {"fwd": "miss", "collapsed": True}
    assert second.json()["meta"]["joined"] is True
    assert bare.upstream.count("created") == 1


def test_no_cache_joins_nothing_that_runs(bare):
    """But later ones may join it, if it leads."""
    bare.upstream.script(SLOW_RUN)
    gateway = bare.start()
    first, second, third = together(gateway, fresh(), ["", "no-cache", "no-cache"])
    assert len({assert_success(a)["data"]["key"] for a in (first, second, third)}) == 3
    assert status(second) == status(third) == {"fwd": "request", "stored": True}
    assert bare.upstream.count("created") == 3
    lead, joined = together(gateway, fresh(), ["no-cache", ""])
    assert assert_success(lead)["data"]["key"] == assert_success(joined)["data"]["key"]
    assert status(joined) == {"fwd": "miss", "collapsed": True}
    assert bare.upstream.count("created") == 4


def test_no_store_is_alone(bare):
    bare.upstream.script(SLOW_RUN)
    gateway = bare.start()
    answers = together(gateway, fresh(), ["no-store", "no-store", ""])
    assert len({assert_success(a)["data"]["key"] for a in answers}) == 3
    assert [status(a) for a in answers] == [{"fwd": "request"}, {"fwd": "request"}, {"fwd": "miss", "stored": True}]
    assert gateway.metrics()["cache"]["size"] == 1


# ---- what is not kept long ----

def test_degraded_is_kept_short(bare):
    bare.upstream.script({"match": {"call": "create"}, "do": "503", "times": 99})
    gateway = bare.start(PROVIDERS="replicate,instant", DEGRADED_TTL_MS=5000 * SLOW, AI_RETRIES=0)
    picture = fresh()
    assert assert_success(ask(gateway, picture))["meta"]["degraded"] is True
    again = ask(gateway, picture)
    assert int(status(again)["ttl"]) <= 5 * SLOW


@pytest.mark.parametrize("bad", [[], None])
def test_empty_is_not_kept(bare, bad):
    """A model that succeeds with nothing: an error, and asked again by the next."""
    bare.upstream.script(life(output=bad))
    gateway, picture = bare.start(), fresh()
    for created in (1, 2):
        answer = ask(gateway, picture)
        assert_error(answer, 502, "REPLICATE_ERROR")
        assert status(answer) == {"fwd": "miss"}
        assert bare.upstream.count("created") == created
    assert gateway.metrics()["cache"]["size"] == 0


def test_failures_are_not_kept(bare):
    bare.upstream.script(life(end="failed"))
    gateway, picture = bare.start(), fresh()
    for created in (1, 2):
        assert status(ask(gateway, picture)) == {"fwd": "miss"}
        assert bare.upstream.count("created") == created
    assert gateway.metrics()["cache"]["size"] == 0


# ---- stored results ----

@pytest.mark.short
def test_a_result_is_known_by_its_content(instant):
    picture = fresh()
    links = [post(instant, picture, wish).json()["data"]["url"] for wish in ("no-cache", "no-cache")]
    one, two = (requests.get(link, timeout=10) for link in links)
    assert one.content == two.content and links[0] != links[1]
    digest = hashlib.sha256(one.content)
    assert one.headers["ETag"] == two.headers["ETag"] == f'"{digest.hexdigest()}"'
    assert one.headers["Repr-Digest"] == f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    assert "immutable" in one.headers["Cache-Control"]
    part = requests.get(links[0], headers={"Range": "bytes=0-9"}, timeout=10)
    assert part.headers["Repr-Digest"] == one.headers["Repr-Digest"]
    same = requests.get(links[0], headers={"If-None-Match": one.headers["ETag"]}, timeout=10)
    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", one.headers["ETag"])

