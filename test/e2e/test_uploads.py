"""Naming a picture instead of sending it again, and the digest of what is sent."""
import base64
import hashlib
import time

import pytest
import requests

from gateway import SLOW, assert_error, assert_success, until
from pictures import cut_out, encode, fresh
from raw import Wire

KEYS = {"one": "0123456789abcdef-one", "two": "0123456789abcdef-two"}


def name_of(picture):
    return "sha256:" + hashlib.sha256(picture).hexdigest()


@pytest.fixture
def keeping(start):
    return start(PROVIDERS="instant", UPLOADS_KEEP_MB=4, UPLOADS_KEEP_S=600)


def by_form(gateway, digest, **fields):
    return gateway.post(files={"image_digest": (None, digest)} | {n: (None, v) for n, v in fields.items()})


def by_json(gateway, digest, **fields):
    return requests.post(gateway.url + "/api/clarity", json={"image_digest": digest} | fields, timeout=30)


def by_words(gateway, digest, **fields):
    return requests.post(gateway.url + "/api/clarity", data={"image_digest": digest} | fields, timeout=30)


def by_query(gateway, digest, **fields):
    return requests.post(gateway.url + "/api/clarity", params={"image_digest": digest} | fields, timeout=30)


WAYS = [by_form, by_json, by_words, by_query]


@pytest.mark.short
@pytest.mark.threads
@pytest.mark.parametrize("way", WAYS)
def test_named(keeping, way):
    picture = fresh()
    sent = assert_success(keeping.post(picture))
    assert sent["meta"]["image_digest"] == name_of(picture)
    again = assert_success(way(keeping, name_of(picture)))
    assert again["meta"]["cached"] is True and again["data"]["key"] == sent["data"]["key"]
    other = assert_success(way(keeping, name_of(picture), scale="4"))
    assert other["meta"]["cached"] is False and other["meta"]["image_digest"] == name_of(picture)
    assert keeping.get("/files/" + other["data"]["url"].partition("/files/")[2]).content == picture


@pytest.mark.short
@pytest.mark.threads
@pytest.mark.parametrize("way", WAYS)
def test_unknown(keeping, way):
    error = assert_error(way(keeping, name_of(b"nobody's")), 404, "UPLOAD_UNKNOWN", "image_digest", says="send the picture")
    assert "image" in error["message"]
    keeping.wait_idle()


def test_not_a_digest(keeping):
    picture = fresh()
    assert_success(keeping.post(picture))
    right = name_of(picture)
    for wrong in (right[:-1], right + "0", right.upper(), right[7:], "sha256:", "md5:" + right[7:39], " " + right):
        assert_error(by_json(keeping, wrong), 400, "VALIDATION_ERROR", "image_digest", says="64 hexadecimal digits")
    assert_error(by_json(keeping, ""), 400, "VALIDATION_ERROR", "image")  # an empty box is nothing


def test_in_one_way_only(keeping):
    picture = fresh()
    assert_error(keeping.post(picture, fields={"image_digest": name_of(picture)}), 400, "VALIDATION_ERROR",
                 "image_digest", says="either")
    assert_error(by_json(keeping, name_of(picture), image_url="http://example.com/"), 400, "VALIDATION_ERROR",
                 "image_url", says="either")


def test_both_pictures(keeping):
    fg, bg = encode(cut_out(90, 70), "PNG"), fresh(90, 70)
    sent = assert_success(keeping.post(route="/api/replace-bg", files={"fg": ("fg", fg), "bg": ("bg", bg)}))
    assert (sent["meta"]["fg_digest"], sent["meta"]["bg_digest"]) == (name_of(fg), name_of(bg))
    named = {"fg_digest": name_of(fg), "bg_digest": name_of(bg)}
    again = keeping.post(route="/api/replace-bg", fields=named)
    assert assert_success(again)["meta"]["cached"] is True
    assert_success(keeping.post(route="/api/replace-bg", fields=named | {"fit": "contain"}))
    assert_success(keeping.post(route="/api/replace-bg", fields={"fg_digest": name_of(fg)}, files={"bg": ("bg", fresh())}))
    assert_error(keeping.post(route="/api/replace-bg", fields=named | {"bg_digest": name_of(b"")}), 404, "UPLOAD_UNKNOWN",
                 "bg_digest")


def test_a_remembered_result_needs_no_picture(start):
    gateway = start(PROVIDERS="instant", UPLOADS_KEEP_MB=0)
    picture = fresh()
    sent = assert_success(gateway.post(picture))
    again = assert_success(by_json(gateway, name_of(picture)))
    assert again["meta"]["cached"] is True and again["data"]["key"] == sent["data"]["key"]
    assert_error(by_json(gateway, name_of(picture), scale=4), 404, "UPLOAD_UNKNOWN", "image_digest")


def test_what_was_refused_is_known_too(start):
    """The queue was full: the next try need not send it again."""
    gateway = start(PROVIDERS="replicate", REPLICATE_API_TOKEN="r8_nobody", REPLICATE_BASE_URL="http://127.0.0.1:1",
                    UPLOADS_KEEP_MB=4, AI_RETRIES=0)
    picture = fresh()
    assert gateway.post(picture).status_code >= 500
    assert by_json(gateway, name_of(picture)).status_code >= 500


def test_no_store_is_not_kept(keeping):
    picture = fresh()
    assert_success(keeping.post(picture, headers={"Cache-Control": "no-store"}))
    assert_error(by_json(keeping, name_of(picture)), 404, "UPLOAD_UNKNOWN")
    assert_success(keeping.post(picture))
    named = requests.post(keeping.url + "/api/clarity", json={"image_digest": name_of(picture)},
                          headers={"Cache-Control": "no-store"}, timeout=30)
    assert assert_success(named)["meta"]["cached"] is False


