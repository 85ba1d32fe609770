"""What the self tests send by hand."""
import base64
import json
import socket
import time

import requests

from .pictures import fixed
from .process import TOKEN

ESRGAN = "nightmareai/real-esrgan"
VERSION = "f121d640bd286e1fdc67f9799164c1d5be36ff74576ee11c803ae5b665dd46aa"
FLUX = "black-forest-labs/flux-kontext-pro"
AUTH = {"Authorization": f"Bearer {TOKEN}"}


def data_url():
    return "data:image/png;base64," + base64.b64encode(fixed()[0]).decode()


def body(**more):
    """A create of an enlarger that is right in every way."""
    return {"version": VERSION, "input": {"image": data_url(), "scale": 2}} | more


def ask(upstream, method, path, **more):
    more.setdefault("headers", {})
    more["headers"] = AUTH | more["headers"]
    return requests.request(method, upstream.base_url + path, timeout=30, **more)


def create(upstream, wait=None, **more):
    headers = {"Prefer": f"wait={wait}"} if wait else {}
    return ask(upstream, "POST", "/predictions", json=body(**more), headers=headers)


def finished(upstream, prediction):
    """Polls to the end, as clients do."""
    while True:
        shown = ask(upstream, "GET", f"/predictions/{prediction['id']}").json()
        if shown.get("completed_at"):
            return shown
        time.sleep(0.01)


def raw(upstream, path="/v1/predictions", data=None, method="POST", more=""):
    """The bytes of an answer until the connection ends, and how it ended: "closed", "reset" or "silent"."""
    data = json.dumps(body()).encode() if data is None else data
    got = b""
    with socket.create_connection(("127.0.0.1", upstream.port), timeout=2) as wire:
        head = (f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{upstream.port}\r\nAuthorization: Bearer {TOKEN}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n{more}\r\n")
        wire.sendall(head.encode() + data)
        try:
            while piece := wire.recv(65536):
                got += piece
            return got, "closed"
        except ConnectionResetError:
            return got, "reset"
        except TimeoutError:
            return got, "silent"


def split(got):
    """(status, {header: value}, body) of one raw answer."""
    head, _, rest = got.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    return int(lines[0].split()[1]), headers, rest
