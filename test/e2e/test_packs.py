"""Asset packs, on the disk and on real S3 servers: the manifest, and links to the files."""
import concurrent.futures
import contextlib
import json
import signal
import socket

import pytest
import requests

from gateway import SLOW, assert_error, assert_success, until
from pictures import fresh

buckets = pytest.importorskip("buckets", reason="tools/deps --dev brings moto", exc_type=ImportError)

FILES = {
    "LUTs/Film Look/a+b #1 100%.cube": b"lut one",
    "LUTs/Film Look/b.CUBE": b"lut two",
    "LUTs/B&W/x.zip": b"zipped",
    "Màu ấm/Đẹp/f.xmp": "preset é".encode(),
    "Overlays/dust/1.png": b"png",
    "Overlays/dust/2.jpeg": b"jpeg",
}
NO_PACKS = ["readme.txt", "LUTs/loose.cube", "LUTs/Film Look/deeper/x.cube", "LUTs/Film Look/notes.txt",
            "clarity/2026-11-23/8c9f.png", "enhance/real-esrgan/2026-11-23/8c9f.png", "comics/a-story/page-1.png"]


class Disk:
    """Files an operator copies into DATA_DIR/objects."""

    def __init__(self, folder):
        self.root = folder / "shelf" / "objects"

    def options(self, **more):
        return {"PROVIDERS": "instant", "DATA_DIR": self.root.parent} | more

    def put(self, key, data=b"x"):
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def delete(self, key):
        (self.root / key).unlink()

    def download(self, link):
        got = requests.get(link, timeout=10)
        assert got.status_code == 200, got.text
        return got.content

    def close(self):
        pass


@pytest.fixture(params=["disk", *buckets.SERVERS])
def shelf(request, tmp_path):
    """An empty store of a test's own."""
    with contextlib.closing(Disk(tmp_path) if request.param == "disk" else buckets.SERVERS[request.param](tmp_path)) as made:
        yield made


@pytest.fixture
def disk(tmp_path):
    return Disk(tmp_path)


def fill(shelf, files=FILES):
    for key, data in files.items():
        shelf.put(key, data)


def manifest(gateway, **query):
    body = assert_success(gateway.get("/api/manifest", params=query))
    assert set(body) == {"request_id", "status", "data", "pagination", "meta"}
    assert set(body["data"]) == {"items"}
    return body


def keys_of(body):
    return [file["key"] for item in body["data"]["items"] for file in item["files"]]


def presign(gateway, **body):
    return requests.post(gateway.url + "/api/presign", json=body, timeout=30 * SLOW)


# ---- the manifest ----

@pytest.mark.short
def test_manifest(start, shelf):
    fill(shelf)
    for key in NO_PACKS:
        shelf.put(key)
    gateway = start(**shelf.options())
    assert_success(gateway.post(fresh()))  # a result, which is no pack
    body = manifest(gateway)
    assert body["pagination"] == {"total": 4, "page": 1, "page_size": 50, "total_pages": 1}
    assert set(body["meta"]) == {"version"} and len(body["meta"]["version"]) == 32
    items = body["data"]["items"]
    assert [(i["category"], i["target"]) for i in items] == \
        [("LUTs", "B&W"), ("LUTs", "Film Look"), ("Màu ấm", "Đẹp"), ("Overlays", "dust")]
    assert [i["id"] for i in items] == ["luts/b-w", "luts/film-look", "màu-ấm/Đẹp", "overlays/dust"]
    assert sorted(keys_of(body)) == sorted(FILES)
    for item in items:
        assert set(item) == {"id", "title", "category", "target", "files", "count"}
        assert item["title"] == item["target"] and item["count"] == len(item["files"])
        assert [f["key"] for f in item["files"]] == sorted((f["key"] for f in item["files"]), key=str.encode)
        for file in item["files"]:
            assert set(file) == {"key", "size", "etag", "content_type"}
            assert file["size"] == len(FILES[file["key"]])
            assert file["etag"] and '"' not in file["etag"]
    types = {f["key"]: f["content_type"] for i in items for f in i["files"]}
    assert types["Overlays/dust/1.png"] == "image/png" and types["Overlays/dust/2.jpeg"] == "image/jpeg"
    assert types["LUTs/B&W/x.zip"] == "application/zip" and types["Màu ấm/Đẹp/f.xmp"] == "application/rdf+xml"
    assert manifest(gateway)["data"] == body["data"]


def test_empty_store(start, shelf):
    gateway = start(**shelf.options())
    body = manifest(gateway)
    assert body["data"]["items"] == []
    assert body["pagination"] == {"total": 0, "page": 1, "page_size": 50, "total_pages": 0}


