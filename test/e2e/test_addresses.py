"""Pictures by address: image_url as form, query and JSON, and what the guard lets through."""
import http.server
import threading
import urllib.parse

import pytest

import pictures
from gateway import assert_error
from raw import Wire

PICTURE = pictures.encode(pictures.photo(64, 48), "JPEG")
CUT_OUT = pictures.encode(pictures.cut_out(64, 48), "PNG")
FILES = {"/photo.jpg": PICTURE, "/page": b"<html>hello</html>", "/cut-out.png": CUT_OUT}


class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.seen.append((self.path, dict(self.headers)))
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/photo.jpg")
            self.end_headers()
        elif self.path in FILES:
            body = FILES[self.path]
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")  # nobody believes it
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        elif self.path == "/huge":
            self.send_response(200)
            self.end_headers()
            with pytest.raises(OSError):
                for _ in range(100):
                    self.wfile.write(b"\xff\xd8" + bytes(1 << 20))
        else:
            self.send_error(404)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def pages():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    server.seen = []
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def open_minded(tmp_path_factory):
    from gateway import Gateway
    gateway = Gateway(tmp_path_factory.mktemp("fetching"), PROVIDERS="instant", ALLOW_PRIVATE_FETCH="on").start()
    yield gateway
    gateway.wait_idle()
    gateway.stop()


def stored(gateway, answer):
    assert answer.status_code == 200, answer.text
    url = answer.json()["data"]["url"]
    return gateway.get(url[len(gateway.url):]).content


@pytest.mark.short
def test_every_way_of_naming_it(open_minded, pages):
    address = pages.url + "/photo.jpg"
    route = open_minded.url + "/api/clarity"
    http_post = __import__("requests").post
    ways = [
        http_post(route, data={"image_url": address}, timeout=30),
        http_post(route, files={"image_url": (None, address)}, timeout=30),
        http_post(route, json={"image_url": address, "scale": 2, "faceEnhance": False}, timeout=30),
        http_post(route, params={"image_url": address, "scale": 4}, json={}, timeout=30),
        http_post(route, data={"image_url": pages.url + "/moved"}, timeout=30),
    ]
    for answer in ways:
        assert stored(open_minded, answer) == PICTURE
    # the same bytes are the same picture, however they came
    assert ways[1].json()["meta"]["cached"] and ways[2].json()["meta"]["cached"]
    assert not ways[3].json()["meta"]["cached"]  # another scale
    assert open_minded.post(PICTURE).json()["meta"]["cached"]
    assert all("Authorization" not in headers for _, headers in pages.seen)


# What each route needs in the query when there is no body; the code of its refusals, and of a missing picture.
PHOTO = {"image_url": "/photo.jpg"}
ONLY_QUERY = {
    "/api/clarity": (PHOTO, "VALIDATION_ERROR", "VALIDATION_ERROR"),
    "/api/enhance": (PHOTO, "VALIDATION_ERROR", "VALIDATION_ERROR"),
    "/api/ai-beautify": (PHOTO, "VALIDATION_ERROR", "VALIDATION_ERROR"),
    "/api/upscale": (PHOTO, "VALIDATION_ERROR", "VALIDATION_ERROR"),
    "/api/style": (PHOTO | {"style": "ghibli"}, "VALIDATION_ERROR", "VALIDATION_ERROR"),
    "/api/portraits/ic-light": (PHOTO | {"prompt": "dusk"}, "PROCESSING_ERROR", "PROCESSING_ERROR"),
    "/api/replace-bg": ({"fg_url": "/cut-out.png", "bg_url": "/photo.jpg"}, "VALIDATION_ERROR", "MISSING_FILE"),
}
EMPTY = {"none": "", "no bytes": "Content-Length: 0\r\n",
         "an empty picture": "Content-Type: image/jpeg\r\nContent-Length: 0\r\n",
         "empty JSON": "Content-Type: application/json\r\nContent-Length: 0\r\n"}


def post_nothing(gateway, target, headers=""):
    with Wire(gateway) as wire:
        wire.send(f"POST {target} HTTP/1.1\r\nHost: 127.0.0.1:{gateway.port}\r\n{headers}\r\n")
        return wire.answer()


