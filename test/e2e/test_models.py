"""Weights that are missing, wrong or unreadable: the feature says so, the rest works."""
import os
import shutil

import pytest
import requests

from gateway import MODELS, assert_error, assert_success, refusal, until
from pictures import encode, fresh, photo


@pytest.fixture
def models(tmp_path):
    """A folder of networks of the test's own (links, so that it costs nothing)."""
    folder = tmp_path / "models"
    folder.mkdir()
    for path in MODELS.glob("*.onnx"):
        os.symlink(path, folder / path.name)
    return folder


def empty(folder):
    for path in folder.iterdir():
        path.unlink()


@pytest.mark.short
def test_no_weights(start, models):
    empty(models)
    gateway = start(PROVIDERS="local", MODELS_DIR=models)
    with refusal(gateway, ran=True):
        answer = gateway.post(fresh())
        error = assert_error(answer, 503, "PROVIDER_UNAVAILABLE", says="make models")
    assert str(models) in error["message"]
    assert gateway.record_of(answer)["run_ms"] == 0
    ready = gateway.get("/readyz")
    assert ready.status_code == 200  # degraded is not unready
    assert ready.json()["status"] == "degraded"
    assert ready.json()["checks"]["provider.local"] == "partial"  # styles need no network
    assert gateway.get("/health").status_code == 200
    assert gateway.metrics()["requests"]["error"] == 1
    assert_error(gateway.post(b"words"), 415, "UNSUPPORTED_MEDIA_TYPE", "image")  # the caller's fault is said first


def test_no_runtime(start, tmp_path):
    gateway = start(PROVIDERS="local", OPENVINO_DIR=tmp_path / "nothing")
    with refusal(gateway, ran=True):
        assert_error(gateway.post(fresh()), 503, "PROVIDER_UNAVAILABLE", says="make deps")


def test_runtime_that_cannot_be_loaded(start, tmp_path):
    folder = tmp_path / "openvino"
    folder.mkdir()
    for name in os.listdir(MODELS.parent / "openvino" / "lib"):
        (folder / name).write_bytes(b"this is no library")
    gateway = start(PROVIDERS="local", OPENVINO_DIR=folder)
    with refusal(gateway, ran=True):
        assert_error(gateway.post(fresh()), 503, "PROVIDER_UNAVAILABLE")
    assert gateway.get("/health").status_code == 200


@pytest.mark.short
def test_wrong_weights(start, models):
    path = models / "realesr-animevideov3-x4.onnx"
    data = bytearray(path.read_bytes())
    path.unlink()
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    gateway = start(PROVIDERS="local", MODELS_DIR=models)
    with refusal(gateway, errors=2, ran=True):
        for _ in range(2):  # also when asked again
            error = assert_error(gateway.post(fresh()), 503, "PROVIDER_UNAVAILABLE", says="make models")
            assert path.name in error["message"]
    assert gateway.get("/health").status_code == 200
    path.unlink()
    os.symlink(MODELS / path.name, path)
    assert_success(gateway.post(fresh()))  # repaired without a restart


def test_cut_off_weights(start, models):
    path = models / "realesr-animevideov3-x4.onnx"
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:1000])
    gateway = start(PROVIDERS="local", MODELS_DIR=models)
    with refusal(gateway, ran=True):
        assert_error(gateway.post(fresh()), 503, "PROVIDER_UNAVAILABLE", says="make models")


def test_weights_go_away(start, models):
    """Results that are known are still given, and the network that is loaded works until it is released."""
    gateway = start(PROVIDERS="local", MODELS_DIR=models, LOCAL_IDLE_S=1)
    picture = encode(photo(40, 30), "JPEG")
    first = assert_success(gateway.post(picture))
    empty(models)
    hit = assert_success(gateway.post(picture))
    assert hit["meta"]["cached"] and hit["data"]["key"] == first["data"]["key"]
    assert requests.get(hit["data"]["url"], timeout=10).status_code == 200
    with refusal(gateway, ran=True):
        assert_error(gateway.post(fresh()), 503, "PROVIDER_UNAVAILABLE", says="make models")
    for path in MODELS.glob("*.onnx"):
        shutil.copy(path, models / path.name)
    until(lambda: gateway.get("/readyz").json()["status"] == "ready")
    assert_success(gateway.post(fresh()))


def test_the_network_is_released_when_idle(start):
    gateway = start(PROVIDERS="local", LOCAL_IDLE_S=1)
    assert_success(gateway.post(fresh()))
    loaded = gateway.memory_kb()
    until(lambda: gateway.memory_kb() < loaded - 4 * 1024, 10)
    assert_success(gateway.post(fresh()))  # and comes back
