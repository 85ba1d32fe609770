"""The official Python client takes the simulator for the real thing."""
import io
import json

import httpx
import pytest
import replicate
from PIL import Image
from replicate.exceptions import ModelError, ReplicateError
from replicate.webhook import InvalidSignatureError, Webhooks, WebhookSigningSecret

from . import helpers, webhooks
from .helpers import ESRGAN, FLUX, VERSION
from .process import TOKEN


@pytest.fixture
def client(upstream):
    return replicate.Client(api_token=TOKEN, base_url=upstream.api, timeout=30)


def photo():
    data = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(data, "PNG")
    data.seek(0)
    return data


def test_run_with_an_upload(client, upstream):
    address = client.run(f"{ESRGAN}:{VERSION}", input={"image": photo(), "scale": 2})
    made = Image.open(io.BytesIO(httpx.get(address).content))
    assert made.size == (80, 60)
    assert upstream.count("file_create") == upstream.count("created") == 1
    assert upstream.leaks() == []


def test_run_an_official_model(client):
    assert client.run(FLUX, input={"prompt": "a tree"}).endswith(".png")


def test_run_streams_text(client):
    assert "".join(client.run("google/gemini-2.5-flash", input={"prompt": "tea"})) == "A short answer to: tea"


def test_a_community_model_needs_its_version(client):
    with pytest.raises(ReplicateError) as failed:
        client.models.predictions.create(ESRGAN, input={"image": helpers.data_url()})
    assert failed.value.status == 404
    version = client.models.get(ESRGAN).latest_version
    assert version.id == VERSION
    assert "scale" in version.openapi_schema["components"]["schemas"]["Input"]["properties"]


def test_create_and_wait(client, upstream):
    upstream.set(boot_s=0.05, run_s=0.1)
    made = client.predictions.create(version=VERSION, input={"image": helpers.data_url()})
    assert made.status == "starting" and made.output is None
    client.poll_interval = 0.01
    made.wait()
    assert made.status == "succeeded"
    assert made.metrics["predict_time"] >= 0.1
    assert client.predictions.get(made.id).output == made.output


def test_cancel(client, upstream):
    upstream.set(run_s=60)
    made = client.predictions.create(version=VERSION, input={"image": helpers.data_url()})
    made.cancel()
    assert client.predictions.get(made.id).status == "canceled"
    assert upstream.record()["running"] == {"light": 0, "all": 0}


def test_a_model_that_fails(client, upstream):
    upstream.script({"match": {"call": "create"}, "do": "director"})
    with pytest.raises(ModelError, match="E9828"):
        client.run(FLUX, input={"prompt": "a tree"})


def test_an_input_it_refuses(client):
    with pytest.raises(ReplicateError) as failed:
        client.run(FLUX, input={"prompt": "a tree", "output_format": "webp"})
    assert failed.value.status == 422 and "input.output_format" in failed.value.detail


def test_list_in_pages(client, upstream):
    upstream.set(page=2)
    inputs = [{"image": helpers.data_url(), "scale": n} for n in range(5)]
    names = [client.predictions.create(version=VERSION, input=given).id for given in inputs]
    first = client.predictions.list()
    assert [p.id for p in first.results] == names[:2:-1]
    second = client.predictions.list(first.next)
    assert [p.id for p in second.results] == names[2:0:-1]
    assert client.predictions.list(second.next).next is None


def test_files(client, upstream):
    made = client.files.create(photo(), filename='a "q" é.png', content_type="image/png", metadata={"n": 1})
    assert made.size == len(photo().getvalue())
    assert made.checksums["sha256"]
    assert [f.id for f in client.files.list()] == [made.id]
    assert client.files.get(made.id).content_type == "image/png"
    client.files.delete(made.id)
    with pytest.raises(ReplicateError) as gone:
        client.files.get(made.id)
    assert gone.value.status == 404


def test_a_file_too_large(client, upstream):
    upstream.set(file_max=100)
    with pytest.raises(ReplicateError) as refused:
        client.files.create(io.BytesIO(bytes(101)))
    assert refused.value.status == 413 and "100MB" in refused.value.detail


def test_an_expired_file_fails_the_run(client, upstream):
    upstream.set(file_ttl_s=0)
    made = client.files.create(photo())
    with pytest.raises(ModelError, match="404"):
        client.run(f"{ESRGAN}:{VERSION}", input={"image": made.urls["get"]})


def test_webhook_signature(client):
    secret = client.webhooks.default.secret()
    body = json.dumps({"a": 1}).encode()
    sent = webhooks.headers(secret.key, "msg_1", body, webhooks.OPTIONS)
    Webhooks.validate(headers=sent, body=body.decode(), secret=secret)
    second = webhooks.headers(secret.key, "msg_1", body, webhooks.OPTIONS | {"signature": "second"})
    Webhooks.validate(headers=second, body=body.decode(), secret=secret)
    for options in ({"signature": "wrong"}, {"signature": "foreign"}):
        bad = webhooks.headers(secret.key, "msg_1", body, webhooks.OPTIONS | options)
        with pytest.raises(InvalidSignatureError):
            Webhooks.validate(headers=bad, body=body.decode(), secret=secret)


def test_the_known_signature():
    """The vector that implementations of Standard Webhooks share."""
    assert webhooks.sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
                         b'{"test": 2432232314}') == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert WebhookSigningSecret(key="x").key == "x"


def test_a_wrong_token(upstream):
    stranger = replicate.Client(api_token="r8_wrong", base_url=upstream.api)
    with pytest.raises(ReplicateError) as refused:
        stranger.run(FLUX, input={"prompt": "x"})
    assert refused.value.status == 401
    assert upstream.count("created") == 0


def test_the_client_repeats_reads(client, upstream):
    """GET again after 503; a create that is refused is not sent twice."""
    made = client.predictions.create(version=VERSION, input={"image": helpers.data_url()})
    upstream.script({"match": {"call": "get"}, "do": "503", "times": 2})
    assert client.predictions.get(made.id).id == made.id
    assert upstream.count("get") == 3
    upstream.script({"match": {"call": "create"}, "do": "503", "times": 1})
    with pytest.raises(ReplicateError):
        client.predictions.create(version=VERSION, input={"image": helpers.data_url()})
    assert upstream.count("create") == 2
