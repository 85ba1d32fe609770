"""Replicate's official clients, unmodified, with nothing changed but their base URL: Python's and JavaScript's."""
import base64
import io
import json
import os
import shutil
import subprocess

import pytest
import replicate
import requests
from PIL import Image
from replicate.exceptions import ModelError, ReplicateError

from cloud import CREATE, ESRGAN
from gateway import ROOT, SLOW, until
from pictures import encode

KEY = "app:0123456789abcdef-app"
VERSION = "f121d640bd286e1fdc67f9799164c1d5be36ff74576ee11c803ae5b665dd46aa"
FLUX, GEMINI = "black-forest-labs/flux-kontext-pro", "google/gemini-2.5-flash"
REF = f"{ESRGAN}:{VERSION}"
CLIENT = ROOT / "test" / "e2e" / "replicate_client.cjs"
MODULE = ROOT / "deps" / "node" / "node_modules" / "replicate"


@pytest.fixture
def gateway(bare):
    """It wants an API key, which upstream never hears of."""
    made = bare.start(API_KEYS=KEY)
    yield made
    assert bare.upstream.leaks("0123456789abcdef") == []


@pytest.fixture
def python(gateway):
    client = replicate.Client(api_token="0123456789abcdef-app", base_url=gateway.url, timeout=30)
    client.poll_interval = 0.02
    return client


