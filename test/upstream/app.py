"""Starts the servers, says their addresses in one line of JSON, and passes every request through record and rules."""
import argparse
import asyncio
import json
import signal
import sys
import threading
import time
import traceback

import aiohttp
from aiohttp import web

from . import api, cog, control, faults, outputs, wire
from .sim import SIM, Sim


def base_of(request):
    """The API as this client reaches it, through whatever stands before it."""
    scheme = request.headers.get("X-Forwarded-Proto", "http")
    return f"{scheme}://{request.host}/v1"


def authorized(request, sim):
    said = request.headers.get("Authorization", "")
    return said in (f"Bearer {sim.settings['token']}", f"Token {sim.settings['token']}")


def watched(host, call, handler):
    """The handler with record, token and rules around it."""
    async def handle(request):
        sim = request.app[SIM]
        entry = sim.record.arrival(host, call, request)
        request["sim"], request["entry"] = sim, entry
        request["base"] = base_of(request)
        request["delivery"] = request.headers.get("X-Sim-Delivery")
        info = request.match_info
        model = f"{info['owner']}/{info['name']}" if "owner" in info else None
        rule = sim.pick(("answer", "mangle"), call, model, request.path, sim.arrives(call))
        try:
            response = await _act(request, sim, handler, host, call, rule)
        except ConnectionError:  # the client left in the middle
            raise
        except Exception:
            entry["crash"] = traceback.format_exc()  # a mistake of ours
            raise
        entry["status"], entry["answered_at"] = getattr(response, "told", response.status), time.time()
        return response
    return handle


async def _act(request, sim, handler, host, call, rule):
    entry = request["entry"]
    if rule:
        entry["rule"] = rule.name
        if rule.args.get("when") == "headers":
            return await faults.ACTIONS[rule.name](request, None, rule.args)
    sim.record.body(entry, await request.read())
    if host == "api" and call not in api.OPEN and not authorized(request, sim):
        return faults.problem(401, faults.BAD_TOKEN if "Authorization" in request.headers else faults.NO_TOKEN)
    if rule is None:
        return await handler(request)
    await wire.gone_or(request, rule.args.get("before_s", 0))
    response = None
    if "made_after_s" in rule.args:
        sim.spawn(_later(request, handler, rule.args["made_after_s"]), asyncio.get_running_loop())
    elif rule.args.get("effect", rule.kind == "mangle" and rule.name not in wire.WITHOUT_EFFECT):
        response = await handler(request)
    return await faults.ACTIONS[rule.name](request, response, rule.args)


async def _later(request, handler, seconds):
    await asyncio.sleep(seconds)
    await handler(request)


async def unknown(request):
    return faults.error("404")


def application(sim, host, routes):
    app = web.Application(client_max_size=1 << 30)
    app[SIM] = sim
    if host == "api":
        for method, path, handler in control.ROUTES:
            app.router.add_route(method, path, handler)
    for call, method, path, handler in routes:
        app.router.add_route(method, path, watched(host, call, handler))
    app.router.add_route("*", "/{path:.*}", watched(host, "other", unknown))
    app[cog.RUNS] = {}
    return app


async def serve(options):
    settings = {name: getattr(options, name) for name in ("token", "cog") if getattr(options, name)}
    sim = Sim(**settings)
    sim.client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30), connector=aiohttp.TCPConnector(ssl=False))
    listeners = [("api", "127.0.0.1", options.port, api.ROUTES), ("delivery", "127.0.0.2", 0, outputs.ROUTES),
                 ("elsewhere", "127.0.0.3", 0, outputs.ROUTES), ("cog", "127.0.0.1", 0, cog.ROUTES)]
    runners = []
    for host, address, port, routes in listeners:
        runner = web.AppRunner(application(sim, host, routes), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, address, port)
        await site.start()
        sim.bases[host] = "http://{}:{}".format(*site._server.sockets[0].getsockname())
        runners.append(runner)
    print(json.dumps(sim.bases), flush=True)
    await _until_told(options.until_eof)
    sim.reset()
    for runner in runners:
        await runner.cleanup()
    await sim.client.close()


async def _until_told(until_eof):
    """SIGTERM, SIGINT, or the end of standard input: then whoever started it is gone."""
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)

    def read():
        sys.stdin.read()
        loop.call_soon_threadsafe(over.set)

    if until_eof:
        threading.Thread(target=read, daemon=True).start()
    await over.wait()


def main():
    parser = argparse.ArgumentParser(prog="python -m upstream", description="A stand-in for Replicate and Cog.")
    parser.add_argument("--port", type=int, default=0, help="of the API; 0: any free one")
    parser.add_argument("--token", help="the only one that is accepted")
    parser.add_argument("--cog", choices=("rust", "fastapi", "go"), help="which of Cog's servers to be")
    parser.add_argument("--until-eof", action="store_true", help="end with standard input")
    asyncio.run(serve(parser.parse_args()))
