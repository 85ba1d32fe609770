"""Rounds of kill -9: what was accepted ends with one result or a truthful state, and nothing is paid twice.

    rounds.py [--rounds 200] [--seed N] [--database]     (make crash ROUNDS=200 SEED=N)

A gateway works for several callers; Replicate's stand-in is quick, slow, rude or silent, as the seed says. At a moment
that the seed chooses the gateway is killed, and started again with the same data folder, which lives for 25 rounds. When
a round is settled, everything must be over, and is compared with what the stand-in has seen (ledger.py). What is wrong
ends the run, and leaves the folder."""
import argparse
import contextlib
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid

TEST = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TEST), str(TEST / "e2e"), str(TEST / "crash")]

import requests  # noqa: E402
from gateway import BINARY, SLOW, Gateway, environment, until  # noqa: E402
from ledger import (MODELS, OVER, Ledger, Truth, Wrong, check_end, check_paid_once, check_result, check_rows,  # noqa: E402
                    rows_of)
from postgres import Postgres  # noqa: E402
from upstream.process import TOKEN, Upstream  # noqa: E402

FOLDER_ROUNDS = 25
CALLERS = 4
ASYNC = {"Prefer": "respond-async"}
OPTIONS = {
    "PROVIDERS": "replicate", "REPLICATE_API_TOKEN": TOKEN, "ALLOW_PRIVATE_FETCH": "true", "AI_RETRY_BASE_MS": 20,
    "AI_RETRY_FACTOR": 1, "UPLOADS_KEEP_MB": 32, "SPOOL_BYTES": 64, "REPLICATE_CREATES_PER_MINUTE": 1000000,
    "BREAKER_FAILURES": 1000, "HTTP_TIMEOUT_MS": 3000, "JOBS_ACTIVE_MAX": 6, "REPLICATE_LIGHT_CONCURRENCY": 4,
}
CREATE, POLL, LIST = {"call": "create"}, {"call": "get"}, {"call": "list"}


def rude(rng):
    """How the stand-in behaves in a round: rules, the first that fits and whose dice fall."""
    rules = []
    for row in (
        {"match": CREATE, "do": "429", "times": 1, "retry_after": 1},
        {"match": CREATE, "do": "reset", "effect": True, "rate": 0.15},
        {"match": CREATE, "do": "reset", "effect": False, "rate": 0.15},
        {"match": CREATE, "do": "reset", "when": "half", "rate": 0.1},
        {"match": CREATE, "do": "close", "effect": True, "rate": 0.1},
        {"match": CREATE, "do": "500", "effect": True, "rate": 0.1},
        {"match": CREATE, "do": "500", "rate": 0.15},
        {"match": CREATE, "do": "503", "rate": 0.15},
        {"match": CREATE, "do": "truncated", "rate": 0.1},
        {"match": CREATE, "do": "late", "seconds": round(rng.uniform(0.05, 0.4), 3), "rate": 0.3},
        {"match": CREATE, "do": "hang", "seconds": 0.3, "effect": True, "rate": 0.1},
        {"match": POLL, "do": "500", "rate": 0.1},
        {"match": POLL, "do": "reset", "rate": 0.1},
        {"match": LIST, "do": "500", "rate": 0.05},
    ):
        if rng.random() < 0.25:
            rules.append(row)
    lives = [
        {"do": "failed", "rate": 0.1}, {"do": "nsfw", "rate": 0.05}, {"do": "interrupted", "rate": 0.1},
        {"do": "director", "rate": 0.05},
        {"do": "life", "wait_s": 0, "run_s": round(rng.uniform(0.2, 1.2), 2), "rate": 0.4},
        {"do": "life", "wait_s": 0, "boot_s": 0.3, "run_s": 0.1, "rate": 0.2},
        {"do": "life", "wait_s": 5, "run_s": round(rng.uniform(0.1, 0.8), 2), "rate": 0.5},
    ]
    rules += [{"match": CREATE, **row} for row in lives if rng.random() < 0.5]
    return rules + [{"match": CREATE, "do": "life", "wait_s": 5, "run_s": 0.01}]


