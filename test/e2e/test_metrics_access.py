"""Who gets /metrics, and where: METRICS_TOKEN and METRICS_ADDR."""
import socket
import subprocess

import pytest
import requests

from exposition import Scrape
from gateway import BINARY, DEFAULTS, assert_error, assert_success, environment, until
from pictures import fresh
from raw import Wire

TOKEN = "a-token-for-metrics"


def metrics_url(gateway):
    return f"http://127.0.0.1:{until(lambda: gateway.records('metrics listening'))[0]['port']}"


@pytest.mark.short
def test_token(start):
    gateway = start(PROVIDERS="instant", METRICS_TOKEN=TOKEN)
    for headers in ({}, {"Authorization": "Bearer wrong-token-for-me"}, {"Authorization": f"Basic {TOKEN}"},
                    {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": f"Bearer {TOKEN[:-1]}"},
                    {"Authorization": "Bearer"}, {"Authorization": "Bearer "}, {"x-api-key": TOKEN}):
        for query in ("", "?format=prometheus", "?format=nonsense"):
            answer = gateway.get("/metrics" + query, headers=headers)
            assert_error(answer, 401, "UNAUTHORIZED", says="token")
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    for headers in ({"Authorization": f"Bearer {TOKEN}"}, {"Authorization": f"bearer  {TOKEN}"}):
        assert gateway.get("/metrics", headers=headers).json()["requests"]["total"] == 0
    assert Scrape(gateway, headers={"Authorization": f"Bearer {TOKEN}"}).families
    assert_success(gateway.post(fresh()))  # it is for metrics only
    assert gateway.get("/health").status_code == gateway.get("/readyz").status_code == 200
    assert TOKEN not in gateway.log_path.read_text()


@pytest.mark.short
def test_address(start):
    """There, and only there, and nothing else there."""
    gateway = start(PROVIDERS="instant", METRICS_ADDR="127.0.0.1:0")
    url = metrics_url(gateway)
    assert_success(gateway.post(fresh()))
    assert_error(gateway.get("/metrics"), 404, "NOT_FOUND", says="address of their own")
    assert "/metrics" not in gateway.get("/openapi.json").json()["paths"]
    answer = requests.get(url + "/metrics", timeout=10)
    assert answer.json()["requests"]["total"] == 1
    assert answer.headers["x-request-id"]
    assert requests.head(url + "/metrics", timeout=10).status_code == 200
    text = requests.get(url + "/metrics?format=prometheus", timeout=10).text
    assert 'limner_http_requests_total{route="/metrics",method="GET",code="404"} 1' in text
    assert 'limner_http_requests_total{route="/metrics",method="GET",code="200"}' in text
    assert_error(requests.get(url + "/metrics?format=xml", timeout=10), 400, "VALIDATION_ERROR", "format")
    for path in ("/health", "/status", "/api/clarity", "/"):
        assert_error(requests.get(url + path, timeout=10), 404, "NOT_FOUND", says="only /metrics")
    for path, status in (("/metrics", 405), ("/api/clarity", 404)):
        answer = requests.post(url + path, files={"image": ("a.jpg", fresh())}, timeout=10)
        assert answer.status_code == status
    assert answer.headers.get("Allow") is None


def test_both(start):
    gateway = start(PROVIDERS="instant", METRICS_ADDR="127.0.0.1:0", METRICS_TOKEN=TOKEN)
    url = metrics_url(gateway)
    assert_error(requests.get(url + "/metrics", timeout=10), 401, "UNAUTHORIZED")
    assert requests.get(url + "/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10).status_code == 200


def test_answers_while_the_other_is_full(start):
    """No connection is left where requests go; the numbers say so."""
    gateway = start(PROVIDERS="instant", METRICS_ADDR="127.0.0.1:0", CONNECTIONS_MAX=16)
    url = metrics_url(gateway)
    until(lambda: gateway.connections() == 0)  # who asked whether it is up has gone
    held = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(16)]

    def seen():
        text = requests.get(url + "/metrics?format=prometheus", timeout=10).text
        return "limner_http_connections 16\n" in text and "limner_http_connections_limit 16\n" in text
    until(seen)
    for s in held:
        s.close()


def test_answers_while_draining(start):
    gateway = start(PROVIDERS="instant", METRICS_ADDR="127.0.0.1:0")
    url = metrics_url(gateway)
    with Wire(gateway) as wire:  # a request whose body is coming holds the drain up
        wire.send(b"POST /api/clarity HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: 1000\r\n\r\nxx")
        until(lambda: "limner_requests_open 1\n" in requests.get(url + "/metrics?format=prometheus", timeout=10).text)
        gateway.signal()
        until(lambda: "limner_draining 1\n" in requests.get(url + "/metrics?format=prometheus", timeout=10).text)
    assert gateway.wait() == 0
    gateway.left = True


@pytest.mark.parametrize(("address", "says"), [
    ("9090", "host:port|like 127.0.0.1:9090"), ("localhost:", "like"), ("127.0.0.1:70000", "like"), ("::1:9090", "like"),
    ("127.0.0.1:9090x", "like"), ("no.such.host.invalid:9090", "cannot find"), ("192.0.2.1:9090", "cannot listen"),
])
def test_addresses_that_cannot_be(tmp_path, address, says):
    run = subprocess.run([BINARY, "serve"], env=environment(DEFAULTS | {"DATA_DIR": tmp_path, "METRICS_ADDR": address}),
                         capture_output=True, text=True, timeout=60)
    assert run.returncode != 0
    said = (run.stderr + run.stdout).lower()
    assert f"metrics_addr={address.lower()}" in said
    assert any(word in said for word in says.split("|"))
