"""CACHE_PIXEL_KEY: the same picture in a file of other bytes."""
import concurrent.futures

import pytest
from PIL import Image

from gateway import Gateway, assert_success
from pictures import cut_out, decode, encode, fresh, photo


@pytest.fixture(scope="module")
def seeing(tmp_path_factory):
    gateway = Gateway(tmp_path_factory.mktemp("seeing"), PROVIDERS="instant", CACHE_PIXEL_KEY="on").start()
    yield gateway
    gateway.wait_idle()
    gateway.stop()


def told(gateway, picture, **more):
    answer = gateway.post(picture, **more)
    return assert_success(answer), answer.headers["Cache-Status"]


def assert_alike(gateway, one, other):
    assert one != other
    first, status = told(gateway, one)
    assert status == "limner; fwd=miss; stored"
    second, status = told(gateway, other)
    assert status.startswith("limner; hit; ttl=") and status.endswith("; detail=pixels")
    assert second["meta"]["cached"] is True and second["data"]["key"] == first["data"]["key"]
    assert second["meta"]["image_digest"] != first["meta"]["image_digest"]
    _, status = told(gateway, other)  # now its bytes are known too
    assert "hit" in status and "pixels" not in status


def assert_different(gateway, one, other, **more):
    told(gateway, one)
    assert "fwd=miss; stored" in told(gateway, other, **more)[1]


def with_comment(jpeg, words):
    """The same scan with other words in front of it, as a metadata tool writes it."""
    return jpeg[:2] + b"\xff\xfe" + (len(words) + 2).to_bytes(2, "big") + words + jpeg[2:]


def drawn(width=90, height=70, **more):
    return decode(fresh(width, height, **more))


@pytest.mark.short
def test_metadata(seeing):
    jpeg = encode(drawn(), "JPEG")
    assert_alike(seeing, jpeg, with_comment(jpeg, b"somebody's words"))
    image = drawn()
    exif = Image.Exif()
    exif[0x010E] = "a description"
    assert_alike(seeing, encode(image, "PNG"), encode(image, "PNG", exif=exif))


@pytest.mark.short
def test_compression_without_loss(seeing):
    image = drawn()
    assert_alike(seeing, encode(image, "PNG", compress_level=1), encode(image, "PNG", compress_level=9))
    image = drawn()
    assert_alike(seeing, encode(image, "PNG"), encode(image, "WEBP", lossless=True))
    image = cut_out(91, 71)
    image.putpixel((45, 35), (1, 2, 3, 255))
    assert_alike(seeing, encode(image, "PNG", compress_level=0), encode(image, "PNG"))


def test_orientation(seeing):
    """What a camera says beside the pixels, and the pixels turned."""
    image = drawn()
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it right
    assert_alike(seeing, encode(image, "PNG", exif=exif), encode(image.transpose(Image.Transpose.ROTATE_270), "PNG"))


def test_large_ones_too(seeing):
    """They are shrunk first."""
    image = photo(380, 400).resize((2400, 1800))
    jpeg = encode(image, "JPEG")
    assert_alike(seeing, jpeg, with_comment(jpeg, b"a long way home"))
    image.putpixel((7, 7), (1, 2, 3))
    assert_alike(seeing, encode(image, "PNG", compress_level=1), encode(image, "PNG", compress_level=2))


def test_what_is_seen_differs(seeing):
    image = drawn()
    other = image.copy()
    other.putpixel((50, 50), tuple(v ^ 1 for v in image.getpixel((50, 50))))
    assert_different(seeing, encode(image, "PNG"), encode(other, "PNG"))
    image = drawn()
    assert_different(seeing, encode(image, "JPEG", quality=90), encode(image, "JPEG", quality=80))
    image = drawn(64, 48)
    assert_different(seeing, encode(image, "PNG"), encode(image.resize((48, 64)), "PNG"))


def test_what_is_asked_differs(seeing):
    image = drawn()
    assert_different(seeing, encode(image, "PNG"), encode(image, "PNG", compress_level=1), fields={"scale": "4"})
    image = drawn()
    jpeg = encode(image, "JPEG")
    assert_different(seeing, jpeg, encode(decode(jpeg), "PNG"))  # a PNG is given back a PNG


def test_wishes(seeing):
    image = drawn()
    told(seeing, encode(image, "PNG", compress_level=1))
    _, status = told(seeing, encode(image, "PNG", compress_level=2), headers={"Cache-Control": "no-cache"})
    assert status == "limner; fwd=request; stored"
    _, status = told(seeing, encode(image, "PNG", compress_level=3), headers={"Cache-Control": "no-store"})
    assert status == "limner; fwd=request"


def test_the_step_of_another(seeing):
    """Cut-outs: the same subject with other metadata is cut out once."""
    image = cut_out(93, 73)
    for level in (1, 9):
        assert_success(seeing.post(route="/api/replace-bg", fields={"mode": "remove"},
                                   files={"fg": ("fg", encode(image, "PNG", compress_level=level))}))
    ran = [r["outcome"] for r in seeing.records("request", feature="cutout")]
    assert ran == ["run", "hit"]


@pytest.mark.short
def test_off(instant):
    image = drawn()
    assert_different(instant, encode(image, "PNG", compress_level=1), encode(image, "PNG", compress_level=9))


def test_twins_of_its_leader(start):
    """Those who sent the second file at once get the first one's result with it."""
    gateway = start(PROVIDERS="instant", CACHE_PIXEL_KEY="on")
    image = drawn(300, 200)
    first, _ = told(gateway, encode(image, "PNG", compress_level=1))
    second = encode(image, "PNG", compress_level=9)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        for body in pool.map(lambda _: assert_success(gateway.post(second)), range(20)):
            assert body["data"]["key"] == first["data"]["key"]
    assert len(gateway.objects()) == 1
    gateway.wait_idle()
