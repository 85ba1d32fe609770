"""What was deleted from the store is forgotten: on the disk, and in buckets of real S3 servers."""
import time

import pytest

from gateway import assert_success, until
from pictures import encode, fresh, photo

buckets = pytest.importorskip("buckets", reason="tools/deps --dev brings moto", exc_type=ImportError)


class Disk:
    """With the words of buckets.Bucket."""

    def options(self, **more):
        return {"PROVIDERS": "instant"} | more

    def use(self, gateway):
        self.root = gateway.data / "objects"

    def delete(self, key):
        (self.root / key).unlink()

    def close(self):
        pass


@pytest.fixture(scope="module", params=["disk", *buckets.SERVERS])
def place(request, tmp_path_factory):
    made = Disk() if request.param == "disk" else buckets.SERVERS[request.param](tmp_path_factory.mktemp("store"))
    yield made
    made.close()


def begin(start, place, **options):
    gateway = start(**place.options(**{"CACHE_VERIFY_AFTER_MS": 20} | options))
    if isinstance(place, Disk):
        place.use(gateway)
    return gateway


def post(gateway, picture, **more):
    return assert_success(gateway.post(picture, **more))


def forgotten(gateway):
    return gateway.records("a remembered result is not in the store any more")


@pytest.mark.short
@pytest.mark.threads
def test_deleted(start, place):
    gateway, picture = begin(start, place), fresh()
    first = post(gateway, picture)
    place.delete(first["data"]["key"])
    time.sleep(0.05)
    assert post(gateway, picture)["meta"]["cached"] is True  # answered at once, and looked for behind it
    until(lambda: forgotten(gateway))
    again = post(gateway, picture)
    assert again["meta"]["cached"] is False and again["data"]["key"] != first["data"]["key"]
    assert [r["key"] for r in forgotten(gateway)] == [first["data"]["key"]]
    time.sleep(0.05)
    for _ in range(3):  # what is there stays
        assert post(gateway, picture)["data"]["key"] == again["data"]["key"]
        time.sleep(0.05)
    assert len(forgotten(gateway)) == 1


def test_under_both_keys(start, place):
    """With CACHE_PIXEL_KEY it is not found by its pixels either."""
    gateway, image = begin(start, place, CACHE_PIXEL_KEY="on"), photo(80, 60)
    one, two = (encode(image, "PNG", compress_level=level) for level in (1, 9))
    first = post(gateway, one)
    place.delete(first["data"]["key"])
    time.sleep(0.05)
    assert post(gateway, one)["meta"]["cached"] is True
    until(lambda: forgotten(gateway))
    assert post(gateway, two)["meta"]["cached"] is False


def test_one_of_several(start, place):
    gateway, picture = begin(start, place), fresh()
    ask = {"route": "/api/portraits/ic-light", "fields": {"prompt": "dusk", "seed": "7", "number_of_images": "1"}}
    first = post(gateway, picture, **ask)
    place.delete(first["data"]["outputs"][-1]["key"])
    time.sleep(0.05)
    assert post(gateway, picture, **ask)["meta"]["cached"] is True
    until(lambda: forgotten(gateway))
    assert post(gateway, picture, **ask)["meta"]["cached"] is False


@pytest.mark.parametrize("option", ["CACHE_VERIFY_AFTER_MS", "CACHE_VERIFY_MAX"])
def test_switched_off(start, place, option):
    gateway, picture = begin(start, place, **{option: 0}), fresh()
    first = post(gateway, picture)
    place.delete(first["data"]["key"])
    for _ in range(3):
        time.sleep(0.05)
        assert post(gateway, picture)["meta"]["cached"] is True
    assert not forgotten(gateway)


def test_a_store_that_does_not_answer(start, tmp_path):
    """Hits go on, and it is said to be nothing."""
    bucket = buckets.Moto(tmp_path)
    try:
        gateway, picture = begin(start, bucket, STORE_TIMEOUT_MS=300, STORE_RETRIES=0), fresh()
        first = post(gateway, picture)
        bucket.process.kill()
        bucket.process.wait()
        for _ in range(5):
            time.sleep(0.05)
            begun = time.monotonic()
            hit = gateway.post(picture)
            assert assert_success(hit)["data"]["key"] == first["data"]["key"]
            assert time.monotonic() - begun < 5  # it did not wait for it
        assert not forgotten(gateway)
    finally:
        bucket.close()