@pytest.mark.short
def test_pages_and_filters(start, disk):
    fill(disk)
    gateway = start(**disk.options())
    first, second = manifest(gateway, page_size=3), manifest(gateway, page_size=3, page=2)
    assert [len(b["data"]["items"]) for b in (first, second)] == [3, 1]
    assert second["pagination"] == {"total": 4, "page": 2, "page_size": 3, "total_pages": 2}
    assert sorted(keys_of(first) + keys_of(second)) == sorted(FILES)
    assert manifest(gateway, page=3, page_size=3)["data"]["items"] == []
    assert manifest(gateway, page_size=500)["pagination"]["page_size"] == 500
    assert manifest(gateway, category="LUTs")["pagination"]["total"] == 2
    assert [i["id"] for i in manifest(gateway, category="luts", target="film look")["data"]["items"]] == ["luts/film-look"]
    assert [i["id"] for i in manifest(gateway, category="Màu ấm")["data"]["items"]] == ["màu-ấm/Đẹp"]
    assert manifest(gateway, target="dust")["pagination"]["total"] == 1
    assert manifest(gateway, category="LUT")["data"]["items"] == []
    assert manifest(gateway, category="", target="")["pagination"]["total"] == 4


@pytest.mark.short
@pytest.mark.parametrize("query", ["page=0", "page=-1", "page=x", "page=", "page=1.5", "page=99999999999999999999",
                                   "page_size=0", "page_size=501", "page_size=+5", "page_size= 5"])
def test_bad_queries(start, disk, query):
    gateway = start(**disk.options())
    assert_error(gateway.get("/api/manifest?" + query), 400, "VALIDATION_ERROR", field=query.split("=")[0])


@pytest.mark.short
def test_validators(start, disk):
    fill(disk)
    gateway = start(**disk.options(PACKS_TTL_MS=1000))
    answer = gateway.get("/api/manifest")
    etag = answer.headers["ETag"]
    assert etag == f'W/"{answer.json()["meta"]["version"]}"'
    for given in (etag, etag[2:], f'"other", {etag}', "*"):
        again = gateway.get("/api/manifest", headers={"If-None-Match": given})
        assert again.status_code == 304 and again.content == b"" and again.headers["ETag"] == etag
    assert gateway.get("/api/manifest", headers={"If-None-Match": 'W/"0"'}).status_code == 200
    head = requests.head(gateway.url + "/api/manifest", timeout=10)
    assert head.status_code == 200 and head.content == b"" and head.headers["ETag"] == etag
    disk.put("LUTs/New/n.cube")
    until(lambda: gateway.get("/api/manifest", headers={"If-None-Match": etag}).status_code == 200)


def test_methods(start, disk):
    gateway = start(**disk.options())
    wrong = requests.post(gateway.url + "/api/manifest", timeout=10)
    assert_error(wrong, 405, "METHOD_NOT_ALLOWED")
    assert wrong.headers["Allow"] == "GET, HEAD"
    wrong = gateway.get("/api/presign")
    assert_error(wrong, 405, "METHOD_NOT_ALLOWED")
    assert wrong.headers["Allow"] == "POST"


def test_changes_are_seen(start, shelf):
    fill(shelf)
    gateway = start(**shelf.options(PACKS_TTL_MS=1000))
    before = manifest(gateway)
    shelf.put("LUTs/New/n.cube", b"new")
    shelf.delete("LUTs/B&W/x.zip")
    shelf.put("Overlays/dust/1.png", b"other bytes")
    after = until(lambda: (b := manifest(gateway))["meta"] != before["meta"] and "LUTs/New/n.cube" in keys_of(b) and b)
    assert "LUTs/B&W/x.zip" not in keys_of(after)
    sizes = {f["key"]: f["size"] for i in after["data"]["items"] for f in i["files"]}
    assert sizes["Overlays/dust/1.png"] == len(b"other bytes")


def test_prefix(start, shelf):
    fill(shelf, {"packs/" + key: data for key, data in FILES.items()})
    shelf.put("Other/pack/x.cube")
    shelf.put("packs2/Other/pack/x.cube")
    gateway = start(**shelf.options(PACKS_PREFIX="packs"))
    body = manifest(gateway)
    assert sorted(keys_of(body)) == sorted("packs/" + key for key in FILES)
    answer = presign(gateway, pack_id="luts/b-w", key="packs/LUTs/B&W/x.zip")
    assert shelf.download(assert_success(answer)["data"]["url"]) == b"zipped"