class Killed(Gateway):
    """A gateway that is killed, and whose logs are all kept."""
    starts = 0

    def spawn(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log_path = self.folder / f"log{self.starts:04}.txt"
        self.starts += 1
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([BINARY, "serve"], env=environment(self.options), cwd=self.folder,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def ready(self):
        listening = until(lambda: self._ended() or self.records("listening"), 20)
        if listening is True:
            raise Wrong(f"it ended at once:\n{self.log_path.read_text()}")
        self.port = listening[0]["port"]
        until(lambda: self._answers("/readyz"))

    def kill(self):
        if self._ended() and self.process.returncode != -signal.SIGKILL:
            raise Wrong(f"it has ended by itself, {self.process.returncode}:\n{self.tail()}")
        self.process.kill()
        self.process.wait()

    def check_logs(self):
        for path in sorted(self.folder.glob("log*.txt")):
            whole = path.read_text().split("\n")[:-1]  # the last line may have been cut
            strange = [line for line in whole if not line.startswith("{")]
            if strange:
                raise Wrong(f"{path}:\n" + "\n".join(strange[:60]))


class Caller(threading.Thread):
    """Asks for this and that until the gateway is dead."""

    def __init__(self, round_, number):
        super().__init__(daemon=True)
        self.round, self.world, self.ledger = round_, round_.world, round_.world.ledger
        self.rng = random.Random(f"{round_.name} {number}")
        self.http = requests.Session()
        self.wrong = None

    def run(self):
        actions = [self.upload] * 6 + [self.by_digest] * 2 + [self.again] * 2 + [self.wait_for_it] * 2 + \
            [self.with_key] * 3 + [self.batch] + [self.cancel, self.leave_twin] + [self.look] * 3
        try:
            while not self.round.over.is_set():
                with contextlib.suppress(requests.RequestException):  # no answer: it has been killed
                    self.rng.choice(actions)()
                time.sleep(self.rng.uniform(0, 0.03))
        except Exception as e:  # told by the main thread
            self.wrong = e
        finally:
            self.http.close()

    def fresh(self):
        with self.world.lock:
            return self.ledger.work(self.rng.choice(list(MODELS)))

    def open_attempt(self, work, **more):
        with self.world.lock:
            return self.ledger.attempt(work, **more)

    def pick(self, what):
        """One of those attempts, or None."""
        with self.world.lock:
            found = [a for a in self.ledger.attempts[-40:] if what(a)]
        return self.rng.choice(found) if found else None

    def post(self, path, **more):
        return self.http.post(self.world.gateway.url + path, timeout=30 * SLOW, **more)

    # ---- what it does ----

    def send(self, attempt, fields=None, headers=None):
        """An attempt, for the first time or once more."""
        work = attempt.work
        files = None if fields else {"image": ("photo", work.data)}
        headers = (headers or {}) | ({} if attempt.sync else ASYNC) | ({"Idempotency-Key": attempt.key} if attempt.key else {})
        asked_at = time.monotonic()
        self.world.take(attempt, self.post(work.route, files=files, data=fields, headers=headers), asked_at)
        if attempt.job_id:
            self.round.happened("accepted")

    def upload(self):
        self.send(self.open_attempt(self.fresh()))

    def by_digest(self):
        known = self.pick(lambda a: a.answered and not a.batch)
        if known:
            other = next(route for route in MODELS if route != known.work.route)
            with self.world.lock:
                work = self.ledger.work(other, known.work.n)
            self.send(self.open_attempt(work), fields={"image_digest": "sha256:" + work.digest})

    def again(self):
        """The same as somebody else: a twin, a hit, or paid anew."""
        known = self.pick(lambda a: not a.batch)
        if known:
            self.send(self.open_attempt(known.work))

    def wait_for_it(self):
        self.send(self.open_attempt(self.fresh(), sync=True))

    def with_key(self):
        known = self.pick(lambda a: a.key and not a.sync)
        attempt = known if known and self.rng.random() < 0.5 else self.open_attempt(self.fresh(), key=str(uuid.uuid4()))
        self.send(attempt)

    def batch(self):
        works = [self.fresh() for _ in range(self.rng.randint(1, 4))]
        route = works[0].route
        with self.world.lock:
            works = [self.ledger.work(route, w.n) for w in works]
            attempts = [self.ledger.attempt(w, batch="not known") for w in works]
        items = [{"image_url": self.world.upstream.put_picture(w.data)} for w in works]
        answer = self.post("/api/batch", json={"feature": route, "items": items})
        if answer.status_code == 503 and answer.json()["error"]["code"] == "DRAINING":
            for a in attempts:
                a.refused = "DRAINING"
            return
        if answer.status_code != 202:
            raise Wrong(f"a batch: {answer.status_code} {answer.text}")
        with self.world.lock:
            self.ledger.batches[answer.json()["data"]["job_id"]] = attempts
        self.round.happened("accepted")

    def cancel(self, attempt=None):
        attempt = attempt or self.pick(lambda a: a.job_id and not a.told)
        if attempt:
            attempt.cancel = True
            asked_at = time.monotonic()
            self.world.see(attempt, self.post(f"/api/jobs/{attempt.job_id}/cancel"), asked_at)
            self.round.happened("canceled")

    def leave_twin(self):
        """Canceled, but another one wants the same, so that its run goes on."""
        first = self.open_attempt(self.fresh(), key=str(uuid.uuid4()))
        self.send(first)
        self.send(self.open_attempt(first.work))
        if first.job_id:
            self.cancel(first)

    def look(self):
        attempt = self.pick(lambda a: a.job_id and not a.told)
        if attempt:
            asked_at = time.monotonic()
            self.world.see(attempt, self.http.get(f"{self.world.gateway.url}/api/jobs/{attempt.job_id}",
                                                  params={"wait": 1}, timeout=30 * SLOW), asked_at)
            if attempt.told:
                self.round.happened("told")


class Fresh:
    """A database of its own on a PostgreSQL that several lives share."""

    def __init__(self, server, name):
        assert server.ask(f"CREATE DATABASE {name}") is not None
        self.url = server.url.rpartition("/")[0] + "/" + name

    def ask(self, sql):
        return Postgres.ask(self, sql)


class World:
    """A data folder, the gateway that lives in it, one life after the other, and the stand-in."""

    def __init__(self, folder, upstream, database):
        upstream.reset()
        self.upstream, self.lock = upstream, threading.RLock()
        self.database = Fresh(database, folder.name) if database else None
        self.ledger, self.seen_rows, self.checked = Ledger(), set(), set()
        options = OPTIONS | {"REPLICATE_BASE_URL": upstream.base_url}
        if database:
            options["DATABASE_URL"] = self.database.url
        self.gateway = Killed(folder, **options)
        self.gateway.spawn()
        self.gateway.ready()

    def take(self, attempt, answer, asked_at):
        """What was said to an attempt."""
        body = answer.json()
        with self.lock:
            attempt.answered = True
            if answer.status_code == 202:
                job = body["data"]
                if attempt.job_id not in (None, job["job_id"]):
                    raise Wrong(f"one key, two jobs: {attempt} {job['job_id']}")
                attempt.job_id = job["job_id"]
                self.ledger.heard(attempt, job, asked_at)
            elif answer.status_code == 200:
                attempt.told = "completed", body["data"]["key"]
            elif attempt.sync and body["error"]["code"] == "DRAINING":
                pass  # perhaps in the middle of a run, which the next process ends
            elif attempt.sync:
                attempt.told, attempt.ended_s = ("failed", body["error"]["code"]), time.time()
            elif body["error"]["code"] == "DRAINING" and attempt.key:
                attempt.answered = attempt.job_id is not None  # it is sent again
            elif body["error"]["code"] in ("UPLOAD_UNKNOWN", "DRAINING"):
                attempt.refused = body["error"]["code"]
            else:
                raise Wrong(f"{attempt}: {answer.status_code} {answer.text}")

    def see(self, attempt, answer, asked_at):
        if answer.status_code == 503 and answer.json()["error"]["code"] == "DRAINING":
            return
        if answer.status_code != 200:
            raise Wrong(f"{attempt}: {answer.status_code} {answer.text}")
        with self.lock:
            self.ledger.heard(attempt, answer.json()["data"], asked_at)

    def get(self, path, **more):
        return self.gateway.get(path, **more)

    def look_back(self):
        """What was told lately, the next process knows from its first moment on."""
        for a in self.ledger.attempts[-60:]:
            if a.job_id and a.told:
                asked_at = time.monotonic()
                self.see(a, self.get(f"/api/jobs/{a.job_id}"), asked_at)

    # ---- when all is to be over ----

    def end_of(self, attempt):
        """Waits for a job's end; the job."""
        def over():
            asked_at = time.monotonic()
            job = self.get(f"/api/jobs/{attempt.job_id}", params={"wait": 10})
            self.see(attempt, job, asked_at)
            return job.json()["data"] if attempt.told else None
        try:
            return until(over, 30)
        except AssertionError:
            raise Wrong(f"{attempt} does not end: {self.get(f'/api/jobs/{attempt.job_id}').text}") from None

    def ask_again(self):
        """Who had a key and no answer asks again, as such callers do."""
        for a in self.ledger.attempts:
            if a.key and not a.answered:
                headers = ASYNC | {"Idempotency-Key": a.key}
                self.take(a, self.gateway.post(a.work.data, a.work.route, headers=headers), time.monotonic())

    def end_batch(self, name, attempts):
        batch = until(lambda: next((j for j in [self.get(f"/api/jobs/{name}", params={"wait": 10}).json()["data"]]
                                    if j["state"] in OVER), None), 30)
        counts = batch["batch"]
        if counts["refused"] or counts["completed"] + counts["failed"] + counts["canceled"] != len(attempts):
            raise Wrong(f"a batch of {len(attempts)}: {counts}")
        for child in self.get(f"/api/jobs/{name}/children").json()["data"]:
            attempts[child["index"]].job_id = child["job"]["job_id"]

    def settle(self):
        """Everything ends, and is as it should be."""
        self.ask_again()
        for name, attempts in self.ledger.batches.items():
            if attempts[0].batch == "not known":
                self.end_batch(name, attempts)
                for a in attempts:
                    a.batch = name
        jobs = [(a, self.end_of(a)) for a in self.ledger.attempts if a.job_id and id(a) not in self.checked]
        self.gateway.wait_idle()
        until(lambda: self.upstream.record()["running"].get("all", 0) == 0, 30)
        truth = Truth(self.upstream, self.ledger)
        check_paid_once(self.ledger, truth)
        for a, job in jobs:
            a.ended_s = job["ended_ms"] / 1000
            if "result" in job:
                check_result(job, a.work)
        for a in self.ledger.attempts:
            if a.told and id(a) not in self.checked:
                check_end(self.ledger, truth, a, a.ended_s)
                self.checked.add(id(a))
        until(lambda: not any(r[3] for r in rows_of(self.gateway, self.database)), 5)
        check_rows(self.ledger, truth, rows_of(self.gateway, self.database), self.seen_rows)
        self.check_left_over()

    def check_left_over(self):
        for name in ("jobs", "spool"):
            left = [str(f) for f in (self.gateway.data / name).rglob("*") if f.is_file()]
            if left:
                raise Wrong(f"left in {name}: {left}")
        now = self.gateway.metrics()["requests"]
        if now["total"] != now["success"] + now["error"]:
            raise Wrong(f"the counts do not add up: {now}")
        if self.upstream.crashes():
            raise Wrong(f"the stand-in: {self.upstream.crashes()}")

    def close(self):
        self.gateway.stop()
        self.gateway.check_logs()


class Round:
    WAYS = ("any", "any", "accepted", "accepted", "told", "canceled", "commit", "commit", "locked", "locked", "startup", "twice", "stopping")

    def __init__(self, world, name):
        self.world, self.name = world, name
        self.rng = random.Random(name)
        self.over, self.lock = threading.Event(), threading.Lock()
        self.way = self.rng.choice(self.WAYS)
        self.countdown = self.rng.randint(1, 10)
        self.rules = rude(self.rng)

    def happened(self, what):
        """Right after something was said to a caller: now, if that is what was waited for."""
        with self.lock:
            if what != self.way or self.over.is_set():
                return
            self.countdown -= 1
            if self.countdown <= 0:
                self.kill()

    def kill(self):
        self.over.set()
        self.world.gateway.kill()

    def _strike(self):
        """Waits for the moment."""
        if self.way in ("accepted", "told", "canceled"):
            self.over.wait(2)
        else:
            self.over.wait(self.rng.uniform(0.02, 0.9))
        if self.way == "commit" and not self.world.database:
            self._await_commit()
        if self.way == "locked" and not self.world.database:
            self._while_locked()
        if self.way == "stopping":
            self.world.gateway.signal()
            time.sleep(self.rng.uniform(0, 0.05))
        with self.lock:
            if not self.over.is_set():
                self.over.set()
                if self.way == "stopping" and self.world.gateway.process.poll() == 0:
                    return
                self.world.gateway.kill()

    def _await_commit(self):
        path = self.world.gateway.data / "limner.db-wal"
        before, end = os.stat(path).st_mtime_ns, time.monotonic() + 1
        while os.stat(path).st_mtime_ns == before and time.monotonic() < end:
            pass
        end = time.perf_counter() + self.rng.choice((0, self.rng.uniform(0, 0.003)))
        while time.perf_counter() < end:
            pass

    def _while_locked(self):
        """Nothing can be written for a while, and the end comes before it can be again."""
        with contextlib.closing(sqlite3.connect(self.world.gateway.data / "limner.db", timeout=10)) as other:
            other.isolation_level = None
            other.execute("BEGIN IMMEDIATE")
            self.over.wait(self.rng.uniform(0.02, 0.6))
            with self.lock:
                self.over.set()
                self.world.gateway.kill()

    def _start_again(self):
        gateway = self.world.gateway
        for _ in range({"startup": 1, "twice": 2}.get(self.way, 0)):
            gateway.spawn()
            time.sleep(self.rng.uniform(0, 0.12))
            gateway.kill()
        gateway.spawn()
        gateway.ready()

    def play(self):
        self.world.upstream.script(*self.rules, seed=self.rng.randrange(1 << 30))
        callers = [Caller(self, n) for n in range(CALLERS)]
        for c in callers:
            c.start()
        self._strike()
        for c in callers:
            c.join(60 * SLOW)
            if c.wrong:
                raise c.wrong
        self._start_again()
        self.world.look_back()


def run(rounds, seed, folder, database=None, settle_rate=0.4, say=print):
    """All rounds; the sum of what was seen."""
    total, unknown = Ledger().stats, []
    with contextlib.closing(Upstream()) as upstream:
        world = None
        for i in range(rounds):
            if i % FOLDER_ROUNDS == 0:
                world = World(folder / f"life{i // FOLDER_ROUNDS}", upstream, database)
            one = Round(world, f"{seed}/{i}")
            last = i + 1 == rounds or (i + 1) % FOLDER_ROUNDS == 0
            begun = time.monotonic()
            try:
                one.play()
                if last or one.rng.random() < settle_rate:
                    world.settle()
                if last:
                    world.close()
                    total += world.ledger.stats
                    unknown += world.ledger.unknown
                    total["attempts"] += len(world.ledger.attempts)
                    total["predictions"] += upstream.count("created")
                    shutil.rmtree(world.gateway.folder)
            except BaseException as e:
                say(f"round {i} of seed {seed} ({one.way}, rules {one.rules}) in {world.gateway.folder}: {e}")
                world.gateway.process.kill()
                raise
            say(f"round {i} {one.way}: {time.monotonic() - begun:.1f} s, {len(world.ledger.attempts)} attempts")
    for what, why in unknown:
        say(f"unknown outcome of {what}: {why}")
    say(f"{rounds} rounds of seed {seed} are right: {dict(total)}")
    if any(why.startswith("WRONG") for _, why in unknown):
        raise Wrong("an outcome was not known that could be known")
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--database", action="store_true", help="with a PostgreSQL of its own")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(f"signal {number}"))
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(contextlib.closing(Postgres())) if options.database else None
        folder = pathlib.Path(tempfile.mkdtemp(prefix="limner-crash-"))
        run(options.rounds, options.seed, folder, database)
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
