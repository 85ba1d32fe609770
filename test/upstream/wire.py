"""Answers that break HTTP, or strain it. Each gets the request, the proper response and the rule's arguments.

Those that write to the socket themselves close it afterwards: nothing follows a broken answer.
"""
import asyncio
import gzip
import json
import socket
import struct

from aiohttp import web


class Sent(web.Response):
    """Everything has been said already."""

    def __init__(self, status=0):
        super().__init__()
        self.told = status
        self.force_close()

    async def prepare(self, request):
        return None

    async def write_eof(self, data=b""):
        return None


def _parts(response, length, **headers):
    """The bytes of head and body; length: what Content-Length says, None for no such header."""
    body = response.body or b""
    given = {name: value for name, value in response.headers.items() if name.lower() != "content-length"}
    if length is not None:
        given["Content-Length"] = str(length)
    given |= headers
    lines = [f"HTTP/1.1 {response.status} {response.reason}", *(f"{k}: {v}" for k, v in given.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"), body


async def _close(request, status=0):
    """An orderly end, after what was written has left."""
    transport = request.transport
    if transport is not None:
        transport.close()
    return Sent(status)


async def _abort(request, status=0):
    """The peer gets a RST."""
    transport = request.transport
    if transport is not None:
        await asyncio.sleep(0.02)  # what was written before leaves first
        if transport.is_closing():  # the peer was quicker
            return Sent(status)
        peer = transport.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return Sent(status)


async def _drip(request, data, pause_s, step=1):
    """Writes slowly; ends early when nobody is there any more."""
    for at in range(0, len(data), step):
        if request.transport is None or request.transport.is_closing():
            return
        request.transport.write(data[at:at + step])
        await asyncio.sleep(pause_s)


# ---- connections that end ----

async def reset(request, response, args):
    """RST. when: headers (body unread), request (no answer), head (after the answer's head), half (in its body)"""
    return await _cut(request, response, args, _abort)


async def close(request, response, args):
    """The same with a FIN."""
    return await _cut(request, response, args, _close)


async def _cut(request, response, args, end):
    when = args.get("when", "request")
    if when in ("head", "half") and request.transport is not None:
        head, body = _parts(response, len(response.body or b""))
        request.transport.write(head + (body[:len(body) // 2] if when == "half" else b""))
    return await end(request)


async def hang(request, response, args):
    """Says nothing, for seconds, then closes."""
    await gone_or(request, args.get("seconds", 600))
    return await _close(request)


async def gone_or(request, seconds):
    """Waits; true: the client left before that."""
    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        if request.transport is None or request.transport.is_closing():
            return True
        await asyncio.sleep(0.01)
    return False


# ---- bodies ----

async def truncated(request, response, args):
    """Proper HTTP around half of the JSON."""
    body = response.body or b""
    return web.Response(status=response.status, body=body[:len(body) // 2], headers={"Content-Type": "application/json"})


async def long_length(request, response, args):
    """Content-Length promises more than comes."""
    head, body = _parts(response, len(response.body or b"") + args.get("more", 100))
    request.transport.write(head + body)
    return await _close(request, response.status)


async def short_length(request, response, args):
    """Content-Length promises less than comes."""
    head, body = _parts(response, max(0, len(response.body or b"") - args.get("less", 10)))
    request.transport.write(head + body)
    return await _close(request, response.status)


async def no_length(request, response, args):
    """Neither length nor chunks: the end of the connection is the end of the body."""
    head, body = _parts(response, None, Connection="close")
    request.transport.write(head + body)
    return await _close(request, response.status)


async def chunked(request, response, args):
    """The proper body in small chunks; with "cut": true the last chunk never comes."""
    if args.get("cut"):
        head, body = _parts(response, None, **{"Transfer-Encoding": "chunked"})
        request.transport.write(head + b"%x\r\n%b\r\n" % (len(body), body))
        return await _close(request, response.status)
    stream = web.StreamResponse(status=response.status, headers={"Content-Type": response.content_type})
    stream.enable_chunked_encoding()
    await stream.prepare(request)
    body = response.body or b""
    for at in range(0, len(body), args.get("size", 7)):
        await stream.write(body[at:at + args.get("size", 7)])
    await stream.write_eof()
    return stream


async def zipped(request, response, args):
    """gzip, asked for or not; "broken": the stream is damaged, "bomb": bytes of blanks follow the body."""
    body = gzip.compress((response.body or b"") + b" " * args.get("bomb", 0))
    if args.get("broken"):
        body = body[:10] + b"\xff" * 20 + body[30:]
    headers = {"Content-Type": response.content_type, "Content-Encoding": "gzip"}
    return web.Response(status=response.status, body=body, headers=headers)


async def said(request, response, args):
    """Any body instead of the proper one: {"body": text, "type": …, "status": …}; no effect: status is needed."""
    status = args.get("status") or response.status
    return web.Response(status=status, text=args.get("body", ""),
                        headers={"Content-Type": args.get("type", "application/json")} | args.get("headers", {}))


async def patched(request, response, args):
    """The proper JSON with "merge" put over it."""
    body = json.loads(response.body) | args["merge"]
    return web.Response(status=response.status, text=json.dumps(body), content_type="application/json")


# ---- time ----

async def late(request, response, args):
    """The proper answer after "seconds"."""
    if await gone_or(request, args.get("seconds", 1)):
        return await _close(request)
    return response


async def slow_head(request, response, args):
    """The head a byte at a time."""
    head, body = _parts(response, len(response.body or b""))
    await _drip(request, head, args.get("pause_s", 0.05))
    if request.transport is not None:
        request.transport.write(body)
    return await _close(request, response.status)


async def slow_body(request, response, args):
    """The body in steps of "step" bytes."""
    head, body = _parts(response, len(response.body or b""))
    request.transport.write(head)
    await _drip(request, body, args.get("pause_s", 0.05), args.get("step", 1))
    return await _close(request, response.status)


async def after_webhook(request, response, args):
    """The answer to a create leaves when the last webhook has been taken."""
    prediction = request.get("prediction")
    if prediction is not None:
        await asyncio.wait_for(prediction.told.wait(), args.get("seconds", 20))
    return response


# ---- deliveries ----

async def redirect(request, response, args):
    """To "to"; {elsewhere} in it stands for a third host, {path} for what was asked for."""
    bases = request["sim"].bases
    to = args["to"].replace("{elsewhere}", bases["elsewhere"]).replace("{delivery}", bases["delivery"])
    return web.Response(status=args.get("status", 302), headers={"Location": to.replace("{path}", request.path_qs)})


async def oversize(request, response, args):
    """The proper head of the file, then zeros up to "bytes"; "unsaid": without a Content-Length."""
    size = args["bytes"]
    stream = web.StreamResponse(headers={"Content-Type": response.content_type})
    if args.get("unsaid"):
        stream.enable_chunked_encoding()
    else:
        stream.content_length = size
    await stream.prepare(request)
    piece = (response.body or b"")[:size]
    while size > 0:
        await stream.write(piece[:size])
        size -= len(piece)
        piece = bytes(65536)
    await stream.write_eof()
    return stream


async def typed(request, response, args):
    """Another Content-Type."""
    return web.Response(status=response.status, body=response.body, headers={"Content-Type": args["type"]})


MANGLES = {
    "reset": reset, "close": close, "hang": hang, "truncated": truncated, "long_length": long_length,
    "short_length": short_length, "no_length": no_length, "chunked": chunked, "gzip": zipped, "say": said,
    "patch": patched, "late": late, "slow_head": slow_head, "slow_body": slow_body, "after_webhook": after_webhook,
    "redirect": redirect, "oversize": oversize, "type": typed,
}
# These happen before the work, unless the rule says "effect": true.
WITHOUT_EFFECT = {"hang", "redirect"}
