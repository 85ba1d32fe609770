"""Replicate's routes, as the documentation and the official clients know them."""
import asyncio
import datetime
import json
import re

from aiohttp import web

from . import comics, faults, files
from .paging import page
from .predictions import Prediction
from .sim import SIM
from .webhooks import EVENTS

KEYS = {"input", "webhook", "webhook_events_filter", "stream", "version"}
PREFER = re.compile(r"wait(?:=([1-9]|[1-9][0-9]|60))?")
DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")
DAY = 86400


def invalid(rows):
    detail = "".join(f"- {row['field']}: {row['description']}\n" for row in rows)
    return faults.problem(422, {"title": "Input validation failed", "detail": detail, "status": 422, "invalid_fields": rows})


def wait_of(request):
    """Seconds of Prefer: wait, None without one. ValueError: not as documented."""
    said = request.headers.get("Prefer")
    if said is None:
        return None
    found = PREFER.fullmatch(said)
    if not found:
        raise ValueError("Prefer")
    return min(60, int(found[1] or 60))


def cancel_after_of(request):
    said = request.headers.get("Cancel-After")
    if said is None:
        return None
    found = DURATION.fullmatch(said)
    if not said or not found:
        raise ValueError("Cancel-After")
    hours, minutes, seconds = (int(n or 0) for n in found.groups())
    total = hours * 3600 + minutes * 60 + seconds
    if not 5 <= total <= DAY:
        raise ValueError("Cancel-After")
    return total


def _target(sim, request, body):
    """(model, version as shown), or an answer that says why not."""
    if "owner" in request.match_info and "version" in body:
        return invalid([{"type": "additional_property_not_allowed", "field": "",
                         "description": "Additional property version is not allowed"}])
    if "/deployments/" in request.path:  # of the model that has the same name
        model = sim.models.get(f"{request.match_info['owner']}/{request.match_info['name']}")
        return (model, (model.versions or ["hidden"])[-1]) if model else faults.error("404")
    if "owner" in request.match_info:
        model = sim.models.get(f"{request.match_info['owner']}/{request.match_info['name']}")
        return (model, "hidden") if model and model.official else faults.error("404")
    version = body.get("version")
    if not isinstance(version, str):
        return invalid([{"type": "required", "field": "", "description": "version is required"}])
    name, _, wanted = version.rpartition(":") if ":" in version else ("", "", version)
    for model in sim.models.values():
        if wanted in model.versions and name in ("", model.name):
            return model, wanted
        if model.official and version == model.name:
            return model, "hidden"
    return faults.error("422_version")


def _checked(body):
    """None, or the answer that refuses the body's own keys."""
    if not isinstance(body, dict):
        return faults.error("400")
    extra = sorted(set(body) - KEYS)
    if extra:
        return invalid([{"type": "additional_property_not_allowed", "field": "",
                         "description": f"Additional property {key} is not allowed"} for key in extra])
    if not isinstance(body.get("input"), dict):
        return invalid([{"type": "required", "field": "", "description": "input is required"}])
    hook, events = body.get("webhook"), body.get("webhook_events_filter")
    if hook is not None and not re.match(r"https?://.", str(hook)):
        return invalid([{"type": "format", "field": "webhook", "description": "webhook must be an HTTPS URL"}])
    if events is not None and (not isinstance(events, list) or not set(events) <= set(EVENTS)):
        return invalid([{"type": "enum", "field": "webhook_events_filter", "description": "unknown event"}])
    return None


async def create(request):
    sim = request.app[SIM]
    data = await request.read()
    try:
        if len(data) > sim.settings["body_max"]:
            return faults.error("400")
        body = json.loads(data)
    except ValueError:
        return faults.error("400")
    refused = _checked(body)
    if refused:
        return refused
    target = _target(sim, request, body)
    if isinstance(target, web.Response):
        return target
    model, version = target
    problems = model.problems(body["input"])
    if problems:
        return invalid(problems)
    try:
        wait_s, cancel_after_s = wait_of(request), cancel_after_of(request)
    except ValueError as e:
        return faults.problem(422, {"title": "Invalid header", "detail": f"{e} is malformed", "status": 422})
    rule = sim.pick(("life",), "create", model.name, request.path, sim.seen.get("create", 0), body["input"])
    life = rule.name if rule else sim.told(model, body["input"])
    plan = faults.LIVES.get(life, {}) | (rule.args if rule else {})
    made = Prediction(sim, model, version, body, request["base"], plan, cancel_after_s, request["delivery"])
    if "/deployments/" in request.path:
        made.deployment = f"{request.match_info['owner']}/{request.match_info['name']}"
    request["prediction"] = made
    request["entry"] |= {"model": model.name, "prediction": made.id, "life": life,
                         "unknown_inputs": model.unknown(body["input"])}
    if model.speaks:
        request["entry"]["ask"] = str(comics.Ask(body["input"]["prompt"]))
    sim.spawn(made.live(), asyncio.get_running_loop())
    return await _first_answer(made, wait_s, request["base"])


