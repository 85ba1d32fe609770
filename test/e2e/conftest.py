"""Fixtures: gateways. Each test file asks for the kind it needs; what is shared is shared by all files."""
import contextlib

import pytest

from caller import caller  # noqa: F401
from cloud import bare, cloud, front, provider, tls  # noqa: F401  # fixtures, for all files
from cluster import cluster, fronted  # noqa: F401
from gateway import BINARY, Gateway
from redis_server import redis  # noqa: F401


def pytest_configure(config):
    config.addinivalue_line("markers", "short: the subset that also runs under AddressSanitizer")
    config.addinivalue_line("markers", "threads: the subset that also runs under ThreadSanitizer")


def pytest_sessionstart(session):
    if not BINARY.exists():
        pytest.exit(f"there is no {BINARY}: build first, or set LIMNER_BIN", returncode=2)


@pytest.fixture
def start(tmp_path):
    """start(OPTION=value…) gives a gateway of the test's own; all are stopped, and looked at, at its end."""
    begun = []

    def begin(arguments=(), **options):
        gateway = Gateway(tmp_path / f"gateway{len(begun)}", **options)
        begun.append(gateway)
        return gateway.start(arguments)

    yield begin
    for gateway in begun:
        gateway.stop()


_running = []  # shared by all files


def _shared(tmp_path_factory, name, **options):
    gateway = Gateway(tmp_path_factory.mktemp(name), **options).start()
    _running.append(gateway)
    yield gateway
    gateway.stop()


@pytest.fixture(scope="module", autouse=True)
def left_idle():
    """After each file of tests: no request is open, no slot held, nobody waits."""
    yield
    for gateway in _running:
        gateway.wait_idle()


@pytest.fixture(scope="session")
def instant(tmp_path_factory):
    """Its model hands the picture back unchanged: everything but the networks is as ever."""
    yield from _shared(tmp_path_factory, "instant", PROVIDERS="instant")


@pytest.fixture(scope="session")
def local(tmp_path_factory):
    """Runs the fast network on this machine's CPU."""
    yield from _shared(tmp_path_factory, "local", PROVIDERS="local")


def _bucket(kind, folder):
    buckets = pytest.importorskip("buckets", reason="tools/deps --dev brings moto", exc_type=ImportError)
    with contextlib.closing(buckets.SERVERS[kind](folder)) as made:
        yield made


@pytest.fixture(scope="module", params=["moto", "s3rver"])
def bucket(request, tmp_path_factory):
    """A real S3 server of each kind, for a whole file of tests."""
    yield from _bucket(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture
def moto(tmp_path):
    """One that looks at signatures, and is a test's own."""
    yield from _bucket("moto", tmp_path)