@pytest.fixture
def javascript(gateway):
    """javascript((scenario, {…}), …): what came of each."""
    if not shutil.which("node") or not MODULE.exists():
        pytest.skip("there is no node, or no client: tools/deps --dev brings both")

    def ask(*steps):
        done = subprocess.run([shutil.which("node"), CLIENT, MODULE, gateway.url + "/v1", "0123456789abcdef-app",
                               json.dumps(steps)], capture_output=True, text=True, timeout=60 * SLOW, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return ask


def picture(size=(40, 30)):
    return encode(Image.new("RGB", size, "teal"), "PNG")


def data_url(data=None):
    return "data:image/png;base64," + base64.b64encode(data or picture()).decode()


def size_of(address):
    return Image.open(io.BytesIO(requests.get(address, timeout=10).content)).size


def leads_here(gateway, shown):
    for name in ("get", "cancel", "web"):
        assert shown["urls"][name].startswith(f"{gateway.url}/v1/predictions/{shown['id']}")


# ---- Python ----

def test_run(python, bare):
    assert str(python.run(REF, input={"image": data_url(), "scale": 2})).endswith(".png")
    assert str(python.run(FLUX, input={"prompt": "a tree"})).endswith(".png")
    assert "".join(python.run(GEMINI, input={"prompt": "tea"})) == "A short answer to: tea"
    assert bare.upstream.count("created") == 3
    assert all(dict(r["headers"])["Prefer"] == "wait=60" for r in bare.upstream.requests("create"))


def test_run_with_files(python, bare):
    """Small ones in the input, larger ones as an upload: both in the ways the client has."""
    small, large = picture(), encode(Image.frombytes("RGB", (900, 700), os.urandom(900 * 700 * 3)), "PNG")
    assert len(large) > 1_000_000
    for data in (small, large):
        address = python.run(REF, input={"image": io.BytesIO(data), "scale": 2})
        assert size_of(address) == tuple(2 * n for n in Image.open(io.BytesIO(data)).size)
    inline = python.run(REF, input={"image": io.BytesIO(small), "scale": 3}, file_encoding_strategy="base64")
    assert size_of(inline) == (120, 90)
    assert bare.upstream.count("file_create") == 2


def test_create_get_wait_list(python, gateway, bare):
    bare.upstream.set(boot_s=0.05, run_s=0.3)
    made = python.predictions.create(version=VERSION, input={"image": data_url()})
    assert (made.status, made.output) == ("starting", None)
    leads_here(gateway, made.dict())
    made.wait()
    assert made.status == "succeeded" and made.metrics["predict_time"] >= 0.3
    got = python.predictions.get(made.id)
    assert got.output == made.output
    assert [p.id for p in python.predictions.list()] == [made.id]
    assert bare.upstream.count("list") == 0  # others' predictions are nobody's business


@pytest.mark.parametrize("wait", [1, 10])
def test_wait_modes(python, bare, wait):
    """Shorter than it takes, and longer."""
    bare.upstream.set(run_s=1.3 if wait == 1 else 0.3, picture="fixed")
    made = python.predictions.create(version=VERSION, input={"image": data_url()}, wait=wait)
    assert (made.status == "succeeded") == (wait == 10)
    made.wait()
    assert made.status == "succeeded"


def test_cancel(python, bare):
    bare.upstream.set(run_s=60)
    made = python.predictions.create(version=VERSION, input={"image": data_url()})
    made.cancel()
    assert made.status == "canceled"
    assert python.predictions.get(made.id).status == "canceled"
    bare.over()


def test_errors(python, bare):
    with pytest.raises(ReplicateError) as refused:
        python.run(FLUX, input={"prompt": "a tree", "output_format": "webp"})
    assert refused.value.status == 422 and "input.output_format" in refused.value.detail
    with pytest.raises(ReplicateError) as missing:
        python.models.predictions.create(ESRGAN, input={"image": data_url()})
    assert missing.value.status == 404
    bare.upstream.script({"match": CREATE, "do": "oom"})
    with pytest.raises(ModelError, match="E1001"):
        python.run(FLUX, input={"prompt": "a tree"})
    stranger = replicate.Client(api_token="0123456789abcdef-not", base_url=python._base_url)
    with pytest.raises(ReplicateError) as unknown:
        stranger.run(FLUX, input={"prompt": "x"})
    assert unknown.value.status == 401 and unknown.value.title


def test_models_and_files(python):
    version = python.models.get(ESRGAN).latest_version
    assert version.id == VERSION
    assert "scale" in version.openapi_schema["components"]["schemas"]["Input"]["properties"]
    made = python.files.create(io.BytesIO(b"some text"), filename="a.txt", content_type="text/plain")
    assert made.size == 9
    assert python.files.get(made.id).content_type == "text/plain"
    python.files.delete(made.id)
    with pytest.raises(ReplicateError) as gone:
        python.files.get(made.id)
    assert gone.value.status == 404


def test_stream(python, bare):
    bare.upstream.set(streams=True)
    events = list(python.stream(GEMINI, input={"prompt": "tea"}))
    assert "".join(str(e) for e in events) == "A short answer to: tea"
    assert events[-1].event.value == "done"


# ---- JavaScript ----

def run(ref, **more):
    return "run", {"ref": ref, "input": more.pop("input", None) or {"prompt": "a tree"}, **more}


def test_js_run(javascript, bare):
    bare.upstream.script({"match": {"call": "create", "nth": 4}, "do": "life", "wait_s": 0, "run_polls": 1})
    enlarged, drawn, said, polled, refused, again = javascript(
        run(REF, input={"image": data_url(), "scale": 2}), run(FLUX), run(GEMINI, input={"prompt": "tea"}),
        run(FLUX, input={"prompt": "b"}, options={"wait": {"mode": "poll", "interval": 20}}),
        run(FLUX, input={"prompt": "c", "output_format": "webp"}), run(FLUX))
    assert enlarged.endswith(".png") and polled.endswith(".png")
    assert "".join(said) == "A short answer to: tea"
    assert refused["status"] == 422 and "input.output_format" in refused["error"]
    assert again == drawn and bare.upstream.count("created") == 4


def test_js_files(javascript, bare):
    bare.upstream.script({"match": {"call": "file_create", "nth": 2}, "do": "400"})
    png = base64.b64encode(picture()).decode()
    enlarged, refused, files = javascript(("file", {"ref": REF, "png": png}), ("file", {"ref": REF, "png": png}), ("files", {}))
    assert enlarged.endswith(".png")
    assert "status 400" in refused["error"]
    assert files["made"]["size"] == 9 and files["got"]["id"] == files["made"]["id"] and files["gone"] is True


def test_js_life(javascript, gateway, bare):
    bare.upstream.set(boot_s=0.05, run_s=0.2, streams=True)
    bare.upstream.script({"match": {"call": "create", "nth": 2}, "do": "life", "run_s": 60},
                         {"match": {"call": "create", "nth": 5}, "do": "oom"})
    life, cancel, stream, over, models, deployment, failed, pages = javascript(
        ("life", {"version": VERSION, "input": {"image": data_url()}}),
        ("cancel", {"version": VERSION, "input": {"image": data_url(), "scale": 3}}),
        ("stream", {"ref": GEMINI, "input": {"prompt": "tea"}}), ("stream", {"ref": GEMINI, "input": {"prompt": "tea"}}),
        ("models", {"name": ESRGAN}), ("deployment", {"name": ESRGAN, "input": {"image": data_url()}}), run(FLUX),
        ("pages", {}))
    assert life["made"]["status"] == "starting"
    leads_here(gateway, life["made"])
    assert life["done"]["status"] == life["again"]["status"] == "succeeded"
    assert life["listed"] == [life["made"]["id"]]
    assert cancel["canceled"]["status"] == cancel["again"]["status"] == "canceled"
    assert "".join(data for kind, data in stream if kind == "output") == "A short answer to: tea"
    assert stream[-1] == over[-1] == ["done", "{}"]
    assert models == {"model": "real-esrgan", "versions": [VERSION], "version": VERSION}
    assert deployment["status"] == "succeeded"
    assert pages[-1] == life["made"]["id"] and cancel["made"]["id"] in pages
    until(lambda: bare.upstream.record()["running"]["all"] == 0)
    assert "E1001" in failed["error"], failed
