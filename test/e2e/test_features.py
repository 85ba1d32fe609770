"""The three features on real photos and the real networks: shapes, pictures, quality."""
import concurrent.futures

import pytest
import requests
from PIL import Image

import pictures
from gateway import SLOW, assert_success
from pictures import cut_out, decode, detail, encode, fresh, photo, psnr, sample

FAST, BEST = "realesr-animevideov3-x4", "realesrgan-x4plus"


def result(body):
    """The stored bytes behind the answer's link."""
    answer = requests.get(body["data"]["url"], timeout=30)
    assert answer.status_code == 200
    assert len(answer.content) == body["meta"]["bytes"]
    return answer.content


def assert_shape(body, prefix, extension, meta):
    """Exactly what the contract names, and what is marked + there."""
    assert set(body) == {"request_id", "status", "data", "meta"}
    assert set(body["data"]) == {"key", "url", "expires_in"}
    day, name = body["data"]["key"].removeprefix(prefix + "/").split("/")
    assert len(day) == 10 and day.count("-") == 2
    assert name.endswith("." + extension) and len(name) == 36 + 1 + len(extension)
    assert body["data"]["expires_in"] == 3600
    assert body["data"]["url"].split("?")[0].endswith("/files/" + body["data"]["key"])
    assert body["meta"]["requestId"] == body["request_id"]
    assert set(body["meta"]) == meta


COMMON = {"image_digest", "model", "scale", "bytes", "requestId", "prescaled", "size", "ran_on", "reason", "cached", "cost_usd", "timings"}


@pytest.mark.short
def test_clarity(local):
    picture = sample("portrait-small.jpg")
    body = assert_success(local.post(picture))
    assert_shape(body, "clarity", "jpg", COMMON | {"faceEnhance"})
    meta = body["meta"]
    assert (meta["model"], meta["ran_on"], meta["scale"]) == (FAST, "local", 2)
    assert meta["size"] == {"width": 384, "height": 384}
    assert (meta["prescaled"], meta["cached"]) == (False, False)
    assert meta["reason"] == "fast was asked for"
    assert meta["timings"]["total_ms"] >= meta["timings"]["run_ms"] > 0
    image = decode(result(body))
    assert (image.format, image.size, image.mode) == ("JPEG", (384, 384), "RGB")


@pytest.mark.short
def test_enhance(local):
    """Both names of a field, all words for yes, and the model with and without its owner, are one request."""
    picture = fresh(kind="JPEG")
    fields = {"scale": "4", "face_enhance": "1", "model": "nightmareai/real-esrgan"}
    body = assert_success(local.post(picture, "/api/enhance", fields))
    assert_shape(body, "enhance/real-esrgan", "jpg", COMMON | {"provider", "face_enhance"})
    assert body["meta"]["provider"] == "nightmareai"
    assert body["meta"]["size"] == {"width": 256, "height": 192}
    assert body["meta"]["scale"] == 4
    for same in ({"scale": "4", "faceEnhance": "true"}, {"scale": "4", "face_enhance": "yes", "model": "real-esrgan"},
                 {"scale": "4", "faceEnhance": "on"}, {"scale": "4", "faceEnhance": "TRUE"}):
        again = assert_success(local.post(picture, "/api/enhance", same))
        assert again["meta"]["cached"], same
        assert again["data"]["key"] == body["data"]["key"]
    for other in ({"scale": "4"}, {"scale": "2", "faceEnhance": "1"}):
        assert not assert_success(local.post(picture, "/api/enhance", other))["meta"]["cached"]


@pytest.mark.short
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_beautify(local, scale):
    body = assert_success(local.post(fresh(50, 37, "JPEG"), "/api/ai-beautify", {"scale": str(scale)}))
    assert_shape(body, "aiBeautify", "jpg", COMMON | {"version", "pipeline"})
    assert body["meta"]["version"] == "d0ee3d708c9b911f122a4ad90046c5d26a0293b99476d697f6bb7f2e251ce2d4"
    assert body["meta"]["scale"] == scale
    assert body["meta"]["size"] == {"width": 50 * scale, "height": 37 * scale}
    assert decode(result(body)).size == (50 * scale, 37 * scale)


