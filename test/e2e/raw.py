"""HTTP by hand, for what no client library would send."""
import contextlib
import json
import socket
import time


class Answer:
    """One answer as it came over the wire."""

    def __init__(self, head, body):
        lines = head.decode("latin-1").split("\r\n")
        self.version, status, *_ = lines[0].split(" ", 2)
        self.status_code = int(status)
        self.headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers[name.strip().lower()] = value.strip()
        self.content = body

    @property
    def text(self):
        return self.content.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.content)


class Headers(dict):
    def __getitem__(self, name):
        return super().__getitem__(name.lower())


class Wire:
    def __init__(self, gateway, timeout=30):
        self.socket = socket.create_connection(("127.0.0.1", gateway.port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def try_send(self, data):
        """False: the other side has closed."""
        with contextlib.suppress(ConnectionError):
            self.send(data)
            return True
        return False

    def _more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.pending += data
        return bool(data)

    def answer(self, head=False):
        """The next answer; None: the connection closed instead."""
        while b"\r\n\r\n" not in self.pending:
            if not self._more():
                assert not self.pending, f"half an answer: {self.pending!r}"
                return None
        text, _, self.pending = self.pending.partition(b"\r\n\r\n")
        answer = Answer(text, b"")
        answer.headers = Headers(answer.headers)
        bodiless = head or answer.status_code in (100, 204, 304)
        length = 0 if bodiless else int(answer.headers["content-length"])
        while len(self.pending) < length:
            assert self._more(), f"the body ended after {len(self.pending)} of {length} bytes"
        answer.content, self.pending = self.pending[:length], self.pending[length:]
        return answer

    def closed(self, seconds=10):
        """Whether the other side closes (nothing else comes) within the time."""
        self.socket.settimeout(seconds)
        try:
            return not self.pending and not self._more()
        except TimeoutError:
            return False

    def drip(self, data, every, seconds):
        """Sends a byte now and then; returns the time until the other side had enough, or None."""
        begun = time.monotonic()
        self.socket.settimeout(every)
        for byte in data:
            if time.monotonic() - begun > seconds or not self.try_send(bytes([byte])):
                break
            with contextlib.suppress(TimeoutError):
                if not self._more() or self.pending:
                    return time.monotonic() - begun
        return None


def form(*parts, boundary="e2e-boundary", end=True):
    """A multipart body of (name, bytes) or (name, bytes, filename) parts, and its Content-Type."""
    body = b""
    for name, data, *filename in parts:
        more = f'; filename="{filename[0]}"' if filename else ""
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode()
        body += data + b"\r\n"
    if end:
        body += f"--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


def post_head(length=None, content_type="image/jpeg", route="/api/clarity", more=""):
    head = f"POST {route} HTTP/1.1\r\nHost: limner.test\r\nContent-Type: {content_type}\r\n"
    if length is not None:
        head += f"Content-Length: {length}\r\n"
    return head + more + "\r\n"
