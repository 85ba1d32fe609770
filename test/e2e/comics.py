"""Comics, as their callers see them, and what they take upstream."""
import concurrent.futures
import io
import re

import requests
from PIL import Image

from gateway import SLOW, assert_success, until

STORY, PAGE = "/api/story-comic/generate", "/api/comic/generate"
PROMPT = "Một cô bé gấp con rồng giấy rồi đi tìm ngọn gió bị đánh cắp"
GEMINI, ANIMAGINE = "google/gemini-2.5-flash", "cjwbw/animagine-xl-3.1"
WIDTH, HEIGHT = 1080, 1620
WRITES, DRAWS = {"call": "create", "model": GEMINI}, {"call": "create", "model": ANIMAGINE}
MUST = ("masterpiece", "best quality", "anime style", "vibrant colors", "high quality", "detailed background", "no text",
        "no speech bubble")
BANNED = ("manga", "screentone", "black and white", "sim_")


def tell(gateway, prompt=PROMPT, route=STORY, headers=None, **more):
    """Asked with JSON; the answer as it came."""
    return requests.post(gateway.url + route, json={"prompt": prompt, **more}, headers=headers, timeout=120 * SLOW)


def many(gateway, orders):
    """All at once; their answers in this order."""
    with concurrent.futures.ThreadPoolExecutor(len(orders)) as pool:
        return list(pool.map(lambda order: tell(gateway, **order), orders))


def story(answer, pages=3, panels=4):
    """A story as the contract has it."""
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["status"] == "success" and body["request_id"] == answer.headers["x-request-id"]
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", body["story_id"])
    assert [p["page_index"] for p in body["pages"]] == list(range(pages))
    for n, page in enumerate(body["pages"], 1):
        assert page["key"] == f"comics/{body['story_id']}/page-{n}.png"
        assert page["page_url"] and page["presigned_url"]
        assert [p["id"] for p in page["panels"]] == list(range(1, panels + 1))
        assert all({"id", "dialogue", "speaker", "emotion"} <= set(p) for p in page["panels"])
        assert all(len(p["dialogue"]) <= 70 for p in page["panels"])
    meta = body["meta"]
    assert meta["model"] == {"llm": GEMINI, "image": ANIMAGINE}
    assert [(p["page_index"], p["panel_count"]) for p in meta["pages"]] == [(i, panels) for i in range(pages)]
    told = [beat["id"] for beat in meta["outline"]["beats"]]
    assert 8 <= len(told) <= 12 and [i for p in meta["pages"] for i in p["beats"]] == told
    return body


def one_page(answer, panels=4):
    """/api/comic/generate has the usual shape, and page_url."""
    body = assert_success(answer)
    assert body["page_url"] == body["data"]["url"] and body["data"]["presigned_url"]
    assert body["data"]["key"] == f"comics/{body['meta']['story_id']}/page-1.png"
    assert body["meta"]["model"] == {"llm": GEMINI, "image": ANIMAGINE}
    shown = body["meta"]["panels"]
    assert (shown if isinstance(shown, int) else len(shown)) == panels
    return body


def drawn(gateway, url):
    """A page, whole and of its size; its bytes."""
    answer = requests.get(gateway.url + "/files/" + url.partition("/files/")[2], timeout=30)
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/png"
    image = Image.open(io.BytesIO(answer.content))
    image.load()
    assert (image.format, image.size) == ("PNG", (WIDTH, HEIGHT))
    return answer.content


def sources(body):
    """Where the outline and each page's words came from: "model", "repaired", "fallback"."""
    return [body["meta"]["outline"]["source"], *(p["source"] for p in body["meta"]["pages"])]


def created(cloud):
    """How many texts and how many panels were paid for."""
    models = cloud.upstream.record()["models"]
    return tuple(models.get(name, {}).get("created", 0) for name in (GEMINI, ANIMAGINE))


def inputs(cloud, model):
    return [p["input"] for p in cloud.upstream.predictions() if p["model"] == model]


def highest(cloud):
    """How many predictions of the class there were at once at most."""
    return cloud.upstream.record()["highest"].get("comic", 0)


def slots_free(gateway):
    """Nobody holds one, nobody waits for one, and the metrics say so."""
    gateway.wait_idle()

    def free():
        text = gateway.get("/metrics?format=prometheus").text
        found = re.findall(r'^limner_inflight\{[^}]*class="comic"[^}]*\} (\S+)$', text, re.M)
        return found and all(float(n) == 0 for n in found)
    until(free, 5)
    assert gateway.limiter("comic") is None or gateway.limiter("comic")["running"] == 0


def stored(gateway):
    """What there is of comics."""
    return [key for key in gateway.objects() if key.startswith("comics/")]


def nothing_left(cloud, gateway):
    """After a failure: no page, no note, nothing half done; no slot is held, and nothing runs upstream."""
    until(lambda: not gateway.objects(), 5)
    slots_free(gateway)
    cloud.over()


def thumbnails(value):
    """All pictures that are told as data: addresses, anywhere in a document."""
    if isinstance(value, str):
        return [value] if value.startswith("data:image/") else []
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [found for one in inner for found in thumbnails(one)]
