"""One prediction's life: starting → processing → an end; by time, or by how often it was asked for."""
import asyncio
import datetime
import hashlib
import json
import secrets
import time

from . import pictures

PLAN = {
    "boot_s": None, "run_s": None,     # None: as the settings say
    "boot_polls": 0, "run_polls": 0,   # stays in the state until so many GETs have seen it
    "end": "succeeded", "error": None,
    "output": ...,                     # ...: made from the input
    "spoil": None,                     # … and then made wrong: pictures.SPOILED, comics.SPOILED
    "wait_s": 60,                      # a create is answered after so long, whatever Prefer asks for
    "unfinalised": False,              # with Prefer: wait the output is told before the end is
    "view": {},                        # put over what is shown, always
    "late_view": {},                   # … once it has ended
    "without": [],                     # keys not shown
    "old_urls": False,                 # no urls.web, no urls.stream
    "digits": 3,                       # of a second, in timestamps: 0, 3, 6 or 9
    "raw": "",                         # JSON text put first in the object: "\"status\":\"x\","
    "logs": "", "logs_bytes": 0,
    "version": None,                   # shown instead of the real one
}
ALPHABET = "abcdefghjkmnpqrstvwxyz0123456789"


def new_id():
    return "".join(secrets.choice(ALPHABET) for _ in range(26))