@pytest.mark.short
@pytest.mark.parametrize("route", ONLY_QUERY)
def test_all_is_in_the_query(open_minded, pages, route):
    fields, refusal, missing = ONLY_QUERY[route]
    picture = next(iter(fields)).removesuffix("_url")
    query = urllib.parse.urlencode({n: pages.url + v if n.endswith("_url") else v for n, v in fields.items()})
    for headers in EMPTY.values():
        result = stored(open_minded, post_nothing(open_minded, f"{route}?{query}", headers))
        assert result == PICTURE or (picture == "fg" and pictures.decode(result).size == (64, 48))
        for target in (route, route + "?image_url="):
            assert_error(post_nothing(open_minded, target, headers), 400, missing, picture, f"{picture}_url")
    assert_error(post_nothing(open_minded, f"{route}?{query}&imageUrl=1"), 400, refusal, "imageUrl", "no such field")


def test_refusals_of_a_query_alone(instant, pages):
    answer = post_nothing(instant, "/api/clarity?" + urllib.parse.urlencode({"image_url": pages.url + "/photo.jpg"}))
    assert_error(answer, 400, "VALIDATION_ERROR", "image_url", "public address")
    both = post_nothing(instant, "/api/clarity?image_url=http%3A%2F%2Fa.example%2F&image_url=http%3A%2F%2Fb.example%2F")
    assert_error(both, 400, "VALIDATION_ERROR", "image_url", "one address")


@pytest.mark.parametrize("path,status,code,words", [
    ("/nothing", 400, "VALIDATION_ERROR", "404"),
    ("/huge", 413, "PAYLOAD_TOO_LARGE", ""),
    ("/page", 415, "UNSUPPORTED_MEDIA_TYPE", ""),
])
def test_what_is_not_there(open_minded, pages, path, status, code, words):
    answer = open_minded.post(fields={"image_url": pages.url + path})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    assert words in answer.text


def test_picture_and_address(open_minded, pages):
    answer = open_minded.post(PICTURE, fields={"image_url": pages.url + "/photo.jpg"})
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["field"] == "image_url"
    both = open_minded.post(fields=[("image_url", pages.url + "/photo.jpg"), ("image_url", pages.url + "/photo.jpg")])
    assert both.status_code == 400
    # an empty field is what a browser sends for a box nobody filled in
    assert open_minded.post(PICTURE, fields={"image_url": ""}).status_code == 200


@pytest.mark.short
@pytest.mark.parametrize("address", [
    "http://localhost/x.jpg",
    "http://127.1/x.jpg",
    "http://2130706433/x.jpg",
    "http://0x7f.0.0.1/x.jpg",
    "http://[::1]/x.jpg",
    "http://[::ffff:10.0.0.1]/x.jpg",
    "http://[64:ff9b::7f00:1]/x.jpg",
    "http://10.0.0.1/x.jpg",
    "http://100.64.0.1/x.jpg",
    "http://169.254.169.254/latest/meta-data/",
    "http://192.168.1.1/x.jpg",
    "http://0.0.0.0/x.jpg",
    "file:///etc/passwd",
    "ftp://example.org/x.jpg",
    "gopher://127.0.0.1:70/x",
    "//example.org/x.jpg",
    "not an address",
    "http://",
])
def test_the_guard(instant, address):
    answer = instant.post(fields={"image_url": address})
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert error["code"] == "VALIDATION_ERROR"
    assert error["details"][0]["field"] == "image_url"


def test_the_guard_on_the_server_itself(instant, pages):
    before = len(pages.seen)
    answer = instant.post(fields={"image_url": pages.url + "/photo.jpg"})
    assert answer.status_code == 400
    assert len(pages.seen) == before  # it was never asked


@pytest.mark.parametrize("body,words", [
    (b'{"image_url":', "JSON"),
    (b"[1,2]", "JSON object"),
    (b'"text"', "JSON object"),
    (b'{"image_url":"http://a/","image_url":"http://b/"}', "JSON"),
    (b'{"scale":[2]}', "text, a number"),
    (b'{"scale":3,"image_url":"http://example.org/"}', ""),
    (b'{"nonsense":1}', "image"),
    (b'{"image_ulr":"http://a/"}', "no such field"),
    (b"{}", "image"),
    (b'{"scale":null}', "image"),
    (b'{"image_url":"http://\\u0000/"}', "JSON"),
])
def test_json_that_does_not_do(instant, body, words):
    import requests
    answer = requests.post(instant.url + "/api/clarity", data=body, headers={"Content-Type": "application/json"}, timeout=30)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["code"] == "VALIDATION_ERROR"
    assert words in answer.text


@pytest.mark.parametrize("name", ["fg_url", "image_url"])
def test_the_name_that_was_sent_is_told(instant, name):
    answer = instant.post(route="/api/replace-bg", fields={name: "http://127.0.0.1/x.jpg", "mode": "remove"})
    assert_error(answer, 400, "VALIDATION_ERROR", name)
