"""Cog's HTTP servers, one slot, in the three generations that are in the field: rust, fastapi, go.

The flavour is a setting, so one process can be each in turn. The model is real-esrgan, or by its input one that
writes or draws comics; pictures leave as data URIs.
"""
import asyncio
import base64
import json
import secrets

from aiohttp import web

from . import faults, pictures, wire
from .predictions import PLAN, stamp
from .sim import SIM

ESRGAN, WRITER, DRAWER = "nightmareai/real-esrgan", "google/gemini-2.5-flash", "cjwbw/animagine-xl-3.1"
RUNS = web.AppKey("runs", dict)  # id → Run; the ended ones are forgotten
DOWN = {"SETUP_FAILED", "DEFUNCT"}


def _model(sim, given):
    return sim.models[WRITER if "system_instruction" in given else DRAWER if "negative_prompt" in given else ESRGAN]


class Run:
    def __init__(self, sim, name, body, plan):
        self.sim, self.id, self.input, self.plan = sim, name, body.get("input") or {}, PLAN | plan
        self.webhook, self.filter = body.get("webhook"), body.get("webhook_events_filter")
        self.status, self.output, self.error = "starting", None, None
        self.loop = asyncio.get_running_loop()
        self.created, self.took = self.loop.time(), 0.0
        self.stop, self.done = asyncio.Event(), asyncio.Event()

    async def live(self):
        settings, plan = self.sim.settings, self.plan
        self.status = "processing"
        seconds = settings["run_s"] if plan["run_s"] is None else plan["run_s"]
        try:
            await asyncio.wait_for(self.stop.wait(), seconds)
            self.status = "canceled"
        except TimeoutError:
            await self._finish()
        self.took = self.loop.time() - self.created
        self.done.set()
        if self.webhook:
            await self._tell()

    async def _finish(self):
        if self.plan["end"] == "succeeded":
            try:
                self.output = self.plan["output"] if self.plan["output"] is not ... else await self._make()
                self.status = "succeeded"
                return
            except pictures.Unusable as e:
                self.error = str(e)
        else:
            self.error = self.plan["error"]
        self.status = "failed"

    async def _picture(self):
        given = self.input.get("image")
        if given is None:
            return None
        return pictures.from_data_url(given) if given.startswith("data:") else await self._fetch(given)

    async def _make(self):
        model, data = _model(self.sim, self.input), await self._picture()
        made, _ = await self.loop.run_in_executor(None, pictures.make, model, self.input, data)
        if model.speaks:
            return made
        bytes_, extension = made[0]
        return f"data:{pictures.TYPES[extension]};base64,{base64.b64encode(bytes_).decode()}"

    async def _fetch(self, url):
        async with self.sim.client.get(url) as answer:
            if answer.status != 200:
                raise pictures.Unusable(f"{answer.status} for url {url}")
            return await answer.read()

    async def _tell(self):
        pause = 0.1
        for _ in range(12):
            try:
                agent = {"User-Agent": "coglet/0.22"}
                async with self.sim.client.post(self.webhook, json=self.view(), headers=agent) as answer:
                    self.sim.record.hooks.append({"url": self.webhook, "id": self.id, "status": answer.status})
                    if answer.status not in (429, 500, 502, 503, 504):
                        return
            except OSError:
                pass
            await asyncio.sleep(pause)
            pause *= 2

    def view(self):
        shown = {"id": self.id, "status": self.status, "logs": self.plan["logs"],
                 "metrics": {"predict_time": self.took}}
        if self.sim.settings["cog"] == "fastapi":
            shown |= {"input": self.input, "output": self.output, "error": self.error, "version": None,
                      "created_at": stamp(0), "started_at": stamp(0),
                      "completed_at": stamp(0) if self.done.is_set() else None}
        elif self.output is not None:
            shown["output"] = self.output
        if self.error is not None:
            shown["error"] = self.error
        return {key: value for key, value in (shown | self.plan["view"]).items() if key not in self.plan["without"]}


# ---- how the flavours refuse ----

def _json(code, **body):
    return web.json_response(body, status=code)


def _busy(flavour, same_id=False):
    if flavour == "rust":
        return _json(409, error="At capacity - all prediction slots busy", status="failed")
    if flavour == "fastapi":
        return _json(409, detail="Already running a prediction")
    return web.Response(status=409, text="prediction exists" if same_id else "already running a prediction")


def _not_ready(flavour, health):
    if flavour == "go":
        return web.Response(status=500 if health == "SETUP_FAILED" else 503, text=f"server is {health.lower()}")
    if health in DOWN:
        return _json(503, error=f"The model is {health}", status="failed")
    return _json(503, error="Setup has not finished yet. Try again later.", status="failed")


def _strict(request, body):
    """What Go alone insists on; None, or its refusal."""
    if request.headers.get("Content-Type") != "application/json":
        return web.Response(status=415, text="invalid content type")
    is_async = request.headers.get("Prefer") == "respond-async"
    if is_async != bool(body.get("webhook")):
        return web.Response(status=400, text="Prefer: respond-async and webhook go together")
    if not isinstance(body.get("input"), dict):
        return web.Response(status=400, text="input must be an object")
    return None