def test_many_files(start, shelf):
    """More than a bucket tells at once."""
    keys = [f"Textures/Paper/{i:04}.png" for i in range(1005)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(shelf.put, keys))
    gateway = start(**shelf.options())
    body = manifest(gateway)
    assert keys_of(body) == keys and body["data"]["items"][0]["count"] == 1005
    cut = start(**shelf.options(PACKS_MAX_OBJECTS=1001))
    body = manifest(cut)
    assert keys_of(body) == keys[:1001] and body["meta"]["truncated"] is True
    assert "PACKS_MAX_OBJECTS" in cut.records("asset packs")[0]["why"]


# ---- who waits for what ----

def test_first_callers_share_one_listing(start, moto):
    fill(moto)
    gateway = start(**moto.options())
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        bodies = list(pool.map(lambda _: manifest(gateway), range(40)))
    assert all(keys_of(b) == keys_of(bodies[0]) for b in bodies) and keys_of(bodies[0])
    log = (moto.log.name and open(moto.log.name).read()).splitlines()
    assert len([line for line in log if "list-type=2" in line]) == 1


def test_store_stands_still(start, moto):
    """What is known is told at once; who has nothing to be told waits, but not for ever."""
    fill(moto)
    knows = start(**moto.options(PACKS_TTL_MS=1000))
    body = manifest(knows)
    knows_nothing = start(**moto.options(HTTP_TIMEOUT_MS=500))
    moto.process.send_signal(signal.SIGSTOP)
    assert_error(knows_nothing.get("/api/manifest"), 504, "DEADLINE_EXCEEDED")
    with socket.create_connection(("127.0.0.1", knows_nothing.port)) as leaves:
        leaves.sendall(b"GET /api/manifest HTTP/1.1\r\nHost: x\r\n\r\n")
    for _ in range(5):
        assert manifest(knows)["meta"] == body["meta"]
    moto.process.send_signal(signal.SIGCONT)
    until(lambda: knows_nothing.get("/api/manifest").status_code == 200, 30)
    moto.put("LUTs/New/n.cube")
    until(lambda: "LUTs/New/n.cube" in keys_of(manifest(knows)), 30)


def test_store_goes_away(start, moto):
    fill(moto)
    gateway = start(**moto.options(PACKS_TTL_MS=1000, STORE_RETRIES=0))
    body = manifest(gateway)
    knows_nothing = start(**moto.options(STORE_RETRIES=0))
    moto.process.kill()
    moto.process.wait()
    error = assert_error(knows_nothing.get("/api/manifest"), 502, "STORAGE_ERROR", says="could not be listed")
    assert "127.0.0.1" not in error["message"]
    assert_error(presign(knows_nothing, pack_id="luts/b-w", key="LUTs/B&W/x.zip"), 502, "STORAGE_ERROR")
    until(lambda: manifest(gateway) and gateway.records("asset packs"), 20)
    assert manifest(gateway)["meta"] == body["meta"]
    assert assert_success(presign(gateway, pack_id="luts/b-w", key="LUTs/B&W/x.zip"))


def test_stop_while_callers_wait(start, moto):
    gateway = start(**moto.options())
    moto.process.send_signal(signal.SIGSTOP)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(gateway.get, "/api/manifest")
        until(lambda: gateway.status() is not None)
        gateway.signal()
        assert_error(waiting.result(), 503, "DRAINING")
    assert gateway.wait() == 0
    gateway.left = True


# ---- links ----

@pytest.mark.short
def test_links(start, shelf):
    fill(shelf)
    gateway = start(**shelf.options())
    for item in manifest(gateway)["data"]["items"]:
        for file in item["files"]:
            body = assert_success(presign(gateway, pack_id=item["id"], key=file["key"]))
            assert set(body) == {"request_id", "status", "data"} and set(body["data"]) == {"url", "expires_in"}
            assert body["data"]["expires_in"] == 3600
            assert shelf.download(body["data"]["url"]) == FILES[file["key"]]


def test_links_on_the_disk_say_what_they_are(start, disk):
    fill(disk)
    gateway = start(**disk.options(PUBLIC_BASE_URL="https://images.example.com"))
    url = assert_success(presign(gateway, pack_id="overlays/dust", key="Overlays/dust/1.png"))["data"]["url"]
    assert url.startswith("https://images.example.com/files/Overlays/dust/1.png?")
    answer = gateway.get(url.removeprefix("https://images.example.com"))
    assert answer.headers["content-type"] == "image/png" and "immutable" not in answer.headers["cache-control"]
    etag = answer.headers["ETag"]
    listed = [f for i in manifest(gateway)["data"]["items"] for f in i["files"] if f["key"] == "Overlays/dust/1.png"]
    assert etag == f'"{listed[0]["etag"]}"'
    disk.put("Overlays/dust/1.png", b"changed since")
    answer = gateway.get(url.removeprefix("https://images.example.com"), headers={"If-None-Match": etag})
    assert answer.status_code == 200 and answer.content == b"changed since"


