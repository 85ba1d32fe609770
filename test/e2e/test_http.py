"""The protocol itself: ambiguous and broken requests, addresses and methods, ids, CORS, problem+json, pipelining."""
import re

import pytest
import requests

from gateway import assert_error, assert_success, refusal
from pictures import encode, fresh, photo
from raw import Wire, form, post_head

JPEG = encode(photo(64, 48), "JPEG")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def say(gateway, text, body=b""):
    with Wire(gateway, timeout=10) as wire:
        wire.send(text.encode("latin-1") + body)
        return wire.answer(head=text.startswith("HEAD"))


def assert_alive(gateway):
    assert gateway.get("/health").json() == {"ok": True}


# ---- ambiguous and broken requests ----

@pytest.mark.short
@pytest.mark.threads
def test_length_and_chunked(instant):
    """Two lengths: the door to request smuggling. Refused, and the connection ends."""
    with refusal(instant, errors=0), Wire(instant) as wire:
        wire.send(post_head(len(JPEG), more="Transfer-Encoding: chunked\r\n"))
        wire.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(JPEG), JPEG))
        assert_error(wire.answer(), 400, "VALIDATION_ERROR", says="exclude each other")
        wire.try_send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wire.closed()


@pytest.mark.short
@pytest.mark.threads
def test_no_host(instant):
    assert_error(say(instant, "GET /health HTTP/1.1\r\n\r\n"), 400, "VALIDATION_ERROR", says="host")
    with refusal(instant, errors=0):
        head = post_head(len(JPEG)).replace("Host: limner.test\r\n", "")
        assert_error(say(instant, head, JPEG), 400, "VALIDATION_ERROR", says="host")
    assert say(instant, "GET /health HTTP/1.0\r\n\r\n").status_code == 200  # HTTP/1.0 knows none


@pytest.mark.parametrize("text", [
    "GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "POST /api/clarity HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "POST /api/clarity HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\nhello",
    "POST /api/clarity HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "GET /he alth HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /health HTTP/1.1\r\nHost: a\r\nBad Header: x\r\n\r\n",
    "hello, are you there?\r\n\r\n",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "\x00" * 100 + "\r\n\r\n",
    "GET /health HTTP/9.9\r\nHost: a\r\n\r\n",
    "GET\r\n\r\n",
])
def test_garbage(instant, text):
    with refusal(instant, errors=0):
        with Wire(instant, timeout=5) as wire:
            wire.send(text)
            try:
                answer = wire.answer()
            except TimeoutError:
                answer = None  # it waits for more: the header limit ends that
            assert answer is None or 400 <= answer.status_code <= 505
    assert_alive(instant)


def test_bad_chunks(instant):
    for body in (b"zz\r\nhello\r\n0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n", b"ffffffffffffffffff\r\nhello\r\n", b"5\r\nhelloXX0\r\n\r\n"):
        answer = say(instant, post_head(more="Transfer-Encoding: chunked\r\n"), body)
        assert answer is None or answer.status_code in (400, 413)
    instant.wait_idle()
    assert_alive(instant)