@pytest.mark.short
def test_best(local):
    """The network that the cloud runs, by request."""
    answer = local.post(fresh(72, 48), fields={"quality": "best"})
    body = assert_success(answer)
    assert body["meta"]["model"] == BEST
    assert body["meta"]["reason"] == "best was asked for"
    assert decode(result(body)).size == (144, 96)
    record = local.record_of(answer)
    assert record["run_done"] == record["run_total"] >= 1  # tiles


def test_auto_says_why(start):
    gateway = start(PROVIDERS="local", LOCAL_QUALITY="auto", LOCAL_TARGET_SECONDS=20)
    small = assert_success(gateway.post(fresh(32, 32)))
    assert small["meta"]["model"] == BEST
    assert small["meta"]["reason"].startswith("auto: ")
    again = assert_success(gateway.post(fresh(32, 32)))  # from what was measured
    assert again["meta"]["model"] == BEST
    large = assert_success(gateway.post(fresh(1200, 1200, "JPEG")))
    assert large["meta"]["model"] == FAST
    assert "would take" in large["meta"]["reason"]


@pytest.mark.parametrize("kind,wanted", [("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "png"), ("AVIF", "png")])
def test_output_type(local, kind, wanted):
    """JPEG for JPEG; what may be without loss comes back without loss."""
    body = assert_success(local.post(fresh(64, 48, kind), name="named.gif"))
    assert body["data"]["key"].endswith("." + wanted)
    answer = requests.get(body["data"]["url"], timeout=30)
    assert answer.headers["content-type"] == {"jpg": "image/jpeg", "png": "image/png"}[wanted]
    assert decode(answer.content).format == {"jpg": "JPEG", "png": "PNG"}[wanted]


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_alpha_is_kept(local, kind):
    image = cut_out(96, 80)
    body = assert_success(local.post(encode(image, kind, lossless=True) if kind == "WEBP" else encode(image, kind)))
    out = decode(result(body))
    assert (out.mode, out.size) == ("RGBA", (192, 160))
    alpha = out.getchannel("A")
    assert alpha.getextrema() == (0, 255)
    back = alpha.resize((96, 80), Image.Resampling.BOX)
    assert psnr(back, image.getchannel("A")) > 30


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "CMYK", "I;16"])
def test_other_kinds_of_pixels(local, mode):
    """Grey, palette, CMYK and 16 bits: all come back as an ordinary picture that looks the same."""
    photo_ = photo(64, 48)
    if mode == "I;16":
        image = Image.frombytes("I;16", (64, 48), b"".join((v * 257).to_bytes(2, "little") for v in photo_.convert("L").tobytes()))
        like = photo_.convert("L")
    elif mode == "P":
        image = photo_.quantize(200)
        like = image.convert("RGB")
    else:
        image = photo_.convert("L" if mode == "LA" else mode)
        like = image.convert("RGB")
        if mode == "LA":
            image.putalpha(255)
    kind = "JPEG" if mode == "CMYK" else "PNG"
    out = decode(result(assert_success(local.post(encode(image, kind)))))
    assert out.size == (128, 96)
    back = out.convert("RGB").resize((64, 48), Image.Resampling.LANCZOS)
    assert psnr(back, like) > (12 if mode == "1" else 22)


@pytest.mark.short
@pytest.mark.parametrize("orientation", [1, 3, 6, 8, 5])
def test_exif_orientation(local, orientation):
    """A photo taken with the camera turned comes back upright, and says so no more."""
    upright = photo(96, 64)
    turned = {1: None, 3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270,
              5: Image.Transpose.TRANSPOSE}[orientation]
    stored = upright if turned is None else upright.transpose(turned)
    exif = Image.Exif()
    exif[0x0112] = orientation
    body = assert_success(local.post(encode(stored, "JPEG", quality=95, exif=exif)))
    assert body["meta"]["size"] == {"width": 192, "height": 128}
    out = decode(result(body))
    assert out.size == (192, 128)
    assert out.getexif().get(0x0112, 1) == 1
    assert psnr(out.resize((96, 64), Image.Resampling.LANCZOS), upright) > 24


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (3, 5), (17, 300), (300, 17)])
def test_odd_sizes(local, size):
    body = assert_success(local.post(encode(photo(*size), "PNG"), "/api/ai-beautify", {"scale": "3"}))
    assert decode(result(body)).size == (size[0] * 3, size[1] * 3)


