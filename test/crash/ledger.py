"""What was asked of the gateway, what it said, and whether that is the truth: the stand-in for Replicate knows."""
import base64
import collections
import contextlib
import dataclasses
import hashlib
import io
import json
import sqlite3
import time

import requests
from PIL import Image

MODELS = {"/api/ai-beautify": "cjwbw/real-esrgan", "/api/clarity": "nightmareai/real-esrgan"}
OVER = ("completed", "failed", "canceled")
IN_VAIN = ("failed", "canceled", "aborted")  # a prediction that came to nothing: another one may follow
LAST_LOOK_S = 1  # a job that a look at the list has ended, has ended so soon after it
REQUEST, FAILED = 2, 3  # kinds and states of rows, as in journal/journal.h


class Wrong(AssertionError):
    """What must never be."""


def colour(n):
    """Pictures of one colour each, far enough from each other to be told apart after a model has had them."""
    return tuple((n >> shift & 15) * 16 + 8 for shift in (0, 4, 8))


def picture(n):
    out = io.BytesIO()
    Image.new("RGB", (24, 16), colour(n)).save(out, "PNG")
    return out.getvalue()


def digest(data):
    return hashlib.sha256(data).hexdigest()


@dataclasses.dataclass
class Attempt:
    """One request that may be paid for: of one work, by one caller."""
    work: "Work"
    sync: bool = False
    key: str | None = None
    job_id: str | None = None  # once it was accepted
    refused: str | None = None  # the code: nothing may come of it
    batch: str | None = None
    cancel: bool = False       # it was asked for
    told: tuple | None = None  # (state, key of the result or code), as soon as it was said to be over
    told_at: float = 0.0
    ended_s: float = 0.0  # of the wall clock
    answered: bool = False


@dataclasses.dataclass
class Work:
    """One picture and one model: what is not paid twice."""
    n: int
    route: str
    attempts: list = dataclasses.field(default_factory=list)

    @property
    def data(self):
        return picture(self.n)

    @property
    def digest(self):
        return digest(self.data)

    def payers(self):
        return [a for a in self.attempts if a.refused is None]


class Ledger:
    """All of one data folder's life."""

    def __init__(self):
        self.works, self.attempts, self.batches = {}, [], {}
        self.by_digest = {}
        self.next = 0
        self.stats = collections.Counter()
        self.unknown = []  # (what, whether and why it was right)

    def work(self, route, n=None):
        """A picture nobody has sent before, or this one."""
        if n is None:
            n, self.next = self.next, self.next + 1
        found = self.works.setdefault((n, route), Work(n, route))
        self.by_digest[found.digest] = n
        return found

    def attempt(self, work, **more):
        made = Attempt(work, **more)
        work.attempts.append(made)
        self.attempts.append(made)
        return made

    def heard(self, attempt, job, asked_at):
        """A job as it was shown: one that is over stays as it is, for all who ask later."""
        if job["state"] not in OVER:
            if attempt.told and attempt.told_at < asked_at:
                raise Wrong(f"{attempt.job_id} was {attempt.told}, and is {job['state']} again")
            return
        end = job["state"], job["result"]["data"]["key"] if "result" in job else job["error"]["code"]
        if attempt.told and attempt.told != end:
            raise Wrong(f"{attempt.job_id} was {attempt.told}, and is {end} now")
        if not attempt.told:
            attempt.told, attempt.told_at = end, time.monotonic()


class Truth:
    """What the stand-in has seen."""

    def __init__(self, upstream, ledger):
        record = upstream.record()
        self.requests = record["requests"]
        self.predictions, self.creates = collections.defaultdict(list), collections.defaultdict(list)
        for p in upstream.predictions():
            self.predictions[self._which(ledger, p["input"], p["model"])].append(p)
        for r in self.requests:
            with contextlib.suppress(TypeError, ValueError):
                if r["call"] == "create":
                    body = json.loads(r["text"])
                    model = next(m for m in MODELS.values() if m.startswith("cjwbw") == ("upscale" in body["input"]))
                    self.creates[self._which(ledger, body["input"], model)].append(r)
        for all_of_one in self.predictions.values():
            all_of_one.sort(key=lambda p: p["created_at"])

    @staticmethod
    def _which(ledger, given, model):
        data = base64.b64decode(given["image"].partition(",")[2])
        return ledger.by_digest[digest(data)], model

    def of(self, work):
        which = work.n, MODELS[work.route]
        return self.predictions[which], self.creates[which]

    def lists_failed(self, before):
        """How many of the last looks at the list came to nothing, before this time."""
        return sum(r["call"] == "list" and r["rule"] is not None and before - LAST_LOOK_S < r["at"] < before + 0.1
                   for r in self.requests)


