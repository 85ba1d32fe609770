"""Forms that are refused: fields, boundaries, counts, values."""
import pytest
import requests

from gateway import SLOW, assert_error, assert_success, refusal
from pictures import cut_out, encode, fresh, photo
from raw import form

PICTURE = encode(photo(64, 48), "JPEG")
FORM_TYPE = "multipart/form-data; boundary=e2e-boundary"


def send(gateway, body, content_type, route="/api/clarity", **more):
    headers = {"Content-Type": content_type} if content_type else {}
    return requests.post(gateway.url + route, data=body, headers=headers, timeout=60 * SLOW, **more)


# ---- which fields ----

@pytest.mark.short
@pytest.mark.parametrize("name", ["file", "Image", "photo", "images[]", "image "])
def test_the_picture_in_another_field(instant, name):
    with refusal(instant):
        answer = instant.post(files={name: ("photo.jpg", PICTURE)})
    assert_error(answer, 400, "VALIDATION_ERROR", name, "image")


@pytest.mark.short
@pytest.mark.parametrize("name", ["", "prompt", "x" * 100, "größe", "<script>", "userId"])
def test_a_field_of_the_apps_own(instant, name):
    """The old server never looked at them."""
    body, content_type = form((name, b"2"), ("image", fresh(), "a.png"))
    assert_success(send(instant, body, content_type))


@pytest.mark.short
@pytest.mark.parametrize("name", ["scal", "Scale", "SCALE", "sclae", "face_enhance", "qality"])
def test_a_slip_of_a_field(instant, name):
    """A run that nobody wanted would cost money."""
    body, content_type = form((name, b"2"), ("image", fresh(), "a.png"))
    with refusal(instant):
        answer = send(instant, body, content_type)
    error = assert_error(answer, 400, "VALIDATION_ERROR", says="no such field")
    assert name.startswith(error["details"][0].get("field", "")[:40])


def test_endless_field_name(instant):
    body, content_type = form(("x" * 5000, b"2"), ("image", fresh(), "a.png"))
    with refusal(instant):
        answer = send(instant, body, content_type)
    assert_error(answer, 400, "VALIDATION_ERROR")


def test_unknown_field_in_the_query(instant):
    with refusal(instant):
        answer = instant.post(fresh(), params={"scalee": "2"})
    error = assert_error(answer, 400, "VALIDATION_ERROR", "scalee")
    assert '"scale"' in error["details"][0]["message"]  # what is meant


@pytest.mark.parametrize("route,fields", [
    ("/api/clarity", {"scale": "", "quality": "", "faceEnhance": ""}),
    ("/api/upscale", {"scale": "", "version": ""}),
    ("/api/portraits/ic-light", {"prompt": "dusk", "light_source": "", "output_format": "", "steps": "", "cfg": ""}),
    ("/api/replace-bg", {"mode": "remove", "fit": "", "position": "", "signTtl": ""}),
])
def test_empty_boxes(instant, route, fields):
    """What a form sends for them is the default."""
    name = "fg" if "bg" in route else "image"
    body, content_type = form(*[(n, v.encode()) for n, v in fields.items()], (name, encode(cut_out(64, 48), "PNG"), "a.png"))
    assert_success(send(instant, body, content_type, route))


def test_a_slash_at_the_end(instant):
    assert_success(instant.post(fresh(), "/api/clarity/", {"scale": "2.0"}))
    assert instant.get("/health/").json() == {"ok": True}
    assert instant.post(fresh(), "/api/clarity//").status_code == 404


@pytest.mark.parametrize("mine", [{"userId": 7}, {"meta": {"a": [1]}}, {"blob": "x" * 300_000}, {"tags": ["a", "b"]}])
def test_json_of_the_apps_own(instant, mine):
    """Up to JSON_LIMIT; what is the route's is as bounded as in a form."""
    answer = requests.post(instant.url + "/api/clarity", json=mine, timeout=30 * SLOW)
    assert_error(answer, 400, "VALIDATION_ERROR", "image", "image_url")


def test_json_beyond_its_limit(start):
    gateway = start(PROVIDERS="instant", JSON_LIMIT="1.5mb")
    for size, status in ((1_400_000, 400), (1_600_000, 413)):
        answer = requests.post(gateway.url + "/api/clarity", json={"mine": "x" * size}, timeout=30 * SLOW)
        assert answer.status_code == status, answer.text


def test_json_with_a_picture_in_it(instant):
    """A data URL is not taken there; the answer says what is."""
    answer = requests.post(instant.url + "/api/clarity", json={"image": "data:image/png;base64," + "A" * 20000}, timeout=30)
    assert_error(answer, 400, "VALIDATION_ERROR", "image", '"image_url"')


