"""/status: what is running right now, from the first look on, and for as long as anybody can ask."""
import concurrent.futures

import pytest
import requests

from cloud import ask, life, send
from gateway import until
from pictures import fresh
from raw import Wire

pytestmark = [pytest.mark.short, pytest.mark.threads]
KEYS = {"open", "flights", "followers", "limiters", "requests"}


def at_work(gateway):
    """(requests that are open, their stages, slots taken)"""
    shown = gateway.status()
    assert set(shown) == KEYS
    return shown["open"], [r["stage"] for r in shown["requests"]], sum(l["running"] for l in shown["limiters"])


def test_the_first_look_and_the_next(bare):
    """Nobody has asked before, and what has changed since is there at once."""
    bare.upstream.script(life(wait_s=0, boot_s=60))
    gateway = bare.start()
    with Wire(gateway) as wire:
        send(gateway, wire, fresh())
        until(lambda: bare.upstream.count("create") == 1)
        assert at_work(gateway) == (1, ["run"], 1)
    until(lambda: gateway.records("request"))
    assert at_work(gateway) == (0, [], 0)


def test_many_ask_at_once(instant):
    instant.wait_idle()
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        assert list(pool.map(lambda _: at_work(instant), range(200))) == [(0, [], 0)] * 200


def test_while_it_drains(bare):
    bare.upstream.set(run_s=2)
    gateway = bare.start()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, gateway)
        until(lambda: bare.upstream.count("create") == 1)
        gateway.signal()
        until(lambda: gateway.records("draining"))
        assert at_work(gateway) == (1, ["run"], 1)
        assert answer.result().status_code == 200
    assert gateway.wait() == 0
    gateway.left = True


def test_until_it_has_ended(start):
    """It is asked without a pause while it stops: every answer is whole, and it leaves cleanly."""
    gateway = start(PROVIDERS="instant")

    def keep_asking(_):
        count = 0
        try:
            while True:
                assert at_work(gateway) == (0, [], 0)
                count += 1
        except requests.ConnectionError:
            return count

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(keep_asking, i) for i in range(8)]
        until(lambda: gateway.connections() > 0)
        gateway.signal()
        assert gateway.wait() == 0
        assert sum(a.result() for a in asked) > 0
    gateway.left = True
