"""The links to results: who may read, for how long, and all that HTTP offers for files."""
import time

import pytest
import requests

from gateway import assert_error, assert_success
from pictures import fresh


@pytest.fixture(scope="module")
def stored(instant):
    """A stored picture: its bytes, its link, its meta."""
    picture = fresh(200, 150)
    body = assert_success(instant.post(picture))
    return picture, body["data"]["url"], body


def get(url, **headers):
    return requests.get(url, headers={name.replace("_", "-"): value for name, value in headers.items()}, timeout=10)


@pytest.mark.short
def test_whole(stored):
    picture, url, body = stored
    answer = get(url)
    assert answer.status_code == 200
    assert answer.content == picture
    assert answer.headers["content-type"] == "image/png"
    assert int(answer.headers["content-length"]) == len(picture) == body["meta"]["bytes"]
    assert answer.headers["accept-ranges"] == "bytes"
    assert "max-age=3600" in answer.headers["cache-control"] and "private" in answer.headers["cache-control"]
    assert answer.headers["etag"].startswith('"') and answer.headers["last-modified"].endswith("GMT")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.short
def test_head(stored):
    picture, url, _ = stored
    whole, head = get(url), requests.head(url, timeout=10)
    assert head.status_code == 200 and head.content == b""
    for name in ("content-type", "content-length", "etag", "last-modified", "cache-control", "accept-ranges"):
        assert head.headers[name] == whole.headers[name]


@pytest.mark.short
def test_not_modified(stored):
    picture, url, _ = stored
    etag = get(url).headers["etag"]
    for match in (etag, f'"other", {etag}', "*", "W/" + etag):
        answer = get(url, If_None_Match=match)
        assert answer.status_code == 304 and answer.content == b""
        assert answer.headers["etag"] == etag
    assert get(url, If_None_Match='"other"').status_code == 200
    assert get(url, If_None_Match=etag.strip('"')[:8]).status_code == 200


@pytest.mark.short
@pytest.mark.parametrize("what,first,last", [("bytes=0-99", 0, 99), ("bytes=100-", 100, None), ("bytes=-50", -50, None),
                                             ("bytes=0-", 0, None), ("bytes=5-5", 5, 5), ("bytes=10-99999999", 10, None),
                                             ("bytes=-99999999", 0, None)])
def test_range(stored, what, first, last):
    picture, url, _ = stored
    first = first if first >= 0 else len(picture) + first
    last = len(picture) - 1 if last is None else last
    answer = get(url, Range=what)
    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(picture)}"
    assert answer.content == picture[first:last + 1]
    assert answer.headers["content-type"] == "image/png"


@pytest.mark.short
@pytest.mark.parametrize("what", ["bytes={}-", "bytes={}-{}", "bytes=-0", "bytes=99999999-"])
def test_range_outside(stored, what):
    picture, url, _ = stored
    answer = get(url, Range=what.format(len(picture), len(picture) + 10))
    assert_error(answer, 416, "RANGE_NOT_SATISFIABLE")
    assert answer.headers["content-range"] == f"bytes */{len(picture)}"


@pytest.mark.parametrize("what", ["bytes=5-2", "bytes=a-b", "items=0-5", "bytes=0-1,5-6", "bytes=", "bytes=-", "0-5",
                                  "bytes=0x1-5", "bytes=18446744073709551616-"])
def test_range_without_sense(stored, what):
    """A range that cannot be meant is not there."""
    picture, url, _ = stored
    answer = get(url, Range=what)
    assert (answer.status_code, answer.content) in ((200, picture), (206, answer.content)) or answer.status_code == 416
    if "18446744073709551616" not in what:
        assert answer.status_code == 200 and answer.content == picture


def test_if_range(stored):
    picture, url, _ = stored
    etag = get(url).headers["etag"]
    assert get(url, Range="bytes=0-9", If_Range=etag).status_code == 206
    assert get(url, Range="bytes=0-9", If_Range='"other"').content == picture


