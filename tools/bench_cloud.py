"""Part of tools/bench: limner as the gateway to a cloud, beside what that cloud does by itself.

The cloud is bench/upstream.c: Replicate's calls and an S3 bucket, answering at once or after a set time."""
import json

MODEL_MS = 2000
CLOUD = {
    "PROVIDERS": "replicate", "REPLICATE_API_TOKEN": "r8_bench", "REPLICATE_CREATES_PER_MINUTE": 1_000_000,
    "ALLOW_PRIVATE_FETCH": "on", "FALLBACK": "off", "CF_R2_BUCKET": "bench", "CF_R2_ACCESS_KEY_ID": "bench",
    "CF_R2_SECRET_ACCESS_KEY": "bench", "S3_REGION": "us-east-1",
}


def gateway(bench, upstream, **more):
    return bench.limner(REPLICATE_BASE_URL=upstream.url("/v1"), CF_R2_ENDPOINT=upstream.url(""), **CLOUD, **more)


def calls(upstream):
    return json.loads(upstream.get("/stats"))


def cloud(bench, photo, large):
    """A miss through everything: create, read 450 kB, put 450 kB."""
    with bench.upstream() as upstream, gateway(bench, upstream) as limner:
        limner.post_photo("/api/clarity", photo)  # resolves the model's version
        loads = {limner: ("unique", {"path": "/api/clarity"}), upstream: ("upstream", {})}
        ours, theirs = bench.in_turns([limner, upstream], lambda s: bench.load(
            s, loads[s][0], file=photo, connections=8, **loads[s][1]))
        share = ours["per_second"] / theirs["per_second"] * 100
        bench.row("cloud.rate", "miss through Replicate and S3, 136 kB ×8", ours["per_second"], "requests/s",
                  theirs["per_second"], share / 100, "≥ 50 % of bare", share >= 50)
        bench.row("cloud.cpu", "  server CPU a request", ours["cpu_us"], "µs", None, None, "≤ 1,200",
                  ours["cpu_us"] <= 1200)
        bench.row("cloud.p50", "  p50", ours["p50_us"] / 1000, "ms", theirs["p50_us"] / 1000)
        bench.row("cloud.p99", "  p99", ours["p99_us"] / 1000, "ms", theirs["p99_us"] / 1000)
        peak = limner.memory_mb("VmHWM")
        bench.row("cloud.memory", "  peak memory", peak, "MB", None, None, "≤ 80", peak <= 80)
    with bench.upstream() as upstream, gateway(bench, upstream) as limner:
        limner.post_photo("/api/clarity", photo)
        [ours] = bench.in_turns([limner], lambda s: bench.load(s, "unique", path="/api/clarity", file=large,
                                                               connections=8))
        bench.row("cloud.large", "  the same with 12 MP, 4 MB", ours["per_second"], "requests/s")
        peak = limner.memory_mb("VmHWM")
        bench.row("cloud.large.memory", "  peak memory", peak, "MB", None, None, "≤ 200", peak <= 200)


def added(bench, photo, large):
    """What limner adds to a model that takes two seconds, for ten users at once."""
    with bench.upstream(MODEL_MS) as upstream, gateway(bench, upstream, REPLICATE_LIGHT_CONCURRENCY=10) as limner:
        limner.post_photo("/api/clarity", photo)
        result = bench.load(limner, "unique", path="/api/clarity", file=photo, connections=10, seconds=15)
        seen = calls(upstream)
        for key, most in (("p50_us", 15), ("p99_us", 60)):
            ms = result[key] / 1000 - MODEL_MS
            bench.row(f"added.{key[:3]}", f"added to a model of 2 s, ten users, {key[:3]}", ms, "ms", None, None,
                      f"≤ {most}", ms <= most, requests=result["requests"], upstream=seen)


def v1(bench, photo, large):
    """Replicate's own API: what limner adds to a create that goes on upstream, at a steady pace."""
    rate, connections = 1000, 32

    def paced(server):
        return json.loads(bench.run([bench.program("paced"), str(server.port), str(rate), str(bench.args.seconds),
                                     str(connections)], bench.args.seconds + 20))
    with bench.upstream() as upstream, gateway(bench, upstream, REPLICATE_LIGHT_CONCURRENCY=1000) as limner:
        before = calls(upstream)["create"]
        ours, theirs = bench.in_turns([limner, upstream], paced)
        sent = calls(upstream)["create"] - before
        if sent < 1.99 * rate * bench.args.seconds * bench.args.rounds:
            raise ValueError(f"only {sent} creates came upstream")
        for key, most in (("p50_us", 0.3), ("p99_us", 3)):
            ms = (ours[key] - theirs[key]) / 1000
            bench.row(f"v1.{key[:3]}", f"added to a create at /v1, {rate:,} a second, {key[:3]}", ms, "ms",
                      theirs[key] / 1000, None, f"≤ {most}", ms <= most, creates=sent)
        bench.row("v1.cpu", "  server CPU a request", ours["cpu_us"], "µs")
        bench.row("v1.memory", "  peak memory", limner.memory_mb("VmHWM"), "MB")


MEASURED = {"cloud": cloud, "added": added, "v1": v1}