@pytest.mark.parametrize("name,quality", [("astronaut.jpg", "fast"), ("coffee.jpg", "fast"), ("chelsea.png", "fast"),
                                          ("portrait-small.jpg", "best")])
def test_quality(local, name, quality):
    """A photo made smaller and enlarged again: shrunk back it is the same, and it has more detail than bicubic."""
    whole = decode(sample(name)).convert("RGB")
    small = whole.resize((whole.width // 2, whole.height // 2), Image.Resampling.LANCZOS)
    if quality == "best":
        small = small.crop((0, 0, 96, 96))
    body = assert_success(local.post(encode(small, "PNG"), fields={"scale": "2", "quality": quality}))
    large = decode(result(body))
    assert large.size == (small.width * 2, small.height * 2)
    back = large.resize(small.size, Image.Resampling.LANCZOS)
    assert psnr(back, small) >= 28
    bicubic = small.resize(large.size, Image.Resampling.BICUBIC)
    assert detail(large) > 1.1 * detail(bicubic)


# ---- the way in ----

@pytest.mark.short
def test_raw_body(local):
    """The picture itself as the body, parameters in the query; the same request as the form."""
    picture = fresh(40, 30, "JPEG")
    answer = requests.post(local.url + "/api/clarity", data=picture, params={"scale": "4"}, timeout=60 * SLOW,
                           headers={"Content-Type": "image/jpeg"})
    body = assert_success(answer)
    assert body["meta"]["size"] == {"width": 160, "height": 120}
    form = assert_success(local.post(picture, fields={"scale": "4"}))
    assert form["meta"]["cached"] and form["data"]["key"] == body["data"]["key"]
    mixed = assert_success(local.post(picture, params={"scale": "4"}))
    assert mixed["data"]["key"] == body["data"]["key"]


@pytest.mark.short
def test_prescale(instant):
    """Larger than the model takes: floor of both sides, the stricter of the two limits, and the fields of old."""
    wide = assert_success(instant.post(fresh(3000, 500, "JPEG")))
    assert wide["meta"]["prescaled"] is True
    assert wide["meta"]["originalSize"] == {"width": 3000, "height": 500}
    assert wide["meta"]["prescaledSize"] == {"width": 2048, "height": 341}
    many = assert_success(instant.post(fresh(2000, 1500, "JPEG")))
    size = many["meta"]["prescaledSize"]
    assert size["width"] * size["height"] <= 2_000_000
    assert size == {"width": 1632, "height": 1224}
    assert decode(result(many)).size == (1632, 1224)
    enhance = assert_success(instant.post(fresh(2560, 400, "JPEG"), "/api/enhance"))
    assert enhance["meta"]["prescaled"] is False
    assert "originalSize" not in enhance["meta"]


def test_prescale_passes_through(instant):
    """Within both limits it goes to the model byte for byte."""
    for kind in ("JPEG", "PNG", "WEBP", "AVIF"):
        picture = fresh(200, 100, kind)
        assert result(assert_success(instant.post(picture))) == picture


def test_prescale_keeps_alpha_and_turns(instant):
    body = assert_success(instant.post(encode(cut_out(2400, 300), "PNG")))
    assert decode(result(body)).mode == "RGBA"
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = assert_success(instant.post(encode(photo(2400, 1600), "JPEG", exif=exif)))
    assert turned["meta"]["originalSize"] == {"width": 1600, "height": 2400}
    out = decode(result(turned))
    assert out.width < out.height


def test_many_at_once(local):
    """Forty different pictures at once: all done, one at a time."""
    shots = [fresh(48, 32, kind) for kind in ("JPEG", "PNG", "WEBP", "AVIF") * 10]
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        bodies = [assert_success(answer) for answer in pool.map(local.post, shots)]
    assert len({body["data"]["key"] for body in bodies}) == 40
    local.wait_idle()


def test_colours_stay(local):
    """Plain colours come out as they went in: no channel is swapped or shifted."""
    for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128), (255, 255, 255), (0, 0, 0)):
        out = decode(result(assert_success(local.post(encode(Image.new("RGB", (24, 24), colour), "PNG")))))
        middle = out.convert("RGB").getpixel((24, 24))
        assert max(abs(a - b) for a, b in zip(middle, colour)) <= 10, (colour, middle)
