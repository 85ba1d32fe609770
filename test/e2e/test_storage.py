"""The disk and memory: full, restored, spooled, and given back."""
import contextlib
import os
import subprocess

import pytest
import requests

from gateway import SANITIZED, SLOW, Gateway, assert_error, assert_success, refusal, until
from pictures import encode, fresh, photo
from raw import Wire, post_head

MB = 1 << 20


@pytest.fixture
def small_disk(tmp_path):
    """DATA_DIR on a disk of 4 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "limner-e2e", folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    gateway = None
    try:
        gateway = Gateway(tmp_path / "gateway", PROVIDERS="instant", DATA_DIR=folder)
        gateway.data = folder
        yield gateway.start()
    finally:
        try:
            if gateway:
                gateway.stop()
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


def fill(gateway):
    path = gateway.data / "filler"
    with open(path, "wb", buffering=0) as f, contextlib.suppress(OSError):
        while True:
            f.write(bytes(4096))
    return path


@pytest.mark.short
def test_disk_full(small_disk):
    gateway = small_disk
    kept = fresh()
    assert_success(gateway.post(kept))
    filler = fill(gateway)
    with refusal(gateway, errors=2, ran=True):
        assert_error(gateway.post(fresh()), 507, "STORAGE_FULL", says="disk is full")
        large = fresh() + bytes(5 * MB // 4)  # above SPOOL_BYTES: the upload itself finds no room
        assert_error(gateway.post(large), 507, "STORAGE_FULL", says="disk is full")
    # what needs no room goes on
    assert gateway.get("/health").status_code == 200
    assert gateway.get("/metrics").status_code == 200
    hit = assert_success(gateway.post(kept))
    assert hit["meta"]["cached"]
    assert requests.get(hit["data"]["url"], timeout=10).content == kept
    filler.unlink()
    body = assert_success(gateway.post(fresh()))
    assert requests.get(body["data"]["url"], timeout=10).status_code == 200
    assert_success(gateway.post(large))


def test_many_while_the_disk_is_full(small_disk):
    gateway = small_disk
    filler = fill(gateway)
    session = requests.Session()
    with refusal(gateway, errors=60, ran=True):
        for i in range(60):
            assert_error(gateway.post(fresh() + bytes(2 * MB if i % 6 == 0 else 0), http=session), 507, "STORAGE_FULL")
    filler.unlink()
    for _ in range(3):
        assert_success(gateway.post(fresh(), http=session))


def test_data_folder_goes_away(start):
    """Not full, but gone: a storage error, said so, and readiness shows it."""
    import shutil
    gateway = start(PROVIDERS="instant")
    assert_success(gateway.post(fresh()))
    shutil.rmtree(gateway.data)
    error = assert_error(gateway.post(fresh()), 502, "STORAGE_ERROR")
    assert "limner check" not in str(error)  # nothing for a caller,
    assert "limner check" in [r for r in gateway.records("request") if r.get("error")][-1]["advice"]  # but for who runs it
    until(lambda: gateway.get("/readyz").status_code == 503, 3)  # looked at once a second at most
    answer = gateway.get("/readyz")
    assert answer.json()["checks"]["store"] == "failed"
    assert int(answer.headers["Retry-After"]) >= 1
    assert gateway.get("/health").status_code == 200


# ---- the spool ----

@pytest.mark.short
@pytest.mark.parametrize("spool_bytes", [0, 65536])
def test_spooled_bodies_leave_nothing(start, spool_bytes):
    gateway = start(PROVIDERS="instant", SPOOL_BYTES=spool_bytes)
    for size in (1000, 70_000, 3 * MB):
        picture = fresh()
        picture += bytes(max(0, size - len(picture)))
        body = assert_success(gateway.post(picture))
        assert requests.get(body["data"]["url"], timeout=10).content == picture
        raw = requests.post(gateway.url + "/api/clarity", data=picture, headers={"Content-Type": "image/png"}, timeout=30)
        assert assert_success(raw)["data"]["key"] == body["data"]["key"]
    with refusal(gateway, errors=2):
        assert gateway.post(b"words" * 50_000).status_code == 415
        assert gateway.post(fresh()[:-5]).status_code == 400


def test_a_spool_file_has_no_name(start):
    """While a large upload is under way it is in a file that nobody else can find."""
    gateway = start(PROVIDERS="instant")
    picture = fresh()
    picture += bytes(3 * MB - len(picture))
    with Wire(gateway) as wire:
        wire.send(post_head(len(picture)).encode() + picture[:2 * MB])
        until(lambda: [f for f in gateway.open_files() if f.startswith(f"{gateway.data}/spool/") and "(deleted)" in f])
        assert list((gateway.data / "spool").iterdir()) == []
        wire.send(picture[2 * MB:])
        assert_success(wire.answer())
    gateway.wait_idle()
    assert gateway.spooled() == []


def test_no_memory_left_for_bodies(start):
    """BODY_MEMORY_MB=1: what does not fit goes to files, and all is answered."""
    gateway = start(PROVIDERS="instant", BODY_MEMORY_MB=1)
    import concurrent.futures
    def one(_):
        picture = fresh()
        return gateway.post(picture + bytes(600_000))
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        for answer in pool.map(one, range(48)):
            assert_success(answer)
    gateway.wait_idle()
    assert gateway.spooled() == []


# ---- memory ----

@pytest.mark.skipif(SANITIZED, reason="a sanitizer keeps freed memory")
def test_memory_after_two_thousand_refusals(start):
    gateway = start(PROVIDERS="instant")
    cut = encode(photo(380, 380), "PNG")[:-20]
    session = requests.Session()

    def refuse(rounds):
        for i in range(rounds):
            kind = i % 5
            if kind == 0:
                answer = gateway.post(b"no picture" * 20_000, http=session)
            elif kind == 1:
                answer = gateway.post(cut, http=session)
            elif kind == 2:
                answer = gateway.post(fresh(), fields={"scale": "abc"}, http=session)
            elif kind == 3:
                answer = gateway.post(files={"file": ("a.jpg", cut)}, http=session)
            elif i % 50 == 4:
                answer = gateway.post(bytes(11 * MB), http=session)
            else:
                answer = gateway.post(cut + bytes(1 << 20), fields={"scale": "9"}, http=session)
            assert answer.status_code in (400, 413, 415)

    refuse(300)
    gateway.wait_idle()
    before, files = gateway.memory_kb(), len(gateway.open_files())
    refuse(2000)
    gateway.wait_idle()
    session.close()
    assert gateway.memory_kb() - before < 4 * 1024
    assert len(gateway.open_files()) <= files + 2
    assert gateway.objects() == []
    assert gateway.spooled() == []


@pytest.mark.skipif(SANITIZED, reason="a sanitizer keeps freed memory")
def test_memory_after_large_pictures(start):
    """Decoding and shrinking large pictures gives its memory back, for the most part."""
    gateway = start(PROVIDERS="instant", CACHE_MAX_SIZE=10)
    def shrink(rounds):
        for i in range(rounds):
            assert assert_success(gateway.post(fresh(3000, 2000, "JPEG")))["meta"]["prescaled"]
    shrink(12)
    before = gateway.memory_kb()
    shrink(36)
    gateway.wait_idle()
    assert gateway.memory_kb() - before < 24 * 1024  # the pixels of one of them take 18 MB
