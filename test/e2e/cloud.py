"""Gateways that run their models in a cloud: the stand-in for Replicate in test/upstream, plain or behind nginx."""
import concurrent.futures
import pathlib
import sys

import pytest

from gateway import assert_error, assert_success, until
from pictures import decode, fresh
from raw import post_head

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))  # test/, where the package upstream is
from upstream.nginx import Nginx, binary
from upstream.process import TOKEN, Upstream

CREATE, POLL, DELIVERY = {"call": "create"}, {"call": "get"}, {"call": "delivery"}
PINNED = "/api/ai-beautify"  # its model's version is known: one create is one call
ESRGAN = "nightmareai/real-esrgan"
LOOSE = "/api/clarity"       # its model has to be asked for its version


class Cloud:
    """The provider, and gateways that know nothing else."""

    def __init__(self, upstream, front, start):
        self.upstream, self.front, self._start = upstream, front, start
        self.base_url = front.base_url if front else upstream.base_url
        self.options = {"PROVIDERS": "replicate", "REPLICATE_API_TOKEN": TOKEN, "REPLICATE_BASE_URL": self.base_url,
                        "ALLOW_PRIVATE_FETCH": "true", "AI_RETRY_BASE_MS": 20, "AI_RETRY_FACTOR": 1}
        if front:
            self.options["CA_FILE"] = front.ca
        self.gateways = []

    def start(self, **options):
        """A gateway that is quick to try again."""
        gateway = self._start(**self.options | options)
        self.gateways.append(gateway)
        return gateway

    def check(self):
        """What must hold after every test."""
        assert self.upstream.crashes() == []
        assert self.upstream.leaks() == []
        for gateway in self.gateways:
            text = gateway.log_path.read_text()
            assert TOKEN not in text and "r8_" not in text
        for create in self.upstream.requests("create"):
            assert create.get("unknown_inputs", []) == []
            assert sum(name.lower() == "authorization" for name, _ in create["headers"]) == 1

    def over(self):
        """Until no prediction runs any more."""
        until(lambda: self.upstream.record()["running"].get("all", 0) == 0, 30)


@pytest.fixture(scope="session")
def provider():
    upstream = Upstream()
    yield upstream
    upstream.close()


@pytest.fixture(scope="session")
def front(provider, tmp_path_factory):
    """nginx before it."""
    if not binary():
        pytest.skip("there is no nginx: tools/deps --dev brings it")
    nginx = Nginx(tmp_path_factory.mktemp("nginx"), provider)
    yield nginx
    nginx.close()


def _cloud(provider, front, start):
    provider.reset()
    made = Cloud(provider, front, start)
    yield made
    made.check()


@pytest.fixture(params=["plain", "tls"])
def cloud(request, provider, start):
    """In both forms: HTTP/1.1, and TLS with HTTP/2."""
    front = request.getfixturevalue("front") if request.param == "tls" else None
    yield from _cloud(provider, front, start)


@pytest.fixture
def tls(provider, front, start):
    """TLS and HTTP/2 only."""
    yield from _cloud(provider, front, start)


@pytest.fixture
def bare(provider, start):
    """Without nginx: for what happens on the wire, and for what takes long."""
    yield from _cloud(provider, None, start)


def ask(gateway, picture=None, route=PINNED, **more):
    """A picture nobody has sent before, unless one is given."""
    return gateway.post(picture or fresh(), route, **more)


# ---- what many tests say ----

def life(**plan):
    return {"match": CREATE, "do": "life", **plan}


def polled(**plan):
    """A prediction that is not done when the create is answered."""
    return life(wait_s=0, run_polls=1, **plan)


def succeeds(cloud, created=1, **options):
    """One request that ends well, and what it took upstream."""
    answer = ask(cloud.start(**options))
    body = assert_success(answer)
    assert cloud.upstream.count("created") == created
    return body


def fails(cloud, status, code, created=1, says="", **options):
    answer = ask(cloud.start(**options))
    error = assert_error(answer, status, code, says=says)
    assert cloud.upstream.count("created") == created
    return error


def all_succeed(cloud, count):
    """So many requests at once that all end well, each with one prediction."""
    gateway = cloud.start(REPLICATE_LIGHT_CONCURRENCY=count)
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        for answer in pool.map(lambda picture: ask(gateway, picture), [fresh() for _ in range(count)]):
            assert_success(answer)
    assert cloud.upstream.count("created") == count


def stored(gateway, answer):
    return decode(gateway.get("/files/" + answer.json()["data"]["url"].partition("/files/")[2]).content)


def send(gateway, wire, picture, route=PINNED):
    wire.send(post_head(len(picture), route=route).encode() + picture)
