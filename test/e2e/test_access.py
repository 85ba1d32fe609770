"""API keys: who may ask, whose results are whose, and whose limit counts."""
import pytest
import requests

import pictures

KEYS = "app:first-secret-of-many,second-secret-of-many"
PICTURE = pictures.encode(pictures.photo(48, 32), "JPEG")


def ask(gateway, route="/api/clarity", picture=PICTURE, **headers):
    return requests.post(gateway.url + route, files={"image": ("p.jpg", picture)}, headers=headers, timeout=60)


@pytest.mark.short
def test_keys(start):
    gateway = start(PROVIDERS="instant", API_KEYS=KEYS)
    for headers in ({}, {"x-api-key": "wrong-secret-of-many"}, {"Authorization": "Bearer nonsense"}):
        refused = ask(gateway, **headers)
        assert refused.status_code == 401
        assert refused.json()["error"]["code"] == "UNAUTHORIZED"
        assert refused.headers["WWW-Authenticate"] == "Bearer"
        assert "secret" not in refused.text
    first = ask(gateway, **{"x-api-key": "first-secret-of-many"})
    assert first.status_code == 200 and not first.json()["meta"]["cached"]
    again = ask(gateway, Authorization="Bearer first-secret-of-many")
    assert again.json()["meta"]["cached"]
    other = ask(gateway, **{"x-api-key": "second-secret-of-many"})
    assert other.status_code == 200
    assert not other.json()["meta"]["cached"]  # another tenant's picture is another picture
    assert other.json()["data"]["key"] != first.json()["data"]["key"]
    for path in ("/health", "/readyz", "/metrics"):
        assert gateway.get(path).status_code == 200  # probes carry no keys
    link = first.json()["data"]["url"]
    assert requests.get(link, timeout=30).status_code == 200  # the link is its own key
    assert "secret" not in gateway.log_path.read_text()


def test_limits_count_by_key(start):
    gateway = start(PROVIDERS="instant", API_KEYS=KEYS, RATE_LIMITS="on")
    left = [ask(gateway, "/api/ai-beautify", **{"x-api-key": "first-secret-of-many"}).headers["RateLimit-Remaining"]
            for _ in range(2)]
    other = ask(gateway, "/api/ai-beautify", **{"x-api-key": "second-secret-of-many"}).headers["RateLimit-Remaining"]
    assert int(left[1]) == int(left[0]) - 1
    assert other == left[0]


@pytest.mark.parametrize("keys", ["short", "a:first-secret-of-many,a:second-secret-of-many", ":first-secret-of-many"])
def test_keys_that_cannot_be(tmp_path, keys):
    import subprocess
    from gateway import BINARY, DEFAULTS, environment
    run = subprocess.run([BINARY, "serve"], env=environment(DEFAULTS | {"DATA_DIR": tmp_path, "API_KEYS": keys}),
                         capture_output=True, text=True, timeout=60)
    assert run.returncode != 0
    assert "API_KEYS" in run.stderr + run.stdout
    assert "secret-of-many" not in run.stderr + run.stdout