def _problems(sim, given):
    """In the shape of a validation error, which all three share."""
    model = _model(sim, given)
    rows = []
    for problem in model.problems(given):
        missing = problem["type"] == "required"
        field = problem["description"].split()[0] if missing else problem["field"].removeprefix("input.")
        rows.append({"loc": ["body", "input", field], "msg": "field required" if missing else problem["description"],
                     "type": "value_error.missing" if missing else "value_error"})
    for name, value in given.items():
        if value is None:
            rows.append({"loc": ["body", "input", name], "msg": "none is not an allowed value", "type": "type_error.none"})
    return rows


# ---- routes ----

async def create(request):
    sim, runs = request.app[SIM], request.app[RUNS]
    flavour, health = sim.settings["cog"], sim.settings["cog_health"]
    try:
        body = json.loads(await request.read() or b"{}")
    except ValueError:
        return web.Response(status=400, text="expected JSON")
    refused = _strict(request, body) if flavour == "go" else None
    if refused is not None:
        return refused
    if health not in ("READY", "BUSY"):
        return _not_ready(flavour, health)
    name = request.match_info.get("id") or body.get("id") or "pred_" + secrets.token_hex(8)
    if "id" in request.match_info and body.get("id", name) != name:
        return _json(422, detail=[{"loc": ["body", "id"], "msg": "prediction ID must match", "type": "value_error"}])
    if name in runs and flavour != "go":
        return web.json_response(runs[name].view() | {"input": runs[name].input}, status=202)
    if runs or health == "BUSY":
        return _busy(flavour, name in runs)
    problems = _problems(sim, body.get("input") or {})
    if problems:
        return _json(422, detail=problems)
    return await _run(request, sim, runs, name, body)


async def _run(request, sim, runs, name, body):
    rule = sim.pick(("life",), "cog_create", None, request.path, sim.seen.get("cog_create", 0))
    run = Run(sim, name, body, faults.LIVES[rule.name] | rule.args if rule else {})
    runs[name] = run
    sim.record.created("cog", name)

    def ended(job):
        runs.pop(name, None)
        if not job.cancelled():  # a reset has
            sim.record.finished("cog", run.status, run.took)

    job = sim.spawn(run.live(), run.loop)
    job.add_done_callback(ended)
    if request.headers.get("Prefer") == "respond-async":
        shown = {"id": name, "status": "starting"} if sim.settings["cog"] == "rust" else run.view()
        return web.json_response(shown, status=202)
    while not run.done.is_set():
        if await wire.gone_or(request, 0.01):
            run.stop.set()  # a caller who leaves takes the run along
            await run.done.wait()
    await asyncio.sleep(0)
    return web.json_response(run.view())


async def cancel(request):
    run = request.app[RUNS].get(request.match_info["id"])
    if run is None:
        return web.json_response({}, status=404)
    run.stop.set()
    return web.json_response({})


async def health(request):
    sim, runs = request.app[SIM], request.app[RUNS]
    state = sim.settings["cog_health"]
    if state == "READY" and runs:
        state = "BUSY"
    setup = {"READY": "succeeded", "BUSY": "succeeded", "STARTING": "starting"}.get(state, "failed")
    shown = {"status": state, "setup": {"started_at": stamp(0), "status": setup, "logs": ""}}
    if sim.settings["cog"] == "rust":
        shown["version"] = {"coglet": "0.22.0", "python": "3.12"}
    if sim.settings["cog"] == "go":
        shown["concurrency"] = {"max": 1, "current": len(runs)}
    return web.json_response(shown)


async def openapi(request):
    sim = request.app[SIM]
    if sim.settings["cog_health"] == "STARTING":
        return _json(503, error="OpenAPI schema not available")
    return web.json_response(sim.models[ESRGAN].schema())


async def discovery(request):
    if request.app[SIM].settings["cog"] == "go":
        return web.Response()
    base = f"http://{request.host}"
    return _json(200, cog_version="0.22.0", docs_url=f"{base}/docs", openapi_url=f"{base}/openapi.json",
                 healthcheck_url=f"{base}/health-check", predictions_url=f"{base}/predictions",
                 predictions_idempotent_url=f"{base}/predictions/{{prediction_id}}",
                 predictions_cancel_url=f"{base}/predictions/{{prediction_id}}/cancel", shutdown_url=f"{base}/shutdown")


ROUTES = [
    ("cog_root", "GET", "/", discovery),
    ("cog_health", "GET", "/health-check", health),
    ("cog_openapi", "GET", "/openapi.json", openapi),
    ("cog_create", "POST", "/predictions", create),
    ("cog_put", "PUT", "/predictions/{id}", create),
    ("cog_cancel", "POST", "/predictions/{id}/cancel", cancel),
]
