"""The sender of webhooks: signed as Standard Webhooks are, and as wrong as a script wants it."""
import asyncio
import base64
import hashlib
import hmac
import time

import aiohttp

OPTIONS = {
    "copies": 1,           # how often each delivery is made, with the same id
    "signature": "right",  # right, wrong, foreign (another secret), missing, garbage, second (the right one comes last)
    "timestamp_s": 0,      # added to the time that is signed
    "drop": [],            # events that are lost: "start", "output", "completed"
    "delay_s": 0.0,        # before each delivery
    "swap": False,         # the last but one event comes after the last
    "lose_first": False,   # the first try never leaves; those after it do
}
EVENTS = ("start", "output", "logs", "completed")


def sign(secret, name, timestamp, body):
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{name}.{timestamp}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(mac.digest()).decode()


def headers(secret, name, body, options):
    """As the options want them."""
    timestamp = int(time.time() + options["timestamp_s"])
    right = sign(secret, name, timestamp, body)
    other = sign("whsec_" + base64.b64encode(b"another secret").decode(), name, timestamp, body)
    signature = {"right": right, "wrong": sign(secret, name, timestamp, body + b" "), "foreign": other,
                 "garbage": "v1,!!!!=== v1 v1,", "second": f"v2,{right[3:]} {other} {right}",
                 "v2": "v2," + right[3:]}.get(options["signature"])
    found = {"Content-Type": "application/json", "User-Agent": "Replicate Webhooks", "webhook-id": name,
             "webhook-timestamp": str(timestamp)}
    if signature is not None:
        found["webhook-signature"] = signature
    return found


async def post(sim, url, name, body, options):
    """One delivery; the status, or 0 if nobody took it. Redirects are not followed."""
    entry = {"at": time.time(), "url": url, "id": name, "text": body.decode("utf-8", "replace")[:65536], "status": 0}
    sim.record.hooks.append(entry)
    limit = aiohttp.ClientTimeout(total=10)
    try:
        async with sim.client.post(url, data=body, headers=headers(sim.settings["secret"], name, body, options),
                                   allow_redirects=False, timeout=limit) as answer:
            entry["status"] = answer.status
            await answer.read()
    except (aiohttp.ClientError, OSError, TimeoutError):
        pass
    return entry["status"]


def tell(prediction, event):
    """Delivers an event, if it is wanted, on the side."""
    if not prediction.webhook or event not in (prediction.filter or ("output", "completed")):
        if event == "completed":
            prediction.told.set()
        return
    sim = prediction.sim
    rule = sim.pick(("hook",), "webhook", prediction.model.name, prediction.webhook, sim.arrives("webhook"))
    options = OPTIONS | (rule.args if rule else {})
    body = prediction.text().encode()  # now: what it is at this moment
    sim.spawn(_deliver(prediction, event, body, options), asyncio.get_running_loop())


async def _deliver(prediction, event, body, options):
    last = event == "completed"
    if event in options["drop"]:
        if last:
            prediction.told.set()
        return
    name = "msg_" + hashlib.sha256(f"{prediction.id} {event}".encode()).hexdigest()[:24]
    await asyncio.sleep(options["delay_s"])
    if options["swap"] and not last:
        await prediction.told.wait()
    async with prediction.telling:  # one after the other, in order
        await _tries(prediction, last, name, body, options)
    if last:
        prediction.told.set()


async def _tries(prediction, last, name, body, options):
    sim, status = prediction.sim, 0
    for _ in range(options["copies"] if not options["lose_first"] else 0):
        status = await post(sim, prediction.webhook, name, body, options)
    pause, tries = sim.settings["hook_retry_s"], sim.settings["hook_retries"]
    while last and not 200 <= status < 300 and tries > 0:
        await asyncio.sleep(pause)
        status = await post(sim, prediction.webhook, name, body, options)
        pause, tries = pause * 2, tries - 1
