"""/_sim/…: how a test tells the server what to be, and asks what it has seen."""
import json

from aiohttp import web

from . import pictures, webhooks
from .sim import SIM


async def script(request):
    try:
        request.app[SIM].script(await request.json())
    except (KeyError, TypeError, json.JSONDecodeError) as e:
        return web.Response(status=400, text=f"{type(e).__name__}: {e}\n")
    return web.json_response({})


async def record(request):
    return web.json_response(request.app[SIM].record.as_json())


async def reset(request):
    request.app[SIM].reset()
    return web.json_response({})


async def predictions(request):
    return web.json_response([p.view() for p in request.app[SIM].predictions.values()])


async def push(request):
    """The author of a model publishes a version."""
    model = request.app[SIM].models[(await request.json())["model"]]
    model.new_version()
    return web.json_response({"version": model.versions[-1]})


async def webhook(request):
    """Sends one now: {"url", "body" (text) or "prediction", "id", …options}; answers with the status it got."""
    sim, order = request.app[SIM], await request.json()
    body = order.pop("body", None)
    if "prediction" in order:
        body = sim.predictions[order.pop("prediction")].text()
    url, name = order.pop("url"), order.pop("id", "msg_by_hand")
    status = await webhooks.post(sim, url, name, body.encode(), webhooks.OPTIONS | order)
    return web.json_response({"status": status})


async def picture(request):
    """A file for the delivery host: the body as it is; answers with its address."""
    sim = request.app[SIM]
    data = await request.read()  # first: others may come meanwhile
    path = f"/xezq/by-hand-{len(sim.outputs)}/{request.query.get('name', 'out.png')}"
    kind = request.headers.get("Content-Type", pictures.TYPES["png"])
    sim.outputs[path] = data, kind
    return web.json_response({"url": sim.bases["delivery"] + path})


ROUTES = [
    ("POST", "/_sim/script", script), ("GET", "/_sim/record", record), ("POST", "/_sim/reset", reset),
    ("GET", "/_sim/predictions", predictions), ("POST", "/_sim/push", push), ("POST", "/_sim/webhook", webhook),
    ("POST", "/_sim/picture", picture),
]