def test_json_with_a_long_text(instant):
    answer = requests.post(instant.url + "/api/style", json={"extra": "x" * 9000}, timeout=30)
    assert_error(answer, 400, "VALIDATION_ERROR", "extra", "longer than 8192")


def test_a_file_input_that_nobody_used(instant):
    """Beside the one that was; it has no name and no bytes."""
    used, unused = ("image", fresh(), "a.png"), ("image", b"", "")
    for parts in ((used, unused), (unused, used)):
        assert_success(send(instant, *form(*parts)))
    assert_error(send(instant, *form(used, ("image", fresh(), ""))), 400, "VALIDATION_ERROR", "image", "more than one")
    assert_error(send(instant, *form(unused)), 400, "VALIDATION_ERROR", "image", "image_url")


@pytest.mark.short
def test_two_pictures(instant):
    body, content_type = form(("image", fresh(), "a.png"), ("image", fresh(), "b.png"))
    with refusal(instant):
        answer = send(instant, body, content_type)
    assert_error(answer, 400, "VALIDATION_ERROR", "image", "more than one")


@pytest.mark.short
def test_no_picture(instant):
    with refusal(instant):
        answer = instant.post(files={"scale": (None, "2")})
    assert_error(answer, 400, "VALIDATION_ERROR", "image")


@pytest.mark.parametrize("content_type", [FORM_TYPE, "image/jpeg", None])
def test_no_body(instant, content_type):
    with refusal(instant):
        answer = send(instant, b"", content_type)
    assert_error(answer, 400, "VALIDATION_ERROR", "image")


def test_empty_file(instant):
    with refusal(instant):
        answer = instant.post(files={"image": ("empty.jpg", b"")})
    assert_error(answer, 400, "VALIDATION_ERROR", "image", "empty")


def test_fields_without_a_form(instant):
    with refusal(instant):
        answer = instant.post(fields={"scale": "2"})  # application/x-www-form-urlencoded
    assert_error(answer, 400, "VALIDATION_ERROR", "image")


# ---- boundaries ----

@pytest.mark.short
def test_no_boundary(instant):
    with refusal(instant):
        answer = send(instant, form(("image", PICTURE, "a.jpg"))[0], "multipart/form-data")
    assert_error(answer, 400, "VALIDATION_ERROR", says="boundary")


@pytest.mark.short
def test_boundary_never_closed(instant):
    body, content_type = form(("image", PICTURE, "a.jpg"), end=False)
    with refusal(instant):
        answer = send(instant, body, content_type)
    assert_error(answer, 400, "VALIDATION_ERROR", says="boundary")


def test_another_boundary_than_said(instant):
    body, _ = form(("image", PICTURE, "a.jpg"), boundary="one")
    with refusal(instant):
        answer = send(instant, body, "multipart/form-data; boundary=two")
    assert_error(answer, 400, "VALIDATION_ERROR")


def test_ends_in_a_parts_headers(instant):
    with refusal(instant):
        answer = send(instant, b'--e2e-boundary\r\nContent-Disposition: form-data; name="ima', FORM_TYPE)
    assert_error(answer, 400, "VALIDATION_ERROR")


def test_part_without_a_name(instant):
    body = b"--e2e-boundary\r\nContent-Type: image/jpeg\r\n\r\n" + PICTURE + b"\r\n--e2e-boundary--\r\n"
    with refusal(instant):
        answer = send(instant, body, FORM_TYPE)
    assert_error(answer, 400, "VALIDATION_ERROR")


def test_a_boundary_inside_the_picture(instant):
    """Bytes that look almost like a boundary belong to the picture."""
    picture = encode(photo(64, 48), "JPEG", comment=b"\r\n--e2e-boundar\r\n--e2e-boundarx\r\n-")
    body, content_type = form(("image", picture, "a.jpg"))
    assert assert_success(send(instant, body, content_type))["meta"]["bytes"] == len(picture)


# ---- counts and sizes ----

@pytest.mark.short
def test_ten_thousand_fields(instant):
    body, content_type = form(*[(f"field{i}", b"1") for i in range(10000)], ("image", PICTURE, "a.jpg"))
    with refusal(instant):
        answer = send(instant, body, content_type)
    assert_error(answer, 400, "VALIDATION_ERROR", says="more than 32 fields")


def test_ten_thousand_fields_urlencoded(instant):
    with refusal(instant):
        answer = instant.post(fields={f"field{i}": "1" for i in range(10000)})
    assert_error(answer, 400, "VALIDATION_ERROR", says="more than 32 fields")


def test_too_many_fields_in_the_query(instant):
    """Not one of them is dropped in silence."""
    query = "&".join(["scale=2"] * 40)
    with refusal(instant):
        answer = send(instant, fresh(), "image/png", route="/api/clarity?" + query)
    assert_error(answer, 400, "VALIDATION_ERROR", says="more than 32 fields")


