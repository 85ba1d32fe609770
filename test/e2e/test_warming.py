"""What a gateway remembers after a start or a flush: the results that were worth most before, while they exist."""
import contextlib
import sqlite3
import time

import pytest

from exposition import Scrape
from gateway import assert_error, assert_success, until
from pictures import fresh
from test_history import kill, postgres, revive  # noqa: F401  # a fixture among them

TOKEN = "a-token-of-sixteen-or-more"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
WANTED = 31
KEPT = {"PROVIDERS": "instant", "INSTANT_MS": 100, "CACHE_TTL_MS": 3600000, "METRICS_TOKEN": TOKEN}


def post(gateway, picture, **more):
    return assert_success(gateway.post(picture, **more))


def hit(gateway, picture):
    return post(gateway, picture)["meta"]["cached"]


def want(gateway, picture):
    """So many hits weigh as much as a run 32 times as long: what a slow machine adds to another's run does not count."""
    for _ in range(WANTED):
        assert hit(gateway, picture)


def restart(gateway, **options):
    gateway.stop()
    revive(gateway, **options)
    return warmed(gateway)


def warmed(gateway, nth=-1):
    record = until(lambda: gateway.records("warmed"))[nth]
    return record["loaded"], record["gone"]


def flush(gateway, **query):
    return gateway.post(route="/cache/flush", params=query, headers=BEARER)


def rows(gateway):
    with contextlib.closing(sqlite3.connect(gateway.data / "limner.db", timeout=10)) as db:
        return db.execute("SELECT feature, hits FROM result_worth ORDER BY score DESC").fetchall()


@pytest.mark.short
def test_after_a_start_the_first_request_hits(start):
    gateway, pictures = start(**KEPT), [fresh() for _ in range(3)]
    for picture in pictures:
        post(gateway, picture)
    want(gateway, pictures[1])
    assert restart(gateway) == (3, 0)
    assert rows(gateway) == [("improveClarity", WANTED), ("improveClarity", 0), ("improveClarity", 0)]
    assert all(hit(gateway, picture) for picture in pictures)
    assert Scrape(gateway, headers=BEARER).value("limner_warmed_total", result="loaded") == 3


def test_the_most_valuable_ones_if_not_all_have_room(start):
    gateway, pictures = start(**KEPT), [fresh() for _ in range(6)]
    for picture in pictures:
        post(gateway, picture)
    for picture in pictures[2:4]:
        want(gateway, picture)
    assert restart(gateway, WARM_MAX=2) == (2, 0)
    assert hit(gateway, pictures[2]) and hit(gateway, pictures[3])
    assert not hit(gateway, pictures[0])


def test_what_was_deleted_is_not_loaded(start):
    gateway, pictures = start(**KEPT), [fresh(), fresh()]
    keys = [post(gateway, picture)["data"]["key"] for picture in pictures]
    (gateway.data / "objects" / keys[0]).unlink()
    assert restart(gateway) == (1, 1)
    until(lambda: len(rows(gateway)) == 1)
    assert not hit(gateway, pictures[0]) and hit(gateway, pictures[1])


def test_what_has_expired_is_not_loaded(start):
    gateway = start(**KEPT | {"CACHE_TTL_MS": 3000})  # it is still there when it is written
    post(gateway, fresh())
    gateway.stop()
    time.sleep(3)
    revive(gateway)
    record = until(lambda: gateway.records("warmed"))[0]
    assert (record["loaded"], record["expired"]) == (0, 1)
    assert rows(gateway) == []


def test_no_more_rows_than_are_wanted(start):
    gateway = start(**KEPT, WARM_KEEP_MAX=3)
    for _ in range(5):
        post(gateway, fresh())
    assert restart(gateway) == (3, 0)


def test_collected_every_ten_seconds(start):
    gateway, picture = start(**KEPT), fresh()
    post(gateway, picture)
    until(lambda: rows(gateway), 15)
    kill(gateway)
    revive(gateway)
    assert warmed(gateway) == (1, 0)
    assert hit(gateway, picture)


def test_a_flush_and_what_comes_back(start):
    gateway, picture = start(**KEPT), fresh()
    post(gateway, picture)
    restart(gateway)
    answer = assert_success(flush(gateway))
    assert answer["data"] == {"flushed": 1, "warming": True}
    until(lambda: len(gateway.records("warmed")) == 2)
    assert hit(gateway, picture)
    assert assert_success(flush(gateway, warm="off"))["data"] == {"flushed": 1, "warming": False}
    assert not hit(gateway, picture)
    until(lambda: rows(gateway) == [])


def test_who_may_flush(start):
    gateway = start(**KEPT)
    assert_error(gateway.post(route="/cache/flush"), 401, "UNAUTHORIZED")
    assert_error(flush(gateway, warm="perhaps"), 400, "VALIDATION_ERROR")
    open_one = start(PROVIDERS="instant")
    assert "METRICS_TOKEN" in assert_error(flush(open_one), 401, "UNAUTHORIZED")["message"]


def test_in_postgres_for_several_gateways(start, postgres):  # noqa: F811
    """Each loads what lies in its own store only."""
    one, other = (start(**KEPT, DATABASE_URL=postgres.url) for _ in range(2))
    mine, theirs = fresh(), fresh()
    post(one, mine)
    post(other, theirs)
    assert restart(one) == (1, 0)
    assert hit(one, mine) and not hit(one, theirs)


def test_without_a_database(start):
    gateway = start(**KEPT, HISTORY="off")
    post(gateway, fresh())
    assert assert_success(flush(gateway))["data"] == {"flushed": 1, "warming": False}
