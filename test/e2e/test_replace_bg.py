"""/api/replace-bg: the cut-out is a request of its own, remembered and shared; what happens when it is gone, bad or
refused. The pictures themselves are judged in test/unit/imaging and test/unit/local."""
import shutil

import pytest
import requests

from gateway import assert_error, assert_success, until
from pictures import decode, encode, fresh, photo, png

ROUTE = "/api/replace-bg"
BG = encode(photo(80, 60), "JPEG")


def ask(gateway, fg, bg=BG, route=ROUTE, **fields):
    files = {"fg": ("fg.jpg", fg)} | ({"bg": ("bg.jpg", bg)} if bg is not None else {})
    return gateway.post(route=route, files=files, fields=fields)


def picture(gateway, body):
    url = body["data"]["url"]
    return decode(gateway.get(url[len(gateway.url):]).content)


@pytest.mark.short
def test_one_cut_out_for_many_backgrounds(bare):
    gateway = bare.start()
    fg = fresh(96, 72, "JPEG")
    first = assert_success(ask(gateway, fg))
    assert (first["meta"]["ran_on"], first["meta"]["model"]) == ("replicate", "851-labs/background-remover")
    assert first["data"]["key"].startswith("outputs/")
    assert picture(gateway, first).size == (96, 72)
    for bg in (fresh(50, 50, "PNG"), fresh(40, 90, "WEBP")):
        other = assert_success(ask(gateway, fg, bg))
        assert not other["meta"]["cached"]
        assert picture(gateway, other).format == "JPEG"
    removed = assert_success(ask(gateway, fg, None, mode="remove"))
    assert picture(gateway, removed).mode == "RGBA"
    assert bare.upstream.count("created") == 1
    assert assert_success(ask(gateway, fg))["meta"]["cached"]
    metrics = gateway.get("/metrics").json()
    assert metrics["requests"]["total"] == 5 and "cutout" not in metrics["features"]


def test_link_lives_as_long_as_asked(bare):
    body = assert_success(ask(bare.start(), fresh(kind="JPEG"), signTtl="90"))
    assert body["data"]["expires_in"] == 90


def test_cut_out_removed_from_the_store(bare):
    """A bucket's life-cycle rule may take it: then it is made again, once."""
    gateway = bare.start()
    fg = fresh(kind="JPEG")
    assert_success(ask(gateway, fg))
    shutil.rmtree(gateway.data / "objects" / "cutouts")
    assert_success(ask(gateway, fg, fresh(kind="PNG")))
    assert bare.upstream.count("created") == 2
    assert_success(ask(gateway, fg, fresh(kind="PNG")))
    assert bare.upstream.count("created") == 2


def test_bad_cut_out_is_not_remembered(bare):
    gateway = bare.start()
    fg = fresh(kind="JPEG")
    url = bare.upstream.put_picture(encode(photo(64, 48), "PNG"))  # without alpha
    bare.upstream.script({"match": {"call": "create"}, "do": "output", "output": url, "times": 1})
    error = assert_error(ask(gateway, fg), 502, "REPLICATE_ERROR")
    assert "transparency" in error["message"]
    assert_success(ask(gateway, fg))
    assert bare.upstream.count("created") == 2


@pytest.mark.parametrize("which", ["fg", "bg"])
def test_damaged_pictures(bare, which):
    whole = fresh(kind="JPEG")
    parts = {"fg": fresh(kind="JPEG"), "bg": whole} | {which: whole[:len(whole) // 2]}
    error = assert_error(ask(bare.start(), parts["fg"], parts["bg"]), 400, "VALIDATION_ERROR", which)
    assert len(error["details"][0]["message"]) > len("Invalid input")
    assert bare.upstream.count("created") == 0  # nothing is paid for what can be seen beforehand


def test_a_background_that_is_too_large_costs_nothing(bare):
    error = assert_error(ask(bare.start(), fresh(kind="JPEG"), png(12000, 12000)), 400, "VALIDATION_ERROR", "bg")
    assert "12000 x 12000" in error["details"][0]["message"]
    assert bare.upstream.count("created") == 0


@pytest.mark.parametrize("files,fields,code,field", [
    ({}, {"mode": "remove"}, "MISSING_FILE", "fg"),
    ({"fg": ("a.jpg", BG)}, {}, "MISSING_FILE", "bg"),
    ({"fg": ("a.jpg", BG), "bg": ("", b"")}, {}, "MISSING_FILE", "bg"),
    ({"fg": ("a.jpg", BG)}, {"mode": "remove", "fit": "stretch"}, "VALIDATION_ERROR", "fit"),
    ({"fg": ("a.jpg", BG)}, {"mode": "remove", "featherPx": "21"}, "VALIDATION_ERROR", "featherPx"),
    ({"fg": ("a.jpg", BG)}, {"mode": "erase"}, "VALIDATION_ERROR", "mode"),
    ({"fg": ("a.jpg", BG)}, {"mode": "remove", "signTtl": "59"}, "VALIDATION_ERROR", "signTtl"),
])
def test_refusals(instant, files, fields, code, field):
    files = files or {"unused": (None, "")}
    answer = instant.post(route=ROUTE, files=files, fields=fields)
    if "unused" in files:
        assert answer.status_code == 400
        return
    assert_error(answer, 400, code, field)


def test_an_unused_file_input_is_no_picture(instant):
    """A browser sends an empty part for it; the address beside it counts, and is refused for being private."""
    answer = instant.post(files={"image": ("", b"")}, fields={"image_url": "http://127.0.0.1/x.jpg"})
    error = assert_error(answer, 400, "VALIDATION_ERROR", "image_url")
    assert "either" not in error["details"][0]["message"]


def test_who_left_is_not_relit(bare):
    """An unseeded roll is nobody else's: without its client it is stopped, also once it runs."""
    bare.upstream.set(run_s=8)
    gateway = bare.start(REPLICATE_WAIT_S=1)
    with pytest.raises(requests.ReadTimeout):
        gateway.post(fresh(kind="JPEG"), "/api/portraits/ic-light", {"prompt": "evening"}, timeout=3)
    until(lambda: bare.upstream.count("canceled") == 1, 6)


def test_locally(local):
    fg = encode(photo(200, 200), "JPEG")
    body = assert_success(ask(local, fg, None, mode="remove"))
    assert (body["meta"]["ran_on"], body["meta"]["model"]) == ("local", "isnet")
    image = picture(local, body)
    alpha = image.getchannel("A").getextrema()
    assert image.mode == "RGBA" and image.size == (200, 200) and alpha[0] < 20 and alpha[1] > 235
