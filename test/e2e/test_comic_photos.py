"""Comics of photos: /api/comic/from-photos. Drawn on this machine, from real photos; what is wrong is said of which one."""
import hashlib
import io
import random
import time
import zipfile

import pytest
import requests
from jsonschema import Draft202012Validator
from PIL import Image

from gateway import SLOW, assert_error, assert_success, refusal, until
from jobs import ASYNC, cancel, ended, events, job
from pictures import damaged_png, decode, encode, fresh, photo, sample
from test_openapi import assert_told

ROUTE = "/api/comic/from-photos"
PHOTOS = [sample(name) for name in ("astronaut.jpg", "coffee.jpg", "chelsea.png", "portrait-small.jpg")]
PAGE = (1080, 1620)


def ask(gateway, photos, fields=None, name="photos", **more):
    """A form with the photos as files, in this order, in front of the fields."""
    files = [(name, (f"{i}.jpg", data)) for i, data in enumerate(photos)]
    return gateway.post(route=ROUTE, files=files, fields=fields, **more)


def digests(photos):
    return [f"sha256:{hashlib.sha256(data).hexdigest()}" for data in photos]


def fetch(url):
    answer = requests.get(url, timeout=30 * SLOW)
    assert answer.status_code == 200
    return answer


def panels(body):
    return [panel for page in body["pages"] for panel in page["panels"]]


def pages_of(body):
    return [decode(fetch(page["page_url"]).content) for page in body["pages"]]


def colours(image, left, top, right, bottom):
    """The mean colour of a part, given in parts of the whole."""
    w, h = image.size
    piece = image.convert("RGB").crop((int(left * w), int(top * h), int(right * w), int(bottom * h))).resize((1, 1))
    return piece.getpixel((0, 0))


# ---- what it makes ----

def test_a_comic_of_photos(local):
    words = {"title": "Một ngày lạ", "cover": "true", "format": "pdf", "dialogues": '["Hello there!","","Đậm đà quá!"]',
             "speakers": "Anna\n\nnarrator", "emotions": '["furious",null,"grue"]', "captions": "Six in the morning"}
    body = assert_success(ask(local, [*PHOTOS, PHOTOS[0]], words))
    assert body["title"] == "Một ngày lạ" and body["story_id"].startswith("mot-ngay-la-")
    assert [len(page["panels"]) for page in body["pages"]] == [3, 2]
    assert [page["page_index"] for page in body["pages"]] == [0, 1]
    assert [panel["id"] for panel in panels(body)] == [1, 2, 3, 1, 2]
    assert [panel["photo"] for panel in panels(body)] == [0, 1, 2, 3, 4]
    assert panels(body)[0] | {"id": 1, "dialogue": "Hello there!", "speaker": "Anna", "emotion": "angry",
                              "caption": "Six in the morning"} == panels(body)[0]
    assert [panel["dialogue"] for panel in panels(body)] == ["Hello there!", "", "Đậm đà quá!", "", ""]
    assert [panel["emotion"] for panel in panels(body)][1:] == ["neutral"] * 4
    assert all(page.size == PAGE for page in pages_of(body))
    assert [page["key"] for page in body["pages"]] == [f"comics/{body['story_id']}/page-{n}.png" for n in (1, 2)]
    assert body["data"]["key"] == body["pages"][0]["key"]
    assert decode(fetch(body["data"]["cover"]["url"]).content).size == PAGE
    book = fetch(body["data"]["document"]["url"])
    assert book.headers["Content-Type"] == "application/pdf" and book.content.startswith(b"%PDF-")
    meta = body["meta"]
    assert meta["photos_digest"] == digests([*PHOTOS, PHOTOS[0]])
    assert (meta["style"], meta["ran_on"], meta["model"], meta["cost_usd"]) == ("cartoon", "local", "limner-cartoon", 0)


