import os

import pytest

from .nginx import Nginx, binary
from .process import Upstream


@pytest.fixture(scope="session")
def running():
    upstream = Upstream()
    yield upstream
    upstream.close()


@pytest.fixture
def upstream(running):
    """As if just started."""
    running.reset()
    yield running
    assert running.crashes() == []


@pytest.fixture(scope="session")
def with_nginx():
    if not binary():
        assert not os.environ.get("CI"), "tools/deps --dev brings nginx"
        pytest.skip("there is no nginx: tools/deps --dev brings it")


@pytest.fixture
def nginx(with_nginx, upstream, tmp_path):
    front = Nginx(tmp_path, upstream)
    yield front
    front.close()
