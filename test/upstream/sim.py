"""What all parts share: settings, rules, the record, and what has been made so far."""
import random
import re

from aiohttp import web

from . import comics, faults, models
from .record import Record

SETTINGS = {
    "token": "r8_test_0123456789abcdefghijklmnopqrstu",
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",  # webhooks are signed with it
    "boot_s": 0.0,         # how long a prediction is starting
    "run_s": 0.05,         # … and processing
    "model_run_s": {},     # the same for those models that are named: {"google/gemini-2.5-flash": 1}
    "picture": "real",     # outputs are made from the inputs; "fixed": always the same small one, at once
    "body_max": 20 << 20,  # a longer request cannot be read
    "streams": False,      # urls.stream leads here, not to where Replicate's streams are
    "page": 100,           # predictions or files a page
    "file_ttl_s": 86400,   # life of an uploaded file
    "file_max": 100 << 20,
    "hook_retries": 3,     # how often the last webhook is tried again
    "hook_retry_s": 0.05,  # first pause between two tries
    "cog": "rust",         # flavour: rust, fastapi, go
    "cog_health": "READY",
}


class Rule:
    """A behaviour, and when it applies."""

    def __init__(self, row):
        self.args = dict(row)
        self.match = self.args.pop("match", {})
        self.name = self.args.pop("do")
        self.times = self.args.pop("times", None)
        self.rate = self.args.pop("rate", None)
        self.kind = faults.kind_of(self.name)  # raises KeyError for a name that is none

    def fits(self, call, model, path, nth, given):
        """given: the model's input, when it is known."""
        m = self.match
        return m.get("call", call) == call and m.get("model", model) == model and m.get("nth", nth) == nth and \
            re.search(m.get("path", ""), path) is not None and self._fits_input(given)

    def _fits_input(self, given):
        """"input": {"seed": 203, "prompt": a pattern}; "ask": a pattern of what Gemini is asked for, "^board 2"."""
        wanted, ask = self.match.get("input", {}), self.match.get("ask")
        if given is None:
            return not wanted and ask is None
        alike = all(re.search(v, str(given.get(k, ""))) if isinstance(v, str) else given.get(k) == v
                    for k, v in wanted.items())
        return alike and (ask is None or re.search(ask, str(comics.Ask(given.get("prompt", "")))) is not None)


class Sim:
    def __init__(self, **settings):
        self.started_with = SETTINGS | settings
        self.record = Record()
        self.bases = {}  # listener → its address
        self.client = None  # the way out, for webhooks and inputs; made with the loop
        self.jobs = set()
        self.reset()

    def reset(self):
        for job in self.jobs:
            job.cancel()
        self.settings = dict(self.started_with)
        self.rules = []
        self.once = set()  # what words in prompts have done already
        self.random = random.Random(1)
        self.record.reset()
        self.seen = {}  # call → arrivals since the last script
        self.models = models.all_models()
        self.predictions = {}
        self.outputs = {}  # path on the delivery host → (bytes, type)
        self.files = {}

    def script(self, order):
        """Takes what POST /_sim/script brings: a list of rules, or an object with more."""
        if isinstance(order, list):
            order = {"rules": order}
        if "rules" in order:
            self.rules = [Rule(row) for row in order["rules"]]
            self.seen = {}
        if "seed" in order:
            self.random.seed(order["seed"])
        for name, value in order.get("settings", {}).items():
            if name not in self.settings:
                raise KeyError(f"setting {name}")
            self.settings[name] = value
        for name, changes in order.get("models", {}).items():
            model = self.models[name]
            model.official = changes.get("official", model.official)
            model.versions = changes.get("versions", model.versions)

    def arrives(self, call):
        """Which arrival of this call it is: 1, 2, …"""
        self.seen[call] = self.seen.get(call, 0) + 1
        return self.seen[call]

    def pick(self, kinds, call, model, path, nth, given=None):
        """The first rule of these kinds that applies, or None."""
        for rule in self.rules:
            if rule.kind in kinds and rule.times != 0 and rule.fits(call, model, path, nth, given):
                if rule.rate is not None and self.random.random() >= rule.rate:
                    continue
                if rule.times is not None:
                    rule.times -= 1
                return rule
        return None

    def told(self, model, given):
        """What the prompt itself asks for (comics.py), or None; what is to happen once happens the first time."""
        prompt = given.get("prompt", "")
        word = comics.told(prompt, model.speaks) if model.kind == "comic" else None
        if word and word.endswith("_once"):
            if (word, prompt) in self.once:
                return None
            self.once.add((word, prompt))
            word = word.removesuffix("_once")
        return word if word in faults.LIVES else None

    def spawn(self, work, loop):
        """Work on the side, which a reset ends."""
        job = loop.create_task(work)
        self.jobs.add(job)
        job.add_done_callback(self.jobs.discard)
        return job


SIM = web.AppKey("sim", Sim)