@pytest.mark.short
def test_changed_links(instant, stored):
    """Not a character can be changed."""
    picture, url, body = stored
    key = body["data"]["key"]
    other = assert_success(instant.post(fresh()))["data"]["key"]
    base, _, query = url.partition("?")
    expires, signature = (part.partition("=")[2] for part in query.split("&"))
    flipped = ("0" if signature[0] != "0" else "1") + signature[1:]
    wrong = [
        base,
        f"{base}?expires={expires}",
        f"{base}?signature={signature}",
        f"{base}?expires={expires}&signature={flipped}",
        f"{base}?expires={expires}&signature={signature[:-1]}",
        f"{base}?expires={expires}&signature={signature}0",
        f"{base}?expires={expires}&signature=",
        f"{base}?expires={int(expires) + 1}&signature={signature}",
        f"{base}?expires=0{expires}&signature={signature}",
        f"{base}?expires=+{expires}&signature={signature}",
        f"{base}?expires=-1&signature={signature}",
        f"{base}?expires=99999999999999999999&signature={signature}",
        url.replace(key, other),
        url.replace(key, key[:-4] + ".jpg"),
        url.replace("/files/", "/files//"),
        url.replace("/files/", "/files/./"),
        url.replace("/files/", "/files/x/../"),
        url.replace("/files/", "/files/%2e%2e/"),
        f"{instant.url}/files/?{query}",
        f"{instant.url}/files/../../etc/passwd?{query}",
        f"{instant.url}/files/..%2f..%2fetc%2fpasswd?{query}",
        f"{instant.url}/files/.tmp/x?{query}",
        url.replace(key, key + "%00"),
        url.replace(key, key + "/"),
    ]
    session = requests.Session()
    for link in wrong:
        request = requests.Request("GET", link).prepare()
        request.url = link  # as it is, dots and all
        answer = session.send(request, timeout=10)
        assert_error(answer, 404, "NOT_FOUND")
    assert get(url).content == picture


@pytest.mark.short
def test_expired_link(start):
    gateway = start(PROVIDERS="instant", R2_PRESIGN_EXPIRES=1)
    picture = fresh()
    body = assert_success(gateway.post(picture))
    assert body["data"]["expires_in"] == 1
    assert get(body["data"]["url"]).status_code == 200
    time.sleep(2.1)
    answer = get(body["data"]["url"])
    assert_error(answer, 410, "GONE", says="expired")
    again = assert_success(gateway.post(picture))  # a hit has a link of its own
    assert again["meta"]["cached"]
    assert get(again["data"]["url"]).content == picture


def test_stored_file_removed(instant):
    """A good link to a file that is no more."""
    body = assert_success(instant.post(fresh()))
    (instant.data / "objects" / body["data"]["key"]).unlink()
    assert_error(get(body["data"]["url"]), 404, "NOT_FOUND")


def test_links_outlive_a_restart(start):
    first = start(PROVIDERS="instant")
    picture = fresh()
    url = assert_success(first.post(picture))["data"]["url"]
    first.stop()
    first.left = True
    second = start(PROVIDERS="instant", DATA_DIR=first.data)
    assert get(url.replace(str(first.port), str(second.port))).content == picture
    third = start(PROVIDERS="instant", DATA_DIR=first.data, URL_SIGNING_KEY="another key that is long enough to do")
    assert get(url.replace(str(first.port), str(third.port))).status_code == 404


def test_link_bases(start):
    """PUBLIC_BASE_URL names the gateway; R2_PUBLIC_BASE_URL the public address of what is stored."""
    gateway = start(PROVIDERS="instant", PUBLIC_BASE_URL="https://img.example", R2_PUBLIC_BASE_URL="https://cdn.example")
    data = assert_success(gateway.post(fresh()))["data"]
    assert data["url"] == "https://cdn.example/" + data["key"]
    assert data["presigned_url"].startswith("https://img.example/files/" + data["key"] + "?")
    path = data["presigned_url"].removeprefix("https://img.example")
    assert get(gateway.url + path).status_code == 200


def test_odd_hosts_do_not_reach_links(instant):
    for host in ("evil.example/<script>", "a b", "x\"y", "a" * 300, "user@host"):
        answer = instant.post(fresh(), headers={"Host": host})
        if answer.status_code == 200:
            assert host not in answer.json()["data"]["url"]