@pytest.mark.short
@pytest.mark.parametrize("size", [9000, 300_000])
def test_long_field(instant, size):
    body, content_type = form(("scale", b"2" * size), ("image", PICTURE, "a.jpg"))
    with refusal(instant):
        answer = send(instant, body, content_type)
    assert_error(answer, 400, "VALIDATION_ERROR", "scale", "longer")


def test_endless_part_header(instant):
    body = b"--e2e-boundary\r\nContent-Disposition: form-data; name=\"image\"; filename=\"" + b"a" * 200_000
    with refusal(instant):
        answer = send(instant, body, FORM_TYPE)
    assert_error(answer, 400, "VALIDATION_ERROR")


# ---- kinds of body ----

@pytest.mark.parametrize("content_type", ["text/plain", "application/octet-stream", "multipart/mixed; boundary=x", None])
def test_other_kinds_of_body(instant, content_type):
    with refusal(instant):
        answer = send(instant, b'{"image": "aGVsbG8="}', content_type)
    assert_error(answer, 415, "UNSUPPORTED_MEDIA_TYPE", says="multipart/form-data")


# ---- values ----

SCALES = ["abc", "NaN", "1e9", "-1", "3", "0", "2.5", " 2", "+2", "02", "2,4", "99999999999999999999", "٢", "2\x00"]


@pytest.mark.short
@pytest.mark.parametrize("scale", SCALES)
def test_bad_scale(instant, scale):
    with refusal(instant):
        answer = instant.post(PICTURE, fields={"scale": scale})
    assert_error(answer, 400, "VALIDATION_ERROR", "scale")


@pytest.mark.parametrize("scale", ["1", "5", "2.5", "1e9", "NaN", "-2", " 3", "+3", "abc", "9" * 40])
def test_bad_beautify_scale(instant, scale):
    with refusal(instant, "aiBeautify"):
        answer = instant.post(PICTURE, route="/api/ai-beautify", fields={"scale": scale})
    assert_error(answer, 400, "VALIDATION_ERROR", "scale", "2 to 4")


@pytest.mark.parametrize("route,feature,field,value", [
    ("/api/clarity", "improveClarity", "faceEnhance", "maybe"),
    ("/api/clarity", "improveClarity", "quality", "ultra"),
    ("/api/enhance", "imageEnhance", "face_enhance", "2"),
    ("/api/enhance", "imageEnhance", "model", "other/model"),
    ("/api/enhance", "imageEnhance", "scale", "8"),
])
def test_bad_values(instant, route, feature, field, value):
    with refusal(instant, feature):
        body, content_type = form((field, value.encode()), ("image", PICTURE, "a.jpg"))
        answer = send(instant, body, content_type, route=route)
    assert_error(answer, 400, "VALIDATION_ERROR", field)


def test_a_bad_value_is_shown_safely(instant):
    """What the client sent comes back as valid JSON, whatever it was."""
    for value in (b"\xff\xfe", b'"</script>\\', b"\x1b[31m", b"a\r\nSet-Cookie: x=1"):
        body, content_type = form(("scale", value), ("image", PICTURE, "a.jpg"))
        answer = send(instant, body, content_type)
        assert_error(answer, 400, "VALIDATION_ERROR", "scale")
        assert "set-cookie" not in answer.headers


def test_repeated_field(instant):
    """Two values that differ: nobody can know which was meant, or the last one counts; never a crash."""
    body, content_type = form(("scale", b"2"), ("scale", b"abc"), ("image", PICTURE, "a.jpg"))
    assert_error(send(instant, body, content_type), 400, "VALIDATION_ERROR", "scale")


# ---- relight's own word ----

RELIGHT = "/api/portraits/ic-light"


def test_relight_calls_all_of_it_a_processing_error(instant):
    cases = [
        ("image", send(instant, *form(("prompt", b"dusk"), ("image", PICTURE[:len(PICTURE) // 2], "a.jpg")), RELIGHT)),
        ("boundary", send(instant, form(("image", PICTURE, "a.jpg"))[0], "multipart/form-data", RELIGHT)),
        ("boundary", send(instant, *form(("image", PICTURE, "a.jpg"), end=False), RELIGHT)),
        ("malformed", send(instant, b"--e2e-boundary\r\n: \r\n\r\nx\r\n--e2e-boundary--\r\n", FORM_TYPE, RELIGHT)),
        ("steps", send(instant, *form(("prompt", b"dusk"), ("steps", b"0"), ("image", PICTURE, "a.jpg")), RELIGHT)),
        ("image", send(instant, *form(("prompt", b"dusk")), RELIGHT)),
    ]
    for says, answer in cases:
        assert says in str(assert_error(answer, 400, "PROCESSING_ERROR"))