def stamp(when, digits=3):
    if when is None:
        return None
    text = datetime.datetime.fromtimestamp(when, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{when % 1:.6f}"[2:].ljust(9, "0")[:digits]
    return f"{text}.{fraction}Z" if digits else f"{text}Z"


class Prediction:
    def __init__(self, sim, model, version, body, base, plan, cancel_after_s=None, delivery=None):
        self.sim, self.model, self.version, self.base = sim, model, version, base
        self.delivery = delivery or sim.bases["delivery"]
        self.plan = PLAN | plan
        self.id = new_id()
        self.input = body["input"]
        self.deployment = None  # "owner/name", if one was asked for
        self.webhook = body.get("webhook")
        self.filter = body.get("webhook_events_filter")
        self.status, self.output, self.error = "starting", None, None
        self.created, self.started, self.completed = time.time(), None, None
        self.deadline = self.created + cancel_after_s if cancel_after_s else None
        self.polls = 0
        self.wanted_end = None  # asked to end early, so
        self.stop = asyncio.Event()
        self.done = asyncio.Event()  # ended, or unfinalised and ready
        self.telling = asyncio.Lock()
        self.told = asyncio.Event()  # the last webhook has been delivered, or given up
        text = json.dumps([model.name, self.input], sort_keys=True)
        sim.record.created(model.kind, hashlib.sha256(text.encode()).hexdigest(), model.name)
        sim.predictions[self.id] = self

    @property
    def ended(self):
        return self.completed is not None

    # ---- life ----

    async def live(self):
        try:
            await self._through("boot")
            if self.wanted_end:
                return self._end("aborted" if self.wanted_end == "deadline" else "canceled")
            if self.plan["end"] == "aborted":
                return self._end("aborted")
            self.status, self.started = "processing", time.time()
            self._tell("start")
            await self._through("run")
            if self.wanted_end:
                return self._end("canceled")
            await self._finish()
        except pictures.Unusable as e:
            self.error = str(e)
            self._end("failed")
        return None

    async def _finish(self):
        end = self.plan["end"]
        if end in ("failed", "canceled") and self.plan["output"] is ...:
            self.error = self.plan["error"]
            return self._end(end)
        self.output = await self._make() if self.plan["output"] is ... else self._filled(self.plan["output"])
        self.error = self.plan["error"]
        self._tell("output")
        if self.plan["unfinalised"]:
            self.done.set()
            await asyncio.sleep(0.2)
        return self._end(end)

    async def _through(self, state):
        seconds = self.plan[f"{state}_s"]
        if seconds is None:
            seconds = self.sim.settings[f"{state}_s"]
            if state == "run":
                seconds = self.sim.settings["model_run_s"].get(self.model.name, seconds)
        if self.deadline:
            seconds_left = self.deadline - time.time()
            if seconds_left < seconds:
                if not await self._stopped(max(0, seconds_left)):
                    self.wanted_end = "deadline"
                return
        await self._stopped(seconds)
        polls = self.polls + self.plan[f"{state}_polls"]
        while self.polls < polls and not self.stop.is_set():
            await asyncio.sleep(0.002)

    async def _stopped(self, seconds):
        if seconds <= 0:
            return self.stop.is_set()
        try:
            await asyncio.wait_for(self.stop.wait(), seconds)
            return True
        except TimeoutError:
            return False

    def _end(self, status):
        self.status, self.completed = status, time.time()
        if self.sim.predictions.get(self.id) is self:
            self.sim.record.finished(self.model.kind, status, self.run_time(), self.model.name)
        self.done.set()
        self._tell("completed")

    def run_time(self):
        return self.completed - self.started if self.started else 0.0

    def cancel(self):
        if not self.ended:
            self.wanted_end = "cancel"
            self.stop.set()

    def _tell(self, event):
        from . import webhooks
        webhooks.tell(self, event)

    # ---- outputs ----

    async def _make(self):
        sim = self.sim
        if sim.settings["picture"] == "fixed" and not self.model.speaks:
            return self.deliver(*pictures.fixed())
        key = pictures.picture_key(self.input)
        data = await self._input(self.input[key]) if key else None
        loop = asyncio.get_running_loop()
        made, alone = await loop.run_in_executor(None, pictures.make, self.model, self.input, data, self.plan["spoil"])
        shown = [item if isinstance(item, str) else self.deliver(*item) for item in made]
        return shown[0] if alone else shown

    async def _input(self, url):
        if url.startswith("data:"):
            return pictures.from_data_url(url)
        from . import files
        found = files.by_url(self.sim, url)
        if found is not None:
            return found
        try:
            async with self.sim.client.get(url) as answer:
                if answer.status == 200:
                    return await answer.read()
                raise pictures.Unusable(f"{answer.status} Client Error: for url: {url}")
        except OSError as e:
            raise pictures.Unusable(f"Cannot fetch {url}: {e}") from None

    def deliver(self, data, extension):
        """Puts a file on the delivery host; its address."""
        path = f"/xezq/{secrets.token_urlsafe(12)}/out.{extension}"
        self.sim.outputs[path] = data, pictures.TYPES.get(extension, "application/octet-stream")
        return self.delivery + path

    def _filled(self, value):
        """{delivery} is the delivery host, {picture} the address of a fresh picture there."""
        if isinstance(value, str):
            if "{picture}" in value:
                value = value.replace("{picture}", self.deliver(*pictures.fixed()))
            return value.replace("{delivery}", self.delivery)
        if isinstance(value, list):
            return [self._filled(v) for v in value]
        if isinstance(value, dict):
            return {k: self._filled(v) for k, v in value.items()}
        return value

    # ---- what is shown ----

    def view(self, base=None):
        plan, digits = self.plan, self.plan["digits"]
        urls = {"cancel": f"{base or self.base}/predictions/{self.id}/cancel",
                "get": f"{base or self.base}/predictions/{self.id}"}
        if not plan["old_urls"]:
            urls["web"] = f"https://replicate.com/p/{self.id}"
            urls["stream"] = f"https://stream.replicate.com/v1/files/{self.id}"
            if self.sim.settings["streams"]:
                urls["stream"] = f"{base or self.base}/streams/{self.id}"
        shown = {
            "id": self.id, "model": self.model.name, "version": plan["version"] or self.version, "input": self.input,
            "logs": plan["logs"] + "x" * plan["logs_bytes"], "output": self.output, "data_removed": False,
            "error": self.error, "source": "api", "status": self.status, "created_at": stamp(self.created, digits),
            "urls": urls,
        }
        if self.deployment:
            shown["deployment"] = self.deployment
        if self.deadline:
            shown["deadline"] = stamp(self.deadline, digits)
        if self.webhook:
            shown |= {"webhook": self.webhook, "webhook_events_filter": self.filter or ["output", "completed"]}
        if self.started and not (plan["unfinalised"] and not self.ended):
            shown["started_at"] = stamp(self.started, digits)
        if self.ended:
            shown["completed_at"] = stamp(self.completed, digits)
            if self.started:
                shown["metrics"] = {"predict_time": self.run_time(), "total_time": self.completed - self.created}
        shown |= plan["view"]
        if self.ended:
            shown |= plan["late_view"]
        return {key: value for key, value in shown.items() if key not in plan["without"]}

    def text(self, base=None):
        return "{" + self.plan["raw"] + json.dumps(self.view(base))[1:]
