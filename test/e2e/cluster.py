"""Several gateways with one store, one Redis and one account, and nginx before them."""
import asyncio
import ssl

import aiohttp
import pytest

from cloud import PINNED
from front import Front, need_nginx
from gateway import SLOW, until


def together(gateway):
    """Redis answers, and limits are shared."""
    checks = gateway.get("/readyz").json()["checks"]
    return checks.get("redis", "ok") == "ok" and checks["limits"] == "shared"


@pytest.fixture
def cluster(bare, redis, tmp_path):
    """cluster(count, OPTION=value…)"""
    def begin(count, **options):
        given = {"REDIS_URL": redis.url, "DATA_DIR": tmp_path / "data", "REDIS_LEASE_MS": 1000,
                 "REDIS_TIMEOUT_MS": 5000}  # on a busy machine 50 ms pass without anybody's fault
        made = [bare.start(**given | options) for _ in range(count)]
        for gateway in made:
            until(lambda g=gateway: together(g))
        return made
    return begin


@pytest.fixture
def fronted(cluster, tmp_path):
    """fronted(count, OPTION=value…): the gateways, and nginx that deals requests to them."""
    need_nginx()
    fronts = []

    def begin(count, **options):
        gateways = cluster(count, TRUST_PROXY=1, **options)
        fronts.append(Front(tmp_path / f"nginx{len(fronts)}", *gateways))
        return gateways, fronts[-1]
    yield begin
    for front in fronts:
        front.close()


class Crowd:
    """Posts at once to an address, each on a connection of its own, in the test's event loop."""

    def __init__(self, url, ca=None):
        self.url = url + PINNED
        self.tls = ssl.create_default_context(cafile=ca) if ca else False
        self.answers = []  # (status, document)

    async def _one(self, http, picture):
        form = aiohttp.FormData()
        form.add_field("image", picture, filename="photo")
        async with http.post(self.url, data=form, ssl=self.tls) as answer:
            self.answers.append((answer.status, await answer.json()))

    async def post(self, pictures):
        limit = aiohttp.ClientTimeout(total=120 * SLOW)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=limit) as http:
            await asyncio.gather(*(self._one(http, picture) for picture in pictures))


def crowd(front, pictures):
    """The answers to posts that are begun together, all of which must be good."""
    made = Crowd(front.url, front.folder / "ca.pem")
    asyncio.run(made.post(pictures))
    bad = [answer for answer in made.answers if answer[0] != 200]
    assert not bad and len(made.answers) == len(pictures), bad[:3]
    return [document for _, document in made.answers]
