"""What a model is sent: JPEG, PNG and WebP as they came, anything else in a type that it takes."""
import base64
import json

import numpy
import pytest

from gateway import assert_success
from pictures import cut_out, decode, encode, fresh, photo, psnr

ROUTES = ["/api/clarity", "/api/ai-beautify", "/api/upscale", "/api/style", "/api/replace-bg", "/api/portraits/ic-light"]


def sent(cloud, route, picture):
    """The picture that came with the only create, and what its data URL calls it."""
    cloud.upstream.reset()
    name = "fg" if route == "/api/replace-bg" else "image"
    fields = {"style": "anime"} if "style" in route else {"prompt": "dusk"} if "light" in route else {}
    fields |= {"mode": "remove"} if name == "fg" else {}
    body = assert_success(cloud.gateways[0].post(route=route, files={name: ("photo", picture)}, fields=fields))
    assert not body["meta"]["prescaled"]
    given, = [json.loads(c["text"])["input"] for c in cloud.upstream.requests("create") if c["status"] < 400]
    url, = [v for v in given.values() if str(v).startswith("data:")]
    head, _, data = url.partition(",")
    return base64.b64decode(data), head


@pytest.fixture
def ready(bare):
    bare.start()
    return bare


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_what_is_taken_goes_as_it_came(ready, kind):
    picture = fresh(64, 48, kind)
    data, head = sent(ready, "/api/style", picture)
    assert data == picture and head == f"data:image/{kind.lower()};base64"


@pytest.mark.parametrize("route", ROUTES)
def test_avif_is_converted(ready, route):
    picture = fresh(64, 48, "AVIF")
    data, head = sent(ready, route, picture)
    assert head == "data:image/jpeg;base64" and decode(data).format == "JPEG"
    assert decode(data).size == (64, 48) and psnr(decode(data), decode(picture)) > 35


def test_avif_with_alpha_keeps_it(ready):
    image = cut_out(96, 80)
    data, head = sent(ready, "/api/style", encode(image, "AVIF"))
    back = decode(data)
    assert head == "data:image/png;base64" and (back.mode, back.size) == ("RGBA", (96, 80))
    assert psnr(back.getchannel("A"), image.getchannel("A")) > 30


def test_printers_colours_are_converted(ready):
    image = photo(64, 48)
    data, _ = sent(ready, "/api/style", encode(image.convert("CMYK"), "JPEG"))
    back = decode(data)
    assert back.mode == "RGB"
    light = [numpy.asarray(i.convert("L"), dtype=float).mean() for i in (back, image)]
    assert abs(light[0] - light[1]) < 40  # not a negative


def test_a_network_here_gets_it_as_it_is(instant):
    """Nothing is lost where nothing has to be sent."""
    picture = fresh(64, 48, "AVIF")
    assert assert_success(instant.post(picture))["meta"]["bytes"] == len(picture)