@pytest.mark.short
def test_what_gets_no_link(start, shelf):
    fill(shelf)
    for key in NO_PACKS:
        shelf.put(key)
    gateway = start(**shelf.options())
    result = assert_success(gateway.post(fresh()))["data"]["key"]
    wrong = [("luts/none", "LUTs/B&W/x.zip"), ("luts/b-w", "LUTs/Film Look/b.CUBE"), ("luts/b-w", "LUTs/B&W/none.zip"),
             ("luts/b-w", "LUTs/B&W/../B&W/x.zip"), ("LUTs/B&W", "LUTs/B&W/x.zip"), ("luts/b-w", "../signing-key"),
             ("clarity/2026-11-23", result), ("luts/film-look", "LUTs/Film Look/notes.txt"),
             ("comics/a-story", "comics/a-story/page-1.png"), ("luts/b-w", "limner-check")]
    for pack, key in wrong:
        assert_error(presign(gateway, pack_id=pack, key=key), 404, "NOT_FOUND")


@pytest.mark.short
def test_bad_bodies(start, disk):
    fill(disk)
    gateway = start(**disk.options(JSON_LIMIT="4kb"))
    good = {"pack_id": "luts/b-w", "key": "LUTs/B&W/x.zip"}
    for field in good:
        for bad in ({k: v for k, v in good.items() if k != field}, good | {field: ""}, good | {field: 7},
                    good | {field: None}, good | {field: ["LUTs"]}):
            assert_error(presign(gateway, **bad), 400, "VALIDATION_ERROR", field=field)
    for bad in ("", "nonsense", "[]", '"text"', '{"pack_id":', "{}x", "\xff", '{"key":"a","key":"b"}', "[" * 3000):
        answer = requests.post(gateway.url + "/api/presign", data=bad.encode("latin-1"), timeout=10)
        assert_error(answer, 400, "VALIDATION_ERROR", field="body")
    large = json.dumps(good | {"more": "x" * 5000})
    assert_error(requests.post(gateway.url + "/api/presign", data=large, timeout=10), 413, "PAYLOAD_TOO_LARGE")
    chunks = (piece for piece in [b" " * 3000, b" " * 3000, large.encode()])
    assert_error(requests.post(gateway.url + "/api/presign", data=chunks, timeout=10), 413, "PAYLOAD_TOO_LARGE")
    assert_success(presign(gateway, **good))


def test_half_a_body(start, disk):
    gateway = start(**disk.options())
    for text in (b"", b'{"pack_id"'):
        with socket.create_connection(("127.0.0.1", gateway.port)) as s:
            s.sendall(b"POST /api/presign HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n" + text)
    manifest(gateway)


# ---- limits ----

@pytest.mark.short
def test_rate_limits(start, disk):
    fill(disk)
    gateway = start(**disk.options(RATE_LIMITS="on"))
    answers = [gateway.get("/api/manifest") for _ in range(31)]
    assert [a.status_code for a in answers] == [200] * 30 + [429]
    assert answers[0].headers["RateLimit-Limit"] == "30" and answers[0].headers["RateLimit-Remaining"] == "29"
    assert_error(answers[30], 429, "RATE_LIMIT_EXCEEDED", says="30 requests a minute")
    assert answers[30].headers["RateLimit-Remaining"] == "0"
    answers = [presign(gateway, pack_id="luts/b-w", key="LUTs/B&W/x.zip") for _ in range(21)]
    assert [a.status_code for a in answers] == [200] * 20 + [429]
    assert answers[3].headers["RateLimit-Policy"] == "20;w=60"
    assert gateway.get("/health").status_code == 200


@pytest.mark.short
def test_keys_are_asked_for(start, disk):
    fill(disk)
    key = "0123456789abcdef"
    gateway = start(**disk.options(API_KEYS=f"app:{key}"))
    assert_error(gateway.get("/api/manifest"), 401, "UNAUTHORIZED")
    assert_error(presign(gateway, pack_id="luts/b-w", key="LUTs/B&W/x.zip"), 401, "UNAUTHORIZED")
    assert assert_success(gateway.get("/api/manifest", headers={"x-api-key": key}))
    assert gateway.get("/health").status_code == 200
