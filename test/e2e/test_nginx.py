"""Behind nginx, with the configuration that dist/nginx.conf recommends: only names, ports and certificates differ."""
import pytest
import requests

from front import Front, need_nginx
from gateway import assert_error, assert_success
from pictures import fresh


@pytest.fixture
def behind(start, tmp_path):
    """behind(OPTION=value…): a gateway and nginx in front of it."""
    need_nginx()
    fronts = []

    def begin(**options):
        gateway = start(**{"PROVIDERS": "instant", "TRUST_PROXY": 1} | options)
        fronts.append(Front(tmp_path / f"nginx{len(fronts)}", gateway))
        return gateway, fronts[-1]

    yield begin
    for front in fronts:
        front.close()


def post(front, picture, http=None, **more):
    return (http or front.session()).post(front.url + "/api/clarity", files={"image": ("p.jpg", picture)}, timeout=60, **more)


def test_upload_and_download(behind):
    gateway, front = behind()
    picture = fresh(800, 600, kind="PNG")
    assert len(picture) > 200_000  # more than nginx keeps in memory
    body = assert_success(post(front, picture, headers={"x-request-id": "seen-by-both"}))
    assert body["request_id"] == "seen-by-both"
    link = body["data"]["url"]
    assert link.startswith(front.url + "/files/")  # https, by X-Forwarded-Proto
    http = front.session()
    assert http.get(link, timeout=30).content == picture
    part = http.get(link, headers={"Range": "bytes=1-3"}, timeout=30)
    assert (part.status_code, part.content) == (206, b"PNG")
    raw = http.post(front.url + "/api/clarity?scale=4", data=fresh(), headers={"Content-Type": "image/png"}, timeout=30)
    assert assert_success(raw)["meta"]["scale"] == 4


def test_plain_http_is_sent_to_tls(behind):
    gateway, front = behind()
    answer = requests.get(f"http://127.0.0.1:{front.plain}/health?x=1", allow_redirects=False, timeout=30)
    assert (answer.status_code, answer.headers["Location"]) == (301, "https://127.0.0.1/health?x=1")


def test_limits_are_the_clients_own(behind):
    """Not nginx's; and what a client says of itself in X-Forwarded-For is not believed."""
    gateway, front = behind(RATE_LIMITS="on")

    def left(source, claims=None):
        headers = {"X-Forwarded-For": claims} if claims else {}
        answer = post(front, fresh(), front.session(source), headers=headers)
        return int(answer.headers["RateLimit-Remaining"])

    first = left("127.0.0.1")
    assert left("127.0.0.2") == first
    assert left("127.0.0.1", claims="198.51.100.7") < first
    assert left("127.0.0.2", claims="127.0.0.1, 10.0.0.1") < first


def test_too_large(behind):
    """limner says so itself as long as it can; beyond that nginx does, in the same shape."""
    gateway, front = behind()
    assert_error(post(front, bytes(11 << 20)), 413, "PAYLOAD_TOO_LARGE", field="image")
    answer = post(front, bytes(25 << 20))
    assert answer.status_code == 413
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["error"]["code"] == "PAYLOAD_TOO_LARGE"


def test_numbers_stay_inside(behind):
    gateway, front = behind()
    for page in ("/metrics", "/status", "/readyz"):
        assert front.session().get(front.url + page, timeout=30).status_code == 200
        assert front.session("127.0.0.2").get(front.url + page, timeout=30).status_code == 403
    assert front.session("127.0.0.2").get(front.url + "/health", timeout=30).json() == {"ok": True}


def test_limner_is_away(behind):
    gateway, front = behind()
    assert_success(post(front, fresh()))
    gateway.signal()
    assert gateway.wait() == 0
    gateway.left = True
    answer = post(front, fresh())
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "OVERLOADED"
    assert int(answer.headers["Retry-After"]) > 0
