"""Uploads above 10 MB: every client must receive the 413, whether it waits for leave to send or not."""
import json
import socket
import subprocess
import threading
import time

import pytest
import requests

from gateway import SLOW, assert_error, assert_success, refusal, until
from pictures import encode, fresh, photo
from raw import Wire, form, post_head

MB = 1 << 20
JPEG = encode(photo(64, 48), "JPEG")

NODE = """
const fs = require('fs'), http = require('http');
const [url, path, how] = process.argv.slice(1);
const body = fs.readFileSync(path);
const done = (status, text) => console.log(JSON.stringify({status, text}));
if (how === 'fetch') {
  const form = new FormData();
  form.append('image', new Blob([body], {type: 'image/jpeg'}), 'big.jpg');
  fetch(url, {method: 'POST', body: form}).then(async r => done(r.status, await r.text()),
    e => { console.error(e, e.cause); process.exit(1); });
} else {
  const headers = {'Content-Type': 'image/jpeg'};
  if (how === 'length') headers['Content-Length'] = body.length;
  const request = http.request(url, {method: 'POST', headers}, r => {
    let text = '';
    r.on('data', d => text += d);
    r.on('end', () => done(r.statusCode, text));
  });
  request.on('error', e => { console.error(e); process.exit(1); });
  request.end(body);
}
"""


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    """A file of 12 MB that begins like a JPEG."""
    path = tmp_path_factory.mktemp("big") / "big.jpg"
    path.write_bytes(JPEG + bytes(12 * MB - len(JPEG)))
    return path


class Spoken:
    """An answer that another program has received."""

    def __init__(self, status, text, headers=None):
        self.status_code, self.text = status, text
        body = json.loads(text)
        self.headers = headers or {"content-type": "application/json", "x-request-id": body["request_id"]}

    def json(self):
        return json.loads(self.text)


def assert_too_large(answer):
    assert_error(answer, 413, "PAYLOAD_TOO_LARGE", "image", "bytes")


@pytest.mark.short
def test_requests_form(instant, big):
    with refusal(instant, errors=5):
        for _ in range(5):
            assert_too_large(instant.post(big.read_bytes()))


def test_requests_raw(instant, big):
    with refusal(instant), open(big, "rb") as body:
        answer = requests.post(instant.url + "/api/clarity", data=body, headers={"Content-Type": "image/jpeg"},
                               timeout=60)
    assert_too_large(answer)


def test_requests_chunked(instant, big):
    """No length is told: the bound is noticed as the bytes come."""
    def pieces():
        for i in range(0, 12 * MB, 100_000):
            yield big.read_bytes()[i:i + 100_000]
    with refusal(instant):
        answer = requests.post(instant.url + "/api/clarity", data=pieces(), headers={"Content-Type": "image/jpeg"},
                               timeout=60)
    assert_too_large(answer)


@pytest.mark.parametrize("how", [["-F", "image=@{}"], ["-H", "Content-Type: image/jpeg", "--data-binary", "@{}"],
                                 ["-H", "Content-Type: image/jpeg", "-H", "Transfer-Encoding: chunked",
                                  "--data-binary", "@{}"]])
@pytest.mark.parametrize("expect", [True, False])
@pytest.mark.short
def test_curl(instant, big, how, expect):
    more = [] if expect else ["-H", "Expect:"]
    with refusal(instant):
        run = subprocess.run(["curl", "-sS", "-w", "\n%{http_code} %{size_upload}", *more,
                              *[word.format(big) for word in how], instant.url + "/api/clarity"],
                             capture_output=True, text=True, timeout=60 * SLOW)
    assert run.returncode == 0, run.stderr
    text, _, numbers = run.stdout.rpartition("\n")
    status, sent = map(int, numbers.split())
    assert_too_large(Spoken(status, text))
    if expect and "Transfer-Encoding: chunked" not in how:
        assert sent == 0


@pytest.mark.parametrize("how", ["fetch", "length", "chunked"])
@pytest.mark.short
def test_node(instant, big, how):
    with refusal(instant):
        run = subprocess.run(["node", "-e", NODE, "--", instant.url + "/api/clarity", big, how],
                             capture_output=True, text=True, timeout=60 * SLOW)
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout)
    assert_too_large(Spoken(said["status"], said["text"]))