@pytest.mark.short
@pytest.mark.threads
def test_header_of_64_kb(instant):
    with Wire(instant) as wire:
        wire.try_send("GET /health HTTP/1.1\r\nHost: x\r\nX-Long: " + "a" * 65536 + "\r\n\r\n")
        assert wire.answer().status_code == 431
    with Wire(instant) as wire:
        wire.try_send("GET /health HTTP/1.1\r\nHost: x\r\n" + "".join(f"X-{i}: {i:060}\r\n" for i in range(1000)) + "\r\n")
        assert wire.answer().status_code == 431
    with Wire(instant) as wire:
        wire.try_send("GET /" + "a" * 65536 + " HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wire.answer().status_code in (414, 431)
    assert_alive(instant)


def test_headers_of_usual_size_are_taken(instant):
    answer = instant.get("/health", headers={"Cookie": "a" * 8000, "User-Agent": "b" * 500})
    assert answer.status_code == 200


# ---- addresses and methods ----

@pytest.mark.short
@pytest.mark.threads
@pytest.mark.parametrize("path", ["/", "/api", "/api/", "/api/clarity//", "/api/none", "/healthz", "/HEALTH", "/files",
                                  "/api/clarity%00", "/%2e%2e/etc/passwd", "//health", "/favicon.ico"])
def test_unknown_address(instant, path):
    answer = say(instant, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
    assert_error(answer, 404, "NOT_FOUND")


def test_post_to_an_unknown_address(instant):
    answer = instant.post(fresh(), route="/api/upscalee")
    assert_error(answer, 404, "NOT_FOUND")


@pytest.mark.short
@pytest.mark.threads
@pytest.mark.parametrize("method,path,allow", [
    ("GET", "/api/clarity", "POST"), ("PUT", "/api/enhance", "POST"), ("DELETE", "/api/ai-beautify", "POST"),
    ("HEAD", "/api/clarity", "POST"), ("POST", "/health", "GET, HEAD"), ("PUT", "/metrics", "GET, HEAD"),
    ("DELETE", "/files/a/b.png", "GET, HEAD"), ("BREW", "/readyz", "GET, HEAD"), ("OPTIONS", "/health", "GET, HEAD"),
])
def test_wrong_method(instant, method, path, allow):
    with refusal(instant, errors=0):
        answer = requests.request(method, instant.url + path, timeout=10)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == allow
    if method != "HEAD":
        assert_error(answer, 405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize("path", ["/health", "/livez", "/readyz", "/metrics", "/status"])
def test_pages(instant, path):
    answer = instant.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert UUID.fullmatch(answer.headers["x-request-id"])
    answer.json()
    head = requests.head(instant.url + path, timeout=10)
    assert head.status_code == 200 and head.content == b""


def test_readyz_says_what_is_checked(instant):
    body = instant.get("/readyz").json()
    assert body["status"] == "ready"
    assert body["checks"] == {"draining": False, "store": "ok", "journal": "ok", "history": "ok", "provider.instant": "ok"}


# ---- ids, CORS, problem+json ----

@pytest.mark.short
@pytest.mark.threads
@pytest.mark.parametrize("name", ["a", "order-42/é".encode("ascii", "ignore").decode(), "x" * 128, "!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~"])
def test_request_id_is_kept(instant, name):
    for answer in (instant.get("/health", headers={"x-request-id": name}),
                   instant.post(fresh(), headers={"X-Request-ID": name}),
                   instant.post(b"no picture", headers={"x-request-id": name})):
        assert answer.headers["x-request-id"] == name
    assert answer.json()["request_id"] == name


@pytest.mark.short
@pytest.mark.threads
@pytest.mark.parametrize("name", ["", "x" * 129, "two words", "a\tb", "caf\xe9", "x" * 5000])
def test_request_id_is_replaced(instant, name):
    answer = say(instant, f"GET /health HTTP/1.1\r\nHost: x\r\nx-request-id: {name}\r\n\r\n")
    assert answer.status_code == 200
    assert UUID.fullmatch(answer.headers["x-request-id"])


def test_request_ids_differ(instant):
    assert len({instant.get("/health").headers["x-request-id"] for _ in range(50)}) == 50


@pytest.mark.short
@pytest.mark.threads
def test_problem_json(instant):
    with refusal(instant):
        answer = instant.post(JPEG, fields={"scale": "abc"}, headers={"Accept": "application/problem+json"})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == 400
    assert body["code"] == "VALIDATION_ERROR"
    assert body["field"] == "scale"
    assert "abc" in body["detail"]
    assert body["retryable"] is False
    assert body["title"] and body["type"]
    assert body["instance"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("accept,problem", [("application/json", False), ("*/*", False), ("application/problem+json, */*;q=0.1", True),
                                            ("application/json;q=0.5, application/problem+json", True),
                                            ("application/problem+json;q=0, application/json", False)])
def test_problem_json_by_accept(instant, accept, problem):
    answer = instant.get("/nothing", headers={"Accept": accept})
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("application/problem+json") == problem


@pytest.mark.short
@pytest.mark.threads
def test_preflight(instant):
    answer = requests.options(instant.url + "/api/clarity", timeout=10, headers={
        "Origin": "https://app.example", "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type, x-api-key"})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-headers"] == "content-type, x-api-key"
    assert int(answer.headers["access-control-max-age"]) > 0


def test_cors_open(instant):
    for answer in (instant.get("/health", headers={"Origin": "https://app.example"}),
                   instant.post(b"bad", headers={"Origin": "https://app.example"})):
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "x-request-id" in answer.headers["access-control-expose-headers"].lower()


def test_cors_closed(start):
    gateway = start(PROVIDERS="instant", CORS_ORIGINS="https://a.example, https://b.example")
    for origin, allowed in (("https://a.example", True), ("https://b.example", True), ("https://c.example", False),
                            ("https://a.example.evil.example", False), ("null", False)):
        answer = gateway.get("/health", headers={"Origin": origin})
        assert answer.headers.get("access-control-allow-origin") == (origin if allowed else None)
        assert answer.headers["vary"] == "Origin"
        flight = requests.options(gateway.url + "/api/clarity", timeout=10, headers={
            "Origin": origin, "Access-Control-Request-Method": "POST"})
        assert (flight.status_code == 204) == allowed
        assert flight.headers.get("access-control-allow-origin") == (origin if allowed else None)


# ---- connections ----

def test_keep_alive(instant):
    """Many requests on one connection, refused and answered ones in turn."""
    with Wire(instant) as wire:
        for i in range(30):
            picture = fresh(kind="JPEG")
            wire.send(post_head(len(picture)))
            wire.send(picture)
            assert_success(wire.answer())
            wire.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert wire.answer().json() == {"ok": True}
            wire.send(post_head(5))
            wire.send("words")
            assert wire.answer().status_code == 415
            wire.send(post_head(5000, "text/plain"))
            wire.send(bytes(5000))
            assert wire.answer().status_code == 415, i
    session = requests.Session()
    for _ in range(20):
        assert_success(instant.post(fresh(), http=session))
    session.close()


@pytest.mark.short
@pytest.mark.threads
def test_pipelining(instant):
    """Several requests in one packet are answered in order."""
    pictures = [fresh(kind="JPEG") for _ in range(5)]
    text = b""
    for i, picture in enumerate(pictures):
        text += f"GET /health HTTP/1.1\r\nHost: x\r\nx-request-id: get-{i}\r\n\r\n".encode()
        text += post_head(len(picture), more=f"x-request-id: post-{i}\r\n").encode() + picture
    with Wire(instant) as wire:
        wire.send(text)
        for i in range(len(pictures)):
            answer = wire.answer()
            assert answer.headers["x-request-id"] == f"get-{i}"
            assert answer.json() == {"ok": True}
            answer = wire.answer()
            assert answer.headers["x-request-id"] == f"post-{i}"
            assert_success(answer)


def test_pipelining_twins(instant):
    """The same picture twice in one packet: the second waits for nobody but the connection."""
    picture = fresh(kind="JPEG")
    with Wire(instant) as wire:
        wire.send((post_head(len(picture)).encode() + picture) * 3)
        keys = [assert_success(wire.answer())["data"]["key"] for _ in range(3)]
    assert len(set(keys)) == 1


def test_connection_close(instant):
    with Wire(instant) as wire:
        wire.send("GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert wire.answer().status_code == 200
        assert wire.closed()


def test_form_in_small_pieces(instant):
    """However the bytes are cut, the form is the same."""
    picture = fresh(32, 32, "PNG")
    body, content_type = form(("scale", b"4"), ("image", picture, "a.png"), ("faceEnhance", b"yes"))
    head = post_head(len(body), content_type).encode()
    for size in (1, 7, 61, 1000):
        with Wire(instant) as wire:
            whole = head + body
            for i in range(0, len(whole), size):
                wire.send(whole[i:i + size])
            body_of = assert_success(wire.answer())
            assert body_of["meta"]["scale"] == 4
            assert body_of["meta"]["bytes"] == len(picture)
