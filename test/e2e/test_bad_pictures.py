"""Pictures that are refused: each before anything is decoded, stored, cached or given a slot."""
import struct

import pytest

import pictures
from gateway import ONE_SLOW_RUN, RUN_MS, assert_error, assert_success, refusal
from pictures import encode, fresh, jpeg_sized, photo, png, sample

JPEG = encode(photo(96, 72), "JPEG")
PNG = encode(photo(96, 72), "PNG")
WEBP = encode(photo(96, 72), "WEBP")
AVIF = encode(photo(96, 72), "AVIF")

NOT_A_TYPE = {  # what is sent, and what the answer calls it
    "text": (b"this is no picture, just words\n" * 20, "not an image"),
    "one byte": (b"\xff", "not an image"),
    "zeros": (bytes(4096), "not an image"),
    "gif": (encode(photo(40, 40), "GIF"), "GIF"),
    "tiff": (encode(photo(40, 40), "TIFF"), "TIFF"),
    "bmp": (encode(photo(40, 40), "BMP"), "BMP"),
    "pdf": (encode(photo(40, 40), "PDF"), "PDF"),
    "svg": (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', "SVG"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64), "HEIC"),
    "html": (b"<!DOCTYPE html><html><body><img src=x></body></html>", "web page"),
}

NOT_SANE = {
    "jpeg cut off": (JPEG[:len(JPEG) // 2], "cut off"),
    "jpeg without its end": (JPEG[:-2], "cut off"),
    "jpeg of three bytes": (JPEG[:3], "cut off"),
    "png cut off": (PNG[:len(PNG) // 2], "cut off"),
    "png without its end": (PNG[:-12], "cut off"),
    "png of its signature": (PNG[:8], "cut off"),
    "webp cut off": (WEBP[:len(WEBP) // 2], "cut off"),
    "webp of its head": (WEBP[:12], "cut off"),
    "avif cut off": (AVIF[:len(AVIF) // 2], "cut off"),
    "png of 400 megapixels": (png(20000, 20000), "megapixels"),
    "png of 2^31 by 2^31": (png(2**31 - 1, 2**31 - 1), "megapixels"),
    "jpeg of 4000 megapixels": (jpeg_sized(JPEG, 65000, 65000), "megapixels"),
    "animated png": (pictures.animated("PNG"), "animated"),
    "animated webp": (pictures.animated("WEBP"), "animated"),
    "png without width": (png(0, 10), "zero"),
    "png without height": (png(10, 0), "zero"),
    "jpeg without height": (jpeg_sized(JPEG, 96, 0), "zero"),
    "png that unpacks to 81 megapixels": (pictures.flat_png(9000), "pixels a byte"),
    "jpeg of 300 passes": (pictures.jpeg_of_many_passes(300), "passes"),
    "jpeg inside out": (JPEG[:2] + JPEG[2:4] + struct.pack(">H", 1) + JPEG[6:], "damaged"),
    "empty": (b"", "empty"),
}


@pytest.mark.short
@pytest.mark.parametrize("what", NOT_A_TYPE)
def test_wrong_type(instant, what):
    picture, says = NOT_A_TYPE[what]
    with refusal(instant):
        answer = instant.post(picture, name="photo.jpg")
    assert_error(answer, 415, "UNSUPPORTED_MEDIA_TYPE", "image", says)


@pytest.mark.short
@pytest.mark.parametrize("what", NOT_SANE)
def test_not_sane(instant, what):
    picture, says = NOT_SANE[what]
    with refusal(instant):
        answer = instant.post(picture, name="photo.jpg")
    assert_error(answer, 400, "VALIDATION_ERROR", "image", says)
    record = instant.record_of(answer)
    assert (record["outcome"], record["error"]) == ("error", "VALIDATION_ERROR")
    assert record["run_ms"] == 0


@pytest.mark.parametrize("route", ["/api/enhance", "/api/ai-beautify"])
def test_all_features_refuse(instant, route):
    feature = {"/api/enhance": "imageEnhance", "/api/ai-beautify": "aiBeautify"}[route]
    with refusal(instant, feature, errors=2):
        cut = instant.post(JPEG[:-100], route=route)
        gif = instant.post(NOT_A_TYPE["gif"][0], route=route)
    assert_error(cut, 400, "VALIDATION_ERROR", "image", "cut off")
    assert_error(gif, 415, "UNSUPPORTED_MEDIA_TYPE", "image")


def test_the_declared_type_is_not_believed(instant):
    with refusal(instant):
        text = instant.post(files={"image": ("photo.png", b"words", "image/png")})
    assert_error(text, 415, "UNSUPPORTED_MEDIA_TYPE", "image")
    wrong = instant.post(files={"image": ("photo.gif", fresh(kind="JPEG"), "application/pdf")})
    assert assert_success(wrong)["data"]["key"].endswith(".jpg")


def test_refused_while_the_only_slot_is_taken(start):
    """No slot is asked for: with no slot free and no place to wait, bad pictures get their own answer, not 429."""
    import threading
    gateway = start(**ONE_SLOW_RUN | {"INSTANT_MS": 2 * RUN_MS}, QUEUE_MAX=0)
    long_run = threading.Thread(target=gateway.post, args=(fresh(),), daemon=True)
    long_run.start()
    gateway.wait_running("light", running=1)
    for picture, says in NOT_SANE.values():
        assert_error(gateway.post(picture), 400, "VALIDATION_ERROR", "image", says)
    for picture, says in NOT_A_TYPE.values():
        assert_error(gateway.post(picture), 415, "UNSUPPORTED_MEDIA_TYPE", "image", says)
    assert_error(gateway.post(fresh()), 429, "QUEUE_FULL")
    assert gateway.limiter("light")["running"] == 1, "the run was over too early to show anything"
    long_run.join()


@pytest.mark.short
def test_the_limits_themselves_are_accepted(instant):
    """What is just within a bound passes."""
    flat = pictures.flat_png(3900)  # 15 MP of one colour: below where the ratio counts
    assert_success(instant.post(flat))
    hundred = png(10000, 10000, b"", depth=1, colour=0)  # 100 MP declared exactly: refused for its bytes, not its size
    assert_error(instant.post(hundred), 400, "VALIDATION_ERROR", "image", "pixels a byte")
    assert_success(instant.post(encode(photo(1, 1), "PNG")))
    assert_success(instant.post(fresh() + b"bytes behind the end"))


def test_pixels_that_do_not_decode(local):
    """The header is fine, the pixels are not: the model's turn finds out, and the answer is still the caller's."""
    with refusal(local, ran=True):
        answer = local.post(pictures.damaged_png())
    assert_error(answer, 400, "VALIDATION_ERROR", "image")


def test_real_samples_pass(instant):
    for name in ("astronaut.jpg", "coffee.jpg", "chelsea.png"):
        assert_success(instant.post(sample(name)))
