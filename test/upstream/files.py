"""The files API: uploads that live for a time, and are read with the token or a signed address."""
import base64
import hashlib
import hmac
import json
import re
import secrets
import time
import urllib.parse

from aiohttp import web

from . import faults
from .paging import page
from .pictures import Unusable
from .predictions import new_id, stamp
from .sim import SIM

KEY = secrets.token_bytes(32)
OWNER = "limner-test"


class Malformed(Exception):
    pass


def parts(content_type, body):
    """A form's parts as {name: (headers, data)}; strict, so that a bad sender is seen."""
    found = re.fullmatch(r'multipart/form-data; *boundary=("?)([^"]+)\1', content_type)
    if not found:
        raise Malformed("not a form")
    line = b"--" + found[2].encode("latin-1")
    pieces = (b"\r\n" + body).split(b"\r\n" + line)
    if pieces[0] != b"" or pieces[-1].rstrip(b"\r\n") != b"--":
        raise Malformed("the boundaries do not fit")
    form = {}
    for piece in pieces[1:-1]:
        head, blank, data = piece.partition(b"\r\n\r\n")
        if not blank or not head.startswith(b"\r\n"):
            raise Malformed("a part without a head")
        headers = {}
        for row in head[2:].decode("utf-8").split("\r\n"):
            name, _, value = row.partition(":")
            headers[name.strip().lower()] = value.strip()
        name = re.search(r'; *name="([^"\r\n]*)"', headers.get("content-disposition", ""))
        if not name or name[1] in form:
            raise Malformed("a part without a name of its own")
        form[name[1]] = headers, data
    return form


def filename(headers):
    """As sent, with %22 for quotes and \\" understood."""
    found = re.search(r'; *filename="((?:[^"\\\r\n]|\\.)*)"', headers.get("content-disposition", ""))
    return re.sub(r"\\(.)", r"\1", urllib.parse.unquote(found[1])) if found else ""


class File:
    def __init__(self, sim, name, kind, data, metadata):
        self.id, self.name, self.kind, self.data, self.metadata = new_id(), name, kind, data, metadata
        self.created = time.time()
        self.expires = self.created + sim.settings["file_ttl_s"]

    @property
    def gone(self):
        return time.time() >= self.expires

    def as_json(self, base):
        return {"id": self.id, "name": self.name, "content_type": self.kind, "size": len(self.data),
                "etag": hashlib.md5(self.data).hexdigest(),
                "checksums": {"sha256": hashlib.sha256(self.data).hexdigest(), "md5": hashlib.md5(self.data).hexdigest()},
                "metadata": self.metadata, "created_at": stamp(self.created), "expires_at": stamp(self.expires),
                "urls": {"get": f"{base}/files/{self.id}"}}


def by_url(sim, url):
    """The bytes of an upload, as Replicate's own workers read it; None: the address is not of an upload."""
    found = re.search(r"/v1/files/([a-z0-9]{26})$", url)
    if not found:
        return None
    file = sim.files.get(found[1])
    if file is None or file.gone:
        raise Unusable(f"404 Client Error: Not Found for url: {url}")
    return file.data


async def create(request):
    sim = request.app[SIM]
    body = await request.read()
    try:
        form = parts(request.headers.get("Content-Type", ""), body)
        headers, data = form["content"]
        metadata = json.loads(form["metadata"][1]) if "metadata" in form else {}
    except (Malformed, KeyError, ValueError) as e:
        return faults.problem(400, {"detail": f"Malformed form: {e}", "status": 400})
    if len(data) > sim.settings["file_max"]:
        return faults.error("413")
    name = form["filename"][1].decode() if "filename" in form else filename(headers)
    kind = form["type"][1].decode() if "type" in form else headers.get("content-type", "application/octet-stream")
    file = File(sim, name, kind, data, metadata)
    sim.files[file.id] = file
    return web.json_response(file.as_json(request["base"]), status=201)


def _found(request):
    file = request.app[SIM].files.get(request.match_info["id"])
    return None if file is None or file.gone else file


async def get(request):
    file = _found(request)
    return web.json_response(file.as_json(request["base"])) if file else faults.error("404")


async def delete(request):
    if not _found(request):
        return faults.error("404")
    del request.app[SIM].files[request.match_info["id"]]
    return web.Response(status=204)


async def listing(request):
    rows = [file for file in request.app[SIM].files.values() if not file.gone]
    return web.json_response(page(request, rows[::-1], lambda file: file.as_json(request["base"])))


def signature(name, expiry):
    mac = hmac.new(KEY, f"{OWNER} {name} {expiry}".encode(), hashlib.sha256)
    return base64.b64encode(mac.digest()).decode()


async def download(request):
    file, query = _found(request), request.query
    fits = query.get("owner") == OWNER and hmac.compare_digest(
        query.get("signature", ""), signature(request.match_info["id"], query.get("expiry", "")))
    if not file or not fits or int(query["expiry"]) < time.time():
        return faults.error("404")
    return web.Response(body=file.data, headers={"Content-Type": file.kind})
