"""TLS and HTTP/2 before the simulator."""
import subprocess
import threading
import time

import replicate

from .helpers import AUTH, FLUX, data_url
from .nginx import Nginx
from .process import TOKEN, header


def curl(nginx, *arguments, data=b""):
    known = ["--cacert", nginx.ca, "-H", f"Authorization: {AUTH['Authorization']}"]
    return subprocess.run(["curl", "-sS", "-v", "--http2", *known, *arguments], input=data, capture_output=True, timeout=60)


def test_http2_arrives(nginx, upstream):
    got = curl(nginx, nginx.base_url + "/account")
    assert got.returncode == 0 and b"organization" in got.stdout
    assert header(upstream.requests("account")[0], "X-Sim-Protocol") == "HTTP/2.0"
    assert nginx.requests()[0]["protocol"] == "HTTP/2.0"


def test_a_stranger_does_not_trust_it(nginx):
    assert subprocess.run(["curl", "-sS", nginx.base_url + "/account"], capture_output=True, timeout=60).returncode == 60


def test_official_client_over_tls(nginx, upstream, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(nginx.ca))
    client = replicate.Client(api_token=TOKEN, base_url=nginx.api)
    output = client.run(FLUX, input={"prompt": "a tree", "input_image": data_url()})
    assert output.url.startswith(nginx.delivery)
    assert output.read()[:4] == b"\x89PNG"
    made = upstream.predictions()[0]
    assert client.predictions.get(made["id"]).urls["get"].startswith(nginx.base_url)


def upload(nginx, mb=2):
    form = ["-F", "content=@-;filename=a.bin", nginx.base_url + "/files"]
    return curl(nginx, "--limit-rate", f"{mb * 2}M", *form, data=bytes(mb << 20))


def test_goaway_in_an_upload(with_nginx, upstream, tmp_path):
    nginx = Nginx(tmp_path, upstream, requests=1)
    try:
        got = upload(nginx)
        assert got.returncode == 0 and b"GOAWAY" in got.stderr, got.stderr
        assert upstream.count("file_create") == 1
    finally:
        nginx.close()


def test_reload_in_an_upload(nginx, upstream):
    results = []
    thread = threading.Thread(target=lambda: results.append(upload(nginx, 4)))
    thread.start()
    while not upstream.requests("file_create"):
        assert thread.is_alive(), results
        time.sleep(0.01)
    nginx.reload()
    thread.join()
    assert results[0].returncode == 0, results[0].stderr
    assert upstream.requests("file_create")[0]["status"] == 201
    assert curl(nginx, nginx.base_url + "/account").returncode == 0