def test_panels_are_the_photos_in_their_order(local):
    """One above the other: the page's halves have the colours of their photos."""
    plain = [encode(photo(300, 200).resize((1, 1)).resize((300, 200)), "PNG"),
             encode(photo(300, 200, "coffee.jpg", 0).point(lambda v: v // 3), "PNG")]
    upright, turned = ([pages_of(assert_success(ask(local, order, {"style": "none"})))[0] for order in
                        (plain, plain[::-1])])
    top, bottom = (0.1, 0.1, 0.9, 0.4), (0.1, 0.6, 0.9, 0.9)
    assert colours(upright, *top) != colours(upright, *bottom)
    for one, other in ((top, bottom), (bottom, top)):
        assert all(abs(a - b) <= 3 for a, b in zip(colours(upright, *one), colours(turned, *other)))


@pytest.mark.parametrize("style", ["watercolor", "sketches"])
def test_a_style_shows(local, style):
    two = [fresh(160, 120, "JPEG"), fresh(160, 120, "JPEG")]
    drawn = pages_of(assert_success(ask(local, two, {"style": style})))[0]
    plain = pages_of(assert_success(ask(local, two, {"style": "none"})))[0]
    assert drawn.tobytes() != plain.tobytes()


def test_a_book_for_readers(local):
    body = assert_success(ask(local, PHOTOS[:2], {"style": "none", "format": "cbz", "panels_per_page": "1"}))
    book = fetch(body["data"]["document"]["url"])
    assert book.headers["Content-Type"] == "application/vnd.comicbook+zip"
    names = zipfile.ZipFile(io.BytesIO(book.content)).namelist()
    assert [n for n in names if n.endswith(".png")] == ["001.png", "002.png"]
    assert len(body["pages"]) == 2 and "cover" not in body["data"] and "title" not in body


def test_the_most_there_can_be(local):
    twelve = [fresh(100, 80, "JPEG") for _ in range(12)]
    body = assert_success(ask(local, twelve, {"style": "none", "panels_per_page": "1", "cover": "on", "format": "pdf"}))
    assert len(body["pages"]) == 12 and len(local.objects()) >= 14
    assert body["meta"]["photos_digest"] == digests(twelve)


def test_answers_are_as_the_document_says(local):
    document = local.get("/openapi.json").json()
    schema = {"$ref": "#/components/schemas/ComicPhotosAnswer", "components": document["components"]}
    for fields in ({"style": "none"}, {"style": "none", "title": "x", "cover": "1", "format": "cbz", "captions": "x"}):
        body = assert_success(ask(local, PHOTOS[:2], fields))
        assert not [e.message for e in Draft202012Validator(schema).iter_errors(body)]
        assert_told(body, {"$ref": "#/components/schemas/ComicPhotosAnswer"})


# ---- every way of sending them ----

def test_names_of_the_file_field(local):
    files = [("photos[]", ("a", PHOTOS[0])), ("photo2", ("b", PHOTOS[1])), ("photos", ("", b"")), ("photo1", ("c", PHOTOS[3]))]
    body = assert_success(local.post(route=ROUTE, files=files, fields={"style": "none"}))
    assert body["meta"]["photos_digest"] == digests([PHOTOS[0], PHOTOS[1], PHOTOS[3]])


@pytest.mark.short
def test_files_addresses_and_digests_mixed(start, photo_server):
    gateway = start(PROVIDERS="local", UPLOADS_KEEP_MB=32, ALLOW_PRIVATE_FETCH="on")
    first = assert_success(ask(gateway, PHOTOS[:2], {"style": "none"}))
    known = first["meta"]["photos_digest"]
    form = [("photos_digest", (None, known[1])), ("photos", ("x", PHOTOS[2])),
            ("photos_url", (None, photo_server.url)), ("style", (None, "none"))]
    mixed = assert_success(gateway.post(route=ROUTE, files=form))
    assert mixed["meta"]["photos_digest"] == [known[1], *digests([PHOTOS[2], PHOTOS[3]])]
    as_json = {"photos_digest": [known[1], digests([PHOTOS[2]])[0]], "photos_url": [photo_server.url], "style": "none"}
    again = assert_success(requests.post(gateway.url + ROUTE, json=as_json, timeout=60 * SLOW))
    assert again["meta"]["cached"] and again["meta"]["photos_digest"] == mixed["meta"]["photos_digest"]
    urlencoded = {"photos_digest": known[::-1], "style": "none", "captions": ["one", "two"]}
    turned = assert_success(requests.post(gateway.url + ROUTE, data=urlencoded, timeout=60 * SLOW))
    assert not turned["meta"]["cached"] and turned["meta"]["photos_digest"] == known[::-1]
    assert [panel["caption"] for panel in panels(turned)] == ["one", "two"]


@pytest.fixture
def photo_server():
    """Any address of it is a photo, the one that it names if it names one. It notes what was asked for, and how much of it at once."""
    import http.server
    import threading

    class Photo(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            with self.server.lock:
                self.server.seen.append(self.path)
                self.server.running += 1
                self.server.most = max(self.server.most, self.server.running)
            time.sleep(self.server.pause)
            with self.server.lock:
                self.server.running -= 1
            body = self.server.files.get(self.path, PHOTOS[3])
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Photo)
    server.lock, server.seen, server.running, server.most, server.pause, server.files = threading.Lock(), [], 0, 0, 0, {}
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_addresses_two_at_a_time(start, photo_server):
    """The stage's time is that of each two."""
    gateway = start(PROVIDERS="local", ALLOW_PRIVATE_FETCH="on", FETCH_TIMEOUT_MS=int(2000 * SLOW))
    large = encode(Image.frombytes("RGB", (800, 800), random.randbytes(3 * 800 * 800)), "PNG")  # it goes into a file
    twelve = [large, *(fresh(64, 48, "JPEG") for _ in range(11))]
    photo_server.files = {f"/{i}.jpg": data for i, data in enumerate(twelve)}
    photo_server.pause = 0.5 * SLOW
    fields = {"photos_url": [f"{photo_server.url}/{i}.jpg" for i in range(12)], "style": "none"}
    body = assert_success(requests.post(gateway.url + ROUTE, json=fields, timeout=60 * SLOW))
    assert body["meta"]["photos_digest"] == digests(twelve)
    assert photo_server.most == 2 and len(photo_server.seen) == 12


def test_nothing_is_fetched_behind_a_failure(start, photo_server):
    gateway = start(PROVIDERS="local", ALLOW_PRIVATE_FETCH="on")
    photo_server.files = {"/1.jpg": b""}
    photo_server.pause = 0.2
    fields = {"photos_url": [f"{photo_server.url}/{i}.jpg" for i in range(1, 13)], "style": "none"}
    answer = requests.post(gateway.url + ROUTE, json=fields, timeout=60 * SLOW)
    assert_error(answer, 400, "VALIDATION_ERROR", "photos_url", "Picture 1: The picture cannot be fetched")
    time.sleep(1)
    assert len(photo_server.seen) <= 3


@pytest.mark.parametrize(["count", "more", "field", "says"], [
    (1, {}, "photos", "there is 1"), (13, {}, "photos", "at most 12"),
    (2, {"captions": ["a", "b", "c"]}, "captions", "3 texts, but there are 2 pictures")], ids=["one", "13", "texts"])
def test_what_is_forbidden_is_not_fetched(start, photo_server, count, more, field, says):
    gateway = start(PROVIDERS="local", ALLOW_PRIVATE_FETCH="on")
    fields = {"photos_url": [f"{photo_server.url}/{i}.jpg" for i in range(count)]} | more
    answer = requests.post(gateway.url + ROUTE, json=fields, timeout=30 * SLOW)
    assert_error(answer, 400, "VALIDATION_ERROR", field, says)
    assert not photo_server.seen


def test_all_lists_as_repeated_fields(local):
    twelve = [fresh(64, 48, "JPEG") for _ in range(12)]
    texts = {"dialogues": [f"d{i}" for i in range(12)], "captions": [f"c{i}" for i in range(12)]}
    body = assert_success(ask(local, twelve, texts | {"style": "none"}))
    assert [(p["dialogue"], p["caption"]) for p in panels(body)] == [(f"d{i}", f"c{i}") for i in range(12)]
    more = texts | {"captions": ["c"] * 13}
    assert_error(ask(local, twelve, more), 400, "VALIDATION_ERROR", "captions", "at most 12")
    for name in ("photos", "captions", "dialogues[]"):
        endless = [(name, ("", b"") if name == "photos" else (None, "x"))] * 50
        assert_error(local.post(route=ROUTE, files=endless), 400, "VALIDATION_ERROR", says="more than 32 fields")


def test_a_file_input_that_nobody_used(local):
    twelve = [("photos", (f"{i}.jpg", fresh(64, 48, "JPEG"))) for i in range(12)]
    nobody = ("photos", ("", b"", "application/octet-stream"))
    for files in ([*twelve, nobody], [nobody, *twelve], [*twelve[:5], nobody, *twelve[5:], nobody]):
        body = assert_success(local.post(route=ROUTE, files=files, fields={"style": "none"}))
        assert body["meta"]["photos_digest"] == digests(data for _, (_, data) in twelve)
    unnamed = ("photos", ("", fresh(64, 48, "JPEG"), "image/jpeg"))
    assert_error(local.post(route=ROUTE, files=[*twelve, unnamed]), 400, "VALIDATION_ERROR", "photos", "at most 12")
    assert_success(local.post(route=ROUTE, files=[*twelve[:11], unnamed], fields={"style": "none"}))


@pytest.mark.short
def test_lists_however_they_are_sent(local):
    two = [fresh(64, 48, "JPEG"), fresh(64, 48, "JPEG")]
    ways = [{"dialogues": '["Hi <b>&", "there"]'}, {"dialogues": "Hi <b>&\r\nthere\n"}, {"dialogues": ["Hi <b>&", "there"]},
            {"dialogues[]": ["Hi <b>&", " there "]}]
    bodies = [assert_success(ask(local, two, way | {"style": "none"})) for way in ways]
    assert [body["meta"]["cached"] for body in bodies] == [False, True, True, True]
    assert all([p["dialogue"] for p in panels(body)] == ["Hi <b>&", "there"] for body in bodies)


# ---- what is wrong ----

@pytest.mark.short
@pytest.mark.parametrize(["photos", "says"], [
    ([], "there are 0"), (PHOTOS[:1], "there is 1"), (PHOTOS * 3 + PHOTOS[:1], "at most 12")], ids=["none", "one", "13"])
def test_too_few_and_too_many(local, photos, says):
    with refusal(local, "comicPhotos"):
        answer = ask(local, photos) if photos else local.post(route=ROUTE, fields={"style": "none"})
        assert_error(answer, 400, "VALIDATION_ERROR", "photos", says)


@pytest.mark.parametrize(["bad", "status", "code", "says"], [
    (PHOTOS[1][:40000], 400, "VALIDATION_ERROR", "Picture 3: The image is cut off"),
    (b"", 400, "VALIDATION_ERROR", "Picture 3: The file is empty"),
    (b"words", 415, "UNSUPPORTED_MEDIA_TYPE", "Picture 3")], ids=["cut", "empty", "words"])
def test_the_bad_one_is_named(local, bad, status, code, says):
    with refusal(local, "comicPhotos"):
        assert_error(ask(local, [*PHOTOS[:2], bad, PHOTOS[3]], {"style": "none"}), status, code, "photos", says)


@pytest.mark.parametrize("style", ["none", "cartoon"])
def test_one_that_cannot_be_decoded_is_named(local, style):
    with refusal(local, "comicPhotos", ran=True):
        answer = ask(local, [fresh(), damaged_png(), fresh()], {"style": style})
        assert_error(answer, 400, "VALIDATION_ERROR", "photos", "Picture 2: ")


@pytest.mark.parametrize("size", [(1, 600_000), (600_000, 1), (3, 2)])
def test_photos_of_odd_shape(local, size):
    """As thin as a decoder allows: the page is drawn all the same."""
    odd = encode(Image.new("L", size, 90), "PNG")
    body = assert_success(ask(local, [odd, PHOTOS[3]]))
    assert [page.size for page in pages_of(body)] == [PAGE]


@pytest.mark.parametrize(["fields", "field", "says"], [
    ({"dialogues": "x" * 20000}, "dialogues", "at most 140 characters"),
    ({"captions": "x" * 200000}, "captions", "at most 140 characters"),
    ({"dialogues": '["a","b","c"]'}, "dialogues", "3 texts, but there are 2 pictures"),
    ({"speakers": '["a","b"'}, "speakers", "JSON array"),
    ({"dialogues": "a\x01"}, "dialogues", "Text 1"),
    ({"style": "manga"}, "style", "cartoon, anime"),
    ({"panels_per_page": "7"}, "panels_per_page", "from 1 to 6"),
    ({"dialogue": "x"}, "dialogue", '"dialogues"'),
    ({"photo": "x"}, "photo", '"photos"'),
    ({"photos_digest": "sha256:"}, "photos_digest", "64 hex")], ids=lambda v: str(v)[:20])
def test_bad_fields(local, fields, field, says):
    with refusal(local, "comicPhotos"):
        assert_error(ask(local, PHOTOS[:2], fields), 400, "VALIDATION_ERROR", field, says)


@pytest.mark.short
def test_bad_json(local):
    wrong = [({"photos": ["https://example.com/a"]}, "photos", "photos_url"),
             ({"photos_url": [1, 2]}, "photos_url", "Item 1"), ({"photos_url": {"a": 1}}, "photos_url", "expected"),
             ({"photos_url": ["http://127.0.0.1:1/a", "http://127.0.0.1:1/b"]}, "photos_url", "cannot be fetched"),
             ({"dialogues": [7]}, "dialogues", "Item 1")]
    for body, field, says in wrong:
        answer = requests.post(local.url + ROUTE, json=body, timeout=30 * SLOW)
        assert_error(answer, 400, "VALIDATION_ERROR", field, says)


def test_no_batch(local):
    items = {"feature": ROUTE, "items": [{"photos_url": ["https://example.com/a.jpg", "https://example.com/b.jpg"]}]}
    answer = requests.post(local.url + "/api/batch", json=items, timeout=30)
    assert_error(answer, 400, "VALIDATION_ERROR", "feature", "one picture each")


def test_no_machine_to_draw_on(start):
    gateway = start(PROVIDERS="replicate", REPLICATE_API_TOKEN="nobody")
    assert_error(ask(gateway, PHOTOS[:2]), 503, "PROVIDER_UNAVAILABLE")
    assert gateway.get("/readyz").json()["checks"]["provider.replicate"] == "ok"  # it is not missed


# ---- the same again, and jobs ----

def test_the_same_again(local):
    three = [fresh(64, 48, "JPEG") for _ in range(3)]
    first = assert_success(ask(local, three, {"style": "none", "dialogues": "Hi"}))
    again = assert_success(ask(local, three, {"style": "none", "dialogues": "Hi\n\n"}))
    assert again["meta"]["cached"] and again["pages"][0]["key"] == first["pages"][0]["key"]
    assert panels(again) == panels(first)
    other = assert_success(ask(local, three[::-1], {"style": "none", "dialogues": "Hi"}))
    assert not other["meta"]["cached"] and other["story_id"] != first["story_id"]
    assert pages_of(again)[0].tobytes() == pages_of(first)[0].tobytes()


def test_as_a_job(local):
    four = [fresh(64, 48, "JPEG") for _ in range(4)]
    accepted = ask(local, four, {"style": "none", "panels_per_page": "2"}, headers=ASYNC)
    assert accepted.status_code == 202
    done = ended(local, accepted.json()["data"]["job_id"], 60)
    assert done["state"] == "completed", done
    assert done["result"]["meta"]["photos_digest"] == digests(four)
    assert events(local, done["job_id"])[-1][1] == "completed"
    assert_success(ask(local, four, {"style": "none", "panels_per_page": "2"}))


@pytest.mark.short
def test_idempotency(local):
    two, key = [fresh(64, 48, "JPEG"), fresh(64, 48, "JPEG")], {"Idempotency-Key": f"comic-{time.time_ns()}"}
    first = assert_success(ask(local, two, {"style": "none"}, headers=key))
    again = ask(local, two, {"style": "none"}, headers=key)
    assert assert_success(again)["story_id"] == first["story_id"]
    assert again.headers["Idempotent-Replayed"] == "true"
    for photos, fields in ((two[::-1], {"style": "none"}), (two, {"style": "none", "captions": "new"})):
        assert_error(ask(local, photos, fields, headers=key), 422, "IDEMPOTENCY_MISMATCH")


def test_a_job_goes_on_after_a_restart(start, tmp_path):
    data = tmp_path / "kept"
    before = start(PROVIDERS="local", DATA_DIR=data, LOCAL_THREADS=1)
    five = [fresh(400, 300, "JPEG") for _ in range(5)]
    accepted = ask(before, five, {"style": "oil-painting"}, headers=ASYNC).json()["data"]
    until(lambda: job(before, accepted["job_id"])["state"] == "running", 30)
    before.process.kill()
    before.process.wait()
    before.left = True
    after = start(PROVIDERS="local", DATA_DIR=data)
    done = ended(after, accepted["job_id"], 120)
    assert done["state"] == "completed" and done["result"]["meta"]["photos_digest"] == digests(five)
    until(lambda: not [f for f in (data / "jobs").rglob("*") if f.is_file()], 5)


def test_cancel(start):
    gateway = start(PROVIDERS="local", LOCAL_THREADS=1)
    twelve = [fresh(400, 300, "JPEG") for _ in range(12)]
    accepted = ask(gateway, twelve, {"style": "oil-painting"}, headers=ASYNC).json()["data"]
    progress = until(lambda: job(gateway, accepted["job_id"]).get("progress"), 60)
    assert progress["done"] >= 1 and progress["total"] == 15  # twelve photos, three pages
    cancel(gateway, accepted["job_id"])
    begun = time.monotonic()
    done = ended(gateway, accepted["job_id"], 30)
    assert done["state"] == "canceled"
    until(lambda: gateway.limiter("local")["running"] == 0, 30)
    assert time.monotonic() - begun < 30 * SLOW
    assert not gateway.objects()
