"""Part of tools/bench: jobs that are accepted, that wait, and that are told about."""
import concurrent.futures
import hashlib
import http.client
import json
import os
import threading
import time

QUEUED, FOLLOWED = 10000, 200

WRK_SUBMIT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
wrk.headers["Prefer"] = "respond-async"
wrk.body = "image_digest=sha256:" .. os.getenv("BENCH_DIGEST")
"""


def submit(bench, photo):
    """Jobs that name their picture, each written down before it is answered; done at once, as the result is known."""
    named = hashlib.sha256(photo.read_bytes()).hexdigest()
    for sync, target in (("process", "≥ 2,000"), ("disk", None)):
        with bench.limner(PROVIDERS="instant", JOURNAL_SYNC=sync, JOBS_MAX=10000000) as limner:
            limner.post_photo("/api/clarity", photo)
            r = bench.wrk(limner, "/api/clarity", script=WRK_SUBMIT, env={"BENCH_DIGEST": named})
            if r["failed"]:
                raise ValueError("some were refused")
            bench.row(f"submit.{sync}", f"submit by image_digest, JOURNAL_SYNC={sync}, wrk ×16", r["per_second"],
                      "requests/s", None, None, target, target and r["per_second"] >= 2000)


class Caller:
    """One connection."""

    def __init__(self, limner):
        self.http = http.client.HTTPConnection("127.0.0.1", limner.port, timeout=60)

    def ask(self, method, path, body=None, headers=None):
        self.http.request(method, path, body, headers or {})
        answer = self.http.getresponse()
        return answer.status, json.loads(answer.read())

    def submit(self, picture):
        headers = {"Content-Type": "image/jpeg", "Prefer": "respond-async"}
        status, document = self.ask("POST", "/api/clarity", picture, headers)
        if status != 202:
            raise ValueError(document)
        return document["data"]["job_id"]


def queued(bench, photo):
    """Many with pictures of their own that wait; then another process takes them up."""
    bytes_of = photo.read_bytes()
    data = str(bench.folder / "queued")
    options = {"PROVIDERS": "instant", "INSTANT_MS": 600000, "JOBS_MAX": 2 * QUEUED, "DATA_DIR": data}
    with bench.limner(**options) as limner:
        def some(first):
            caller = Caller(limner)
            for i in range(first, QUEUED, 4):
                caller.submit(bytes_of + i.to_bytes(4, "big"))
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(some, range(4)))
        memory = limner.memory_mb()
        limner.kill()
    begun = time.monotonic()
    with bench.limner(**options) as limner:
        ready_s = time.monotonic() - begun
        limner.kill()
    bench.row("queued.memory", f"{QUEUED:,} jobs that wait, 136 kB each", memory, "MB", None, None, "≤ 150",
              memory <= 150)
    bench.row("queued.restart", "  ready after a kill, with all of them open", ready_s, "s", None, None, "≤ 2",
              ready_s <= 2)


def event(bench, photo):
    """From the end of a job, by the gateway's clock, to the reader of its events; others wait for theirs."""
    delays = []

    def follow(limner, job_id, seen):
        http_ = http.client.HTTPConnection("127.0.0.1", limner.port, timeout=60)
        http_.request("GET", f"/api/jobs/{job_id}/events")
        answer = http_.getresponse()
        while True:
            line = answer.readline()
            now_ms = time.time() * 1000
            if not line:
                return
            if line.startswith(b"data: "):
                document = json.loads(line[6:])
                if document["event"] == "completed":
                    seen.append(now_ms - document["time_ms"])

    with bench.limner(PROVIDERS="instant", INSTANT_MS=100) as limner:
        caller, bytes_of, readers = Caller(limner), photo.read_bytes(), []
        for i in range(FOLLOWED):
            job_id = caller.submit(bytes_of + os.urandom(8))
            reader = threading.Thread(target=follow, args=(limner, job_id, delays))
            reader.start()
            readers.append(reader)
            time.sleep(0.02)
        for reader in readers:
            reader.join()
    if len(delays) != FOLLOWED:
        raise ValueError(f"only {len(delays)} of {FOLLOWED} ends were told")
    delays.sort()
    bench.row("event.p50", f"from a job's end to who reads its events, {FOLLOWED} jobs, p50", delays[FOLLOWED // 2], "ms")
    p99 = delays[FOLLOWED * 99 // 100]
    bench.row("event.p99", "  p99", p99, "ms", None, None, "≤ 20", p99 <= 20)


MEASURED = {"submit": submit, "queued": queued, "event": event}