def test_kept_for_a_while(start):
    gateway = start(PROVIDERS="instant", UPLOADS_KEEP_MB=4, UPLOADS_KEEP_S=1 * SLOW, CACHE_TTL_MS=0, SPOOL_BYTES=0)
    picture = fresh()
    assert_success(gateway.post(picture))
    assert_success(by_json(gateway, name_of(picture)))
    assert len(gateway.spooled()) == 1
    until(lambda: not gateway.spooled(), 5)  # let go of by itself
    assert_error(by_json(gateway, name_of(picture)), 404, "UPLOAD_UNKNOWN")


def test_not_more_than_so_many(start):
    gateway = start(PROVIDERS="instant", UPLOADS_KEEP_MB=4, UPLOADS_KEEP_MAX=2, CACHE_TTL_MS=0)
    a, b, c = (fresh() for _ in range(3))
    for picture in (a, b):
        assert_success(gateway.post(picture))
    assert_success(by_json(gateway, name_of(a)))  # now b is the oldest
    assert_success(gateway.post(c))
    assert_success(by_json(gateway, name_of(a)))
    assert_error(by_json(gateway, name_of(b)), 404, "UPLOAD_UNKNOWN")


def test_not_more_than_so_much(start):
    gateway = start(PROVIDERS="instant", UPLOADS_KEEP_MB=1, CACHE_TTL_MS=0)
    large = [fresh(64, 48) + bytes(400 << 10) for _ in range(3)]
    for picture in large:
        assert_success(gateway.post(picture))
    assert_error(by_json(gateway, name_of(large[0])), 404, "UPLOAD_UNKNOWN")
    for picture in large[1:]:
        assert_success(by_json(gateway, name_of(picture)))


# ---- whose pictures they are ----

def named_by(gateway, who, picture):
    return requests.post(gateway.url + "/api/clarity", json={"image_digest": name_of(picture)},
                         headers={"x-api-key": KEYS[who]}, timeout=30)


@pytest.mark.short
@pytest.mark.threads
@pytest.mark.parametrize("shared", [False, True])
def test_callers(start, shared):
    keys = ",".join(f"{name}:{key}" for name, key in KEYS.items())
    gateway = start(PROVIDERS="instant", UPLOADS_KEEP_MB=4, API_KEYS=keys, CACHE_SHARED="on" if shared else "off")
    picture = fresh()
    sent = assert_success(gateway.post(picture, headers={"x-api-key": KEYS["one"]}))
    assert assert_success(named_by(gateway, "one", picture))["meta"]["cached"] is True
    if shared:
        assert assert_success(named_by(gateway, "two", picture))["data"]["key"] == sent["data"]["key"]
        return
    assert_error(named_by(gateway, "two", picture), 404, "UPLOAD_UNKNOWN")
    own = assert_success(gateway.post(picture, headers={"x-api-key": KEYS["two"]}))
    assert own["meta"]["cached"] is False and own["data"]["key"] != sent["data"]["key"]
    assert_success(named_by(gateway, "two", picture))


# ---- Content-Digest ----

def content_digest(data, algorithm="sha256", name="sha-256"):
    return f"{name}=:{base64.b64encode(hashlib.new(algorithm, data).digest()).decode()}:"


def post_raw(gateway, picture, digest):
    return requests.post(gateway.url + "/api/clarity", data=picture,
                         headers={"Content-Type": "image/png", "Content-Digest": digest}, timeout=30)


@pytest.mark.short
@pytest.mark.threads
def test_content_digest(instant):
    picture, other = fresh(), fresh()
    right, wrong = content_digest(picture), content_digest(other)
    assert_success(post_raw(instant, picture, right))
    error = assert_error(post_raw(instant, picture, wrong), 400, "VALIDATION_ERROR", "Content-Digest", says=wrong)
    assert right in error["details"][0]["message"]
    assert_success(post_raw(instant, picture, content_digest(other, "sha512", "sha-512")))  # not looked at
    assert_success(post_raw(instant, picture, f"{content_digest(other, 'md5', 'md5')}, {right}"))
    assert_error(post_raw(instant, picture, "sha-256=:c2hvcnQ=:"), 400, "VALIDATION_ERROR", "Content-Digest")


def test_content_digest_of_other_bodies(instant):
    """It is that of the body as it was sent: of the whole form, of the JSON."""
    request = requests.Request("POST", instant.url + "/api/clarity", files={"image": ("a", fresh())}).prepare()
    request.headers["Content-Digest"] = content_digest(request.body)
    assert_success(requests.Session().send(request, timeout=30))
    request.headers["Content-Digest"] = content_digest(request.body + b"x")
    assert_error(requests.Session().send(request, timeout=30), 400, "VALIDATION_ERROR", "Content-Digest")
    body = b'{"image_digest":"sha256:%s"}' % (b"0" * 64)
    answer = requests.post(instant.url + "/api/clarity", data=body, timeout=30,
                           headers={"Content-Type": "application/json", "Content-Digest": content_digest(body + b" ")})
    assert_error(answer, 400, "VALIDATION_ERROR", "Content-Digest")


def test_refused_before_it_is_sent(instant):
    """What can match nothing is refused by the headers alone."""
    with Wire(instant) as wire:
        wire.send("POST /api/clarity HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 100000\r\n"
                  "Content-Digest: sha-256=nonsense\r\nExpect: 100-continue\r\n\r\n")
        answer = wire.answer()
    assert answer.status_code == 400 and "Content-Digest" in answer.text
