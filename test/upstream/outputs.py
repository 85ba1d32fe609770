"""The delivery host: another address than the API's, and nothing there wants a token."""
from aiohttp import web

from .sim import SIM


async def deliver(request):
    found = request.app[SIM].outputs.get(request.path)
    if not found:
        return web.Response(status=404, text="<html><body>404</body></html>", content_type="text/html")
    data, kind = found
    return web.Response(body=data, headers={"Content-Type": kind, "Cache-Control": "public, max-age=3600"})


ROUTES = [("delivery", "GET", "/{path:.*}", deliver)]
