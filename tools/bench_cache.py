"""Part of tools/bench: what is answered from memory, from Redis, or about the gateway itself."""
import hashlib
import json
import pathlib
import socket
import subprocess
import time

REDIS = pathlib.Path("/usr/bin/redis-check-rdb")  # Debian's redis-tools bring the server's code; its name decides
RESULTS = 3000

WRK_DIGEST = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
wrk.body = "image_digest=sha256:" .. os.getenv("BENCH_DIGEST")
"""


def digest(bench, photo):
    """A hit that names its picture instead of sending it, beside the smallest answer there is."""
    with bench.limner(PROVIDERS="instant") as limner:
        limner.post_photo("/api/clarity", photo)
        named = hashlib.sha256(photo.read_bytes()).hexdigest()
        rate = {"/api/clarity": [], "/health": []}
        for _ in range(bench.args.rounds):
            for path in rate:
                script = WRK_DIGEST if path != "/health" else ""
                rate[path].append(bench.wrk(limner, path, script=script, env={"BENCH_DIGEST": named}))
        ours, health = (sorted(r["per_second"] for r in rate[path])[len(rate[path]) // 2] for path in rate)
        if any(r["failed"] for path in rate for r in rate[path]):
            raise ValueError("some were refused")
        bench.row("digest.rate", "hit by image_digest, wrk ×16; /health", ours, "requests/s", health, ours / health,
                  "≥ 50,000 or 75 %", ours >= 50000 or ours >= 0.75 * health)


def text(bench, photo):
    """What Prometheus reads, after requests for three features."""
    with bench.limner(PROVIDERS="instant") as limner:
        for route in ("/api/clarity", "/api/enhance", "/api/ai-beautify"):
            limner.post_photo(route, photo)
        result = bench.wrk(limner, "/metrics?format=prometheus")
        bench.row("text.rate", "GET /metrics?format=prometheus, wrk ×16", result["per_second"], "requests/s")


class Redis:
    def __init__(self, bench):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
                                         "--dir", str(bench.folder)], executable=REDIS, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)

    def __enter__(self):
        for _ in range(200):
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.02)
        raise OSError("redis-server did not start")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)


def shared(bench, photo):
    """What one gateway has made and another is asked for: each of its hits comes from Redis."""
    if not REDIS.exists():
        raise ValueError("there is no Redis: tools/deps --dev brings it")
    with Redis(bench) as redis:
        store = str(bench.folder / "shared-store")
        options = {"PROVIDERS": "instant", "REDIS_URL": redis.url, "CACHE_MAX_SIZE": 2 * RESULTS,
                   "CACHE_TTL_MS": 3600000, "DATA_DIR": store}
        load = {"path": "/api/clarity", "file": photo, "connections": 4, "count": RESULTS, "series": 1, "seconds": 60}
        with bench.limner(**options) as first:
            bench.load(first, "unique", **load)
            time.sleep(0.5)
        with bench.limner(**options) as second:
            result = bench.load(second, "unique", **load)
            requests = json.loads(second.get("/metrics"))["requests"]
            if requests["cached"] < RESULTS:
                raise ValueError(f"only {requests['cached']} of {RESULTS} were hits")
            bench.row("shared.p50", f"hit in Redis, 136 kB ×4, {RESULTS} of them, p50", result["p50_us"] / 1000, "ms")
            bench.row("shared.p99", "  p99", result["p99_us"] / 1000, "ms", None, None, "≤ 2", result["p99_us"] <= 2000)


MEASURED = {"digest": digest, "text": text, "shared": shared}
