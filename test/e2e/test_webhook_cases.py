"""Replicate's webhooks, sent as they should be and as they should not.

The numbers are those of the list of cases these tests were made from (see test_replicate_cases.py).
"""
import concurrent.futures

import pytest

from cloud import CREATE, ask, life
from gateway import assert_success, until
from pictures import fresh
from upstream.nginx import free_port


# ---- 15, 16: webhooks ----

@pytest.fixture
def hooked(tls):
    """A gateway that the provider reaches by https, and that knows the secret; its webhook address."""
    port = free_port("127.0.0.1")
    gateway = tls.start(PORT=port, PUBLIC_BASE_URL=tls.front.before(port))
    until(lambda: [r for r in tls.upstream.requests("secret") if r["status"] == 200])
    return gateway, f"{gateway.url}/hooks/replicate"


def statuses(cloud):
    return [hook["status"] for hook in cloud.upstream.record()["webhooks"]]


def test_case_15_a_webhook_ends_the_wait(tls, hooked):
    tls.upstream.script(life(wait_s=0, run_s=1))
    assert_success(ask(hooked[0]))
    assert tls.upstream.count("get") == 0 and statuses(tls) == [204]
    assert tls.upstream.sent()[0]["webhook"].partition("?job=")[0].endswith("/hooks/replicate")


@pytest.mark.parametrize("options", [
    {"copies": 3}, {"signature": "second"}, {"delay_s": 0.5}, {"lose_first": True}, {"timestamp_s": -200}],
    ids=lambda o: next(iter(o)))
def test_case_15_webhooks_that_count(tls, hooked, options):
    tls.upstream.script(life(wait_s=0, run_s=0.5), {"match": {"call": "webhook"}, "do": "webhook", **options})
    assert_success(ask(hooked[0]))
    until(lambda: len(statuses(tls)) == options.get("copies", 1))
    assert tls.upstream.count("get") == 0 and set(statuses(tls)) == {204}
    assert len(hooked[0].objects()) == tls.upstream.count("created") == 1


def test_case_15_earlier_than_the_answer(tls, hooked):
    tls.upstream.script({"match": CREATE, "do": "after_webhook"}, {"match": {"path": "."}, "do": "life", "run_s": 0.2})
    assert_success(ask(hooked[0]))
    assert tls.upstream.count("created") == len(hooked[0].objects()) == 1


@pytest.mark.parametrize("options", [
    {"signature": "wrong"}, {"signature": "foreign"}, {"signature": "garbage"}, {"signature": "v2"},
    {"signature": "missing"}, {"timestamp_s": -3600}, {"timestamp_s": 3600}], ids=lambda o: str(next(iter(o.values()))))
def test_case_15_webhooks_that_do_not(tls, hooked, options):
    gateway, address = hooked
    assert tls.upstream.webhook(address, body="{}", **options) == 401
    tls.upstream.script(life(wait_s=0, run_s=1))  # a lie about a run that goes on changes nothing
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ask, gateway)
        until(lambda: tls.upstream.predictions())
        name = tls.upstream.predictions()[0]["id"]
        lie = f'{{"id":"{name}","status":"failed","error":"a lie","completed_at":"2026-01-01T00:00:00Z"}}'
        assert tls.upstream.webhook(address, body=lie, id="msg_lie", **options) == 401
        assert_success(waiting.result())


@pytest.mark.parametrize("body", [
    '{"id":"nobodyknowsthis","status":"succeeded"}', '{ "id" :\n"nobody" ,"status":"x"}', "{", "[]", ""])
def test_case_15_about_nothing_we_know(tls, hooked, body):
    calls = len(tls.upstream.requests())
    for name in ("msg_1", "msg_1", "msg_2"):
        assert tls.upstream.webhook(hooked[1], body=body, id=name) in (204, 400)
    assert len(tls.upstream.requests()) == calls
    assert hooked[0].objects() == []


def test_case_15_older_news_afterwards(tls, hooked):
    tls.upstream.script(life(wait_s=0, run_s=0.3))
    gateway, picture = hooked[0], fresh()
    assert_success(ask(gateway, picture))
    name = tls.upstream.predictions()[0]["id"]
    assert tls.upstream.webhook(hooked[1], body=f'{{"id":"{name}","status":"processing"}}', id="msg_late") == 204
    assert assert_success(ask(gateway, picture))["meta"]["cached"] is True


def test_case_16_a_lost_webhook(tls, hooked):
    tls.upstream.script(life(wait_s=0, run_s=0.5), {"match": {"call": "webhook"}, "do": "webhook", "drop": ["completed"]})
    assert_success(ask(hooked[0]))
    assert tls.upstream.count("get") >= 1 and statuses(tls) == []