@pytest.mark.short
def test_expect_is_answered_before_a_byte_is_sent(instant):
    with refusal(instant), Wire(instant) as wire:
        wire.send(post_head(12 * MB, more="Expect: 100-continue\r\n"))
        assert_too_large(wire.answer())


@pytest.mark.short
def test_expect_is_answered_with_continue_where_the_upload_is_welcome(instant):
    picture = fresh(kind="JPEG")
    with Wire(instant) as wire:
        wire.send(post_head(len(picture), more="Expect: 100-continue\r\n"))
        assert wire.answer().status_code == 100
        wire.send(picture)
        assert_success(wire.answer())


def test_expect_with_other_refusals(instant):
    """What the headers forbid is said before the body: a wrong kind, a wrong address, a wrong method."""
    for head, status in ((post_head(5000, "text/plain", more="Expect: 100-continue\r\n"), 415),
                         (post_head(5000, route="/api/none", more="Expect: 100-continue\r\n"), 404),
                         (post_head(5000, route="/health", more="Expect: 100-continue\r\n"), 405)):
        with Wire(instant) as wire:
            wire.send(head)
            assert wire.answer().status_code == status


def test_just_within(instant):
    """10 MB exactly is taken, one byte more is not; in a form, and as a raw body."""
    picture = fresh(kind="JPEG")
    exact = picture + bytes(10 * MB - len(picture))
    assert assert_success(instant.post(exact))["meta"]["bytes"] == 10 * MB
    raw = {"headers": {"Content-Type": "image/jpeg"}, "timeout": 60}
    assert assert_success(requests.post(instant.url + "/api/clarity", data=exact, **raw))["meta"]["cached"]
    with refusal(instant, errors=2):
        assert_too_large(instant.post(exact + b"x"))
        assert_too_large(requests.post(instant.url + "/api/clarity", data=exact + b"x", **raw))


def test_far_too_large(instant):
    """A client that goes on sending for ever is cut off; nobody else notices."""
    with refusal(instant), Wire(instant) as wire:
        wire.send(post_head(10**12))
        stop = threading.Event()
        sent = 0

        def push():
            nonlocal sent
            block = bytes(256 << 10)
            while not stop.is_set() and wire.try_send(block):
                sent += len(block)

        pusher = threading.Thread(target=push)
        pusher.start()
        assert_too_large(wire.answer())
        pusher.join(20 * SLOW)
        stop.set()
        assert not pusher.is_alive(), "it may send for ever"
        assert sent < 40 * MB  # 12 MB are read, the rest is what sockets hold


def test_a_length_that_is_no_number(instant):
    for length in ("-5", "abc", "1e3", "99999999999999999999999", "5, 6"):
        with Wire(instant) as wire:
            wire.send(f"POST /api/clarity HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: {length}\r\n\r\nhello")
            answer = wire.answer()
            assert answer is None or answer.status_code in (400, 413), length
    assert instant.get("/health").status_code == 200


def half_an_upload(gateway, size, reset):
    wire = Wire(gateway)
    wire.send(post_head(5 * MB))
    wire.send(JPEG + bytes(size))
    if reset:
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    wire.socket.close()


@pytest.mark.parametrize("reset", [False, True])
def test_the_sender_leaves_in_the_middle(instant, reset):
    """Half an upload, then nothing: it counts as an error at once, and nothing of it stays."""
    with refusal(instant, errors=10):
        for i in range(10):
            with Wire(instant) as wire:
                count = instant.metrics()["requests"]["total"]
                wire.send(post_head(5 * MB).encode() + JPEG + bytes(2 * MB if i % 2 else 100))
                if reset:  # takes unread bytes along: it must have arrived before
                    until(lambda: instant.metrics()["requests"]["total"] > count)
                    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def test_the_sender_leaves_late(instant):
    """The close comes together with bytes, seconds into the upload: no later seen than any other."""
    with refusal(instant), Wire(instant) as wire:
        wire.send(post_head(5 * MB).encode() + JPEG + bytes(1 * MB))
        time.sleep(2)
        wire.send(bytes(100))
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.answer() is None
