"""Who counts as one caller behind a proxy that is trusted (TRUST_PROXY), in the header's odd forms."""
import itertools

import pytest

from pictures import fresh
from raw import Wire, post_head

ROUTE = "/api/ai-beautify"  # 30 a minute


def taken(gateway, lines_of, count=32):
    """How many of so many requests are taken; lines_of(i): the X-Forwarded-For lines of the i-th."""
    codes = []
    for i in range(count):
        more = "Connection: close\r\n" + "".join(f"X-Forwarded-For: {line}\r\n" for line in lines_of(i))
        picture = fresh()
        with Wire(gateway) as wire:
            wire.send(post_head(len(picture), "image/png", ROUTE, more).encode() + picture)
            codes.append(wire.answer().status_code)
    assert set(codes) <= {200, 429}
    return codes.count(200)


@pytest.fixture
def behind(start):
    return start(PROVIDERS="instant", RATE_LIMITS="on", TRUST_PROXY=1)


def test_a_line_of_its_own_from_the_proxy(behind):
    """What the client wrote stands in an earlier line and is not believed, however much of it there is."""
    claims = (f"198.51.100.{i}" for i in itertools.count(1))
    assert taken(behind, lambda i: [next(claims), "203.0.113.9"]) == 30
    assert taken(behind, lambda i: [next(claims)] * 20 + ["203.0.113.10"]) == 30


@pytest.mark.parametrize("form", ["203.0.113.9:{port}", "[2001:db8::9]:{port}", "[2001:db8::9]"])
def test_the_port_is_no_part_of_the_caller(behind, form):
    assert taken(behind, lambda i: [form.format(port=40000 + i)]) == 30


def test_callers_with_ports_are_apart(behind):
    assert taken(behind, lambda i: [f"203.0.113.{i + 1}:4711"]) == 32
    assert taken(behind, lambda i: [f"[2001:db8:{i + 1}::1]:4711"]) == 32