def story(made, creates):
    """For people."""
    return [(p["id"], p["created_at"], p.get("completed_at"), p["status"], p["error"]) for p in made] + \
        [(c["at"], c["rule"], c["status"], c["answered_at"], c.get("prediction")) for c in creates]


def check_paid_once(ledger, truth):
    for work in ledger.works.values():
        made, _ = truth.of(work)
        good = [p for p in made if p["status"] not in IN_VAIN]
        payers = work.payers()
        if len(good) > len(payers):
            raise Wrong(f"{work} was paid {len(good)} times: {story(*truth.of(work))}")
        if len(payers) != 1:
            continue
        for first, second in zip(made, made[1:]):
            if first["status"] not in IN_VAIN or first["completed_at"] > second["created_at"]:
                raise Wrong(f"{work}: {second['id']} was begun while {first['id']} could still be had: "
                            f"{story(*truth.of(work))}")


# A failed job's code: what must have happened at the stand-in, given its predictions and the creates it refused.
FITS = {
    "REPLICATE_ERROR": lambda made, refused: refused or any(p["status"] in IN_VAIN for p in made),
    "CONTENT_FILTERED": lambda made, refused: any("NSFW" in str(p["error"]) for p in made),
    "PROVIDER_UNAVAILABLE": lambda made, refused: refused,
    "PROCESSING_ERROR": lambda made, refused: any(p["status"] in IN_VAIN for p in made),
}


def check_end(ledger, truth, attempt, ended_s):
    state, what = attempt.told
    made, creates = truth.of(attempt.work)
    good = [p for p in made if p["status"] == "succeeded"]
    ledger.stats[state if state != "failed" else what] += 1
    if state == "completed":
        if not good:
            raise Wrong(f"{attempt} has a result that no model has made")
    elif state == "canceled":
        if not attempt.cancel:
            raise Wrong(f"{attempt} was canceled, and nobody had asked for that")
    elif what == "UNKNOWN_OUTCOME":
        ledger.unknown.append((str(attempt.job_id), judge_unknown(truth, made, creates, ended_s)))
    elif what not in FITS:
        raise Wrong(f"{attempt} cannot have failed so")
    elif good and len(attempt.work.payers()) == 1:
        raise Wrong(f"{attempt} has failed, but {good[0]['id']} was paid for and has succeeded")
    elif not FITS[what](made, [c for c in creates if (c["status"] or 500) >= 400]):
        raise Wrong(f"{attempt} has failed for no reason: {made} {creates}")


def judge_unknown(truth, made, creates, ended_s):
    """A create's outcome is knowable while the list can be read and what it shows is beyond doubt."""
    if not creates:
        return "WRONG: no create was ever sent"
    failed = truth.lists_failed(ended_s)
    if failed:
        return f"right: the list was refused {failed} times at the end; {story(made, creates)}"
    return f"WRONG: the list could be read at {ended_s}; {story(made, creates)}"


def check_result(job, work):
    answer = requests.get(job["result"]["data"]["url"], timeout=30)
    if answer.status_code != 200:
        raise Wrong(f"{job['job_id']}: its result is gone: {answer.status_code}")
    shown = Image.open(io.BytesIO(answer.content)).convert("RGB").getpixel((5, 5))
    if any(abs(a - b) > 6 for a, b in zip(shown, colour(work.n))):
        raise Wrong(f"{job['job_id']} has another picture's result: {shown}, not {colour(work.n)}")


ROWS = "SELECT id, kind, state, open, request, error, provider, prediction FROM job"


def rows_of(gateway, database):
    """All rows of the journal."""
    if database:
        found = database.ask(ROWS)
        return [(r[0], int(r[1]), int(r[2]), int(r[3]), *r[4:]) for r in found]
    with contextlib.closing(sqlite3.connect(f"file:{gateway.data}/limner.db?mode=ro", uri=True, timeout=10)) as db:
        return db.execute(ROWS).fetchall()


def check_rows(ledger, truth, rows, seen):
    """Nothing is open; what nobody was told of has ended as truthfully as the rest. seen: ids looked at before."""
    for name, kind, state, still_open, request, error, _, prediction in rows:
        if still_open:
            raise Wrong(f"the row {name} is still open, and all is over")
        if kind != REQUEST or name in seen:
            continue
        seen.add(name)
        if state != FAILED or "UNKNOWN_OUTCOME" not in error:
            raise Wrong(f"the row of a request was left: {name} {state} {error}")
        n = ledger.by_digest[json.loads(request)["pictures"][0]["digest"]]
        made = [p for (which, _), all_of_one in truth.predictions.items() if which == n for p in all_of_one]
        known = "WRONG: its id was known" if prediction else "right: its picture went with its caller"
        ledger.unknown.append((f"request {name}", f"{known}; predictions: {[p['status'] for p in made]}"))