async def _first_answer(made, wait_s, base):
    if wait_s is not None:
        try:
            await asyncio.wait_for(made.done.wait(), min(wait_s, made.plan["wait_s"]))
        except TimeoutError:
            pass
    status = 201 if made.done.is_set() or wait_s is None else 202
    return web.Response(status=status, text=made.text(base), content_type="application/json")


def _prediction(request):
    found = request.app[SIM].predictions.get(request.match_info["id"])
    if found:
        request["entry"]["prediction"] = found.id
    return found


async def get(request):
    found = _prediction(request)
    if not found:
        return faults.error("404")
    text = found.text(request["base"])
    found.polls += 1
    return web.Response(text=text, content_type="application/json")


async def cancel(request):
    found = _prediction(request)
    if not found:
        return faults.error("404")
    if found.ended:
        return faults.problem(422, {"title": "Cannot cancel", "status": 422,
                                    "detail": "The prediction has already finished."})
    found.cancel()
    await asyncio.wait_for(found.done.wait(), 10)
    return web.Response(text=found.text(request["base"]), content_type="application/json")


async def stream(request):
    """The events of a prediction that streams: its output once it is there, piece by piece."""
    found = _prediction(request)
    if not found:
        return faults.error("404")
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await answer.prepare(request)
    await answer.write(b": hi\n\n")
    await found.done.wait()
    pieces = found.output if isinstance(found.output, list) else [found.output]
    for n, piece in enumerate(pieces):
        lines = "".join(f"data: {line}\n" for line in str(piece).split("\n"))
        await answer.write(f"event: output\nid: {int(found.created)}:{n}\n{lines}\n".encode())
    await answer.write(b"event: done\nid: 9:0\ndata: {}\n\n")
    return answer


def _time(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00").replace(" ", "+")).timestamp()


async def listing(request):
    query = request.query
    try:
        after = _time(query["created_after"]) if "created_after" in query else 0
        before = _time(query["created_before"]) if "created_before" in query else float("inf")
    except ValueError:
        return faults.problem(400, {"detail": "created_after and created_before are ISO 8601", "status": 400})
    rows = [p for p in request.app[SIM].predictions.values() if after <= p.created < before]
    return web.json_response(page(request, rows[::-1], lambda p: p.view(request["base"])))


def _model(request):
    return request.app[SIM].models.get(f"{request.match_info['owner']}/{request.match_info['name']}")


async def model(request):
    found = _model(request)
    return web.json_response(found.as_json(request["base"])) if found else faults.error("404")


async def versions(request):
    found = _model(request)
    if not found or found.official:
        return faults.error("404")
    rows = [{"id": v, "created_at": "2026-01-02T03:04:05.678901Z", "cog_version": "0.16.9",
             "openapi_schema": found.schema()} for v in found.versions[::-1]]
    if "version" in request.match_info:
        row = next((row for row in rows if row["id"] == request.match_info["version"]), None)
        return web.json_response(row) if row else faults.error("404")
    return web.json_response({"previous": None, "next": None, "results": rows})


async def secret(request):
    return web.json_response({"key": request.app[SIM].settings["secret"]})


async def account(request):
    return web.json_response({"type": "organization", "username": files.OWNER, "name": "", "github_url": ""})


ROUTES = [  # name of the call, method, path, handler
    ("create", "POST", "/v1/predictions", create),
    ("create", "POST", "/v1/models/{owner}/{name}/predictions", create),
    ("create", "POST", "/v1/deployments/{owner}/{name}/predictions", create),
    ("list", "GET", "/v1/predictions", listing),
    ("get", "GET", "/v1/predictions/{id}", get),
    ("cancel", "POST", "/v1/predictions/{id}/cancel", cancel),
    ("stream", "GET", "/v1/streams/{id}", stream),
    ("model", "GET", "/v1/models/{owner}/{name}", model),
    ("versions", "GET", "/v1/models/{owner}/{name}/versions", versions),
    ("versions", "GET", "/v1/models/{owner}/{name}/versions/{version}", versions),
    ("file_create", "POST", "/v1/files", files.create),
    ("file_list", "GET", "/v1/files", files.listing),
    ("file_get", "GET", "/v1/files/{id}", files.get),
    ("file_delete", "DELETE", "/v1/files/{id}", files.delete),
    ("file_download", "GET", "/v1/files/{id}/download", files.download),
    ("secret", "GET", "/v1/webhooks/default/secret", secret),
    ("account", "GET", "/v1/account", account),
]
OPEN = {"file_download", "stream"}  # need no token
