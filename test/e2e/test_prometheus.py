"""/metrics in the formats of Prometheus: that its tools read them, and that what they say is so."""
import math

import pytest

from cloud import CREATE, ask
from exposition import Scrape, documented, promtool, run_promtool
from gateway import assert_error, assert_success, until
from pictures import encode, fresh, photo
from raw import Wire, post_head

ESRGAN = "nightmareai/real-esrgan"
FORMATS = ("prometheus", "openmetrics")


def some_traffic(gateway):
    """Runs, hits, errors, files and what is nowhere."""
    picture = fresh()
    answer = gateway.post(picture, headers={"x-request-id": "the-run"})
    assert_success(answer)
    assert_success(gateway.post(picture, headers={"x-request-id": "the-hit"}))
    assert_success(gateway.post(picture, "/api/enhance"))
    assert_error(gateway.post(b"words"), 415, "UNSUPPORTED_MEDIA_TYPE")
    assert_error(gateway.post(picture[:-9], "/api/enhance"), 400, "VALIDATION_ERROR")
    gateway.get("/files/" + answer.json()["data"]["url"].partition("/files/")[2])
    gateway.get("/nothing/here")
    gateway.get("/health")


@pytest.mark.short
@pytest.mark.parametrize("format", FORMATS)
def test_readers_are_content(start, format):
    gateway = start(PROVIDERS="instant")
    for _ in range(2):  # with nothing to tell, and with something
        scrape = Scrape(gateway, format)
        for name, family in scrape.families.items():
            assert name.startswith(("limner_", "process_"))
            assert family.documentation
            if format == "openmetrics" and name.endswith(("seconds", "bytes")):
                assert family.unit == name.rpartition("_")[2]
        some_traffic(gateway)
    assert scrape.type.startswith({"prometheus": "text/plain; version=0.0.4",
                                   "openmetrics": "application/openmetrics-text; version=1.0.0"}[format])
    assert scrape.text.endswith("# EOF\n") == (format == "openmetrics")


def test_promtool_is_content(start):
    if not promtool():
        pytest.skip("there is no promtool: tools/deps --dev brings it")
    gateway = start(PROVIDERS="instant")
    some_traffic(gateway)
    assert run_promtool("check", "metrics", given=Scrape(gateway, "prometheus").text) == ""


def test_formats_agree(start):
    """But for what asking itself changes, and OpenMetrics' names of families."""
    gateway = start(PROVIDERS="instant")
    some_traffic(gateway)
    a, b = Scrape(gateway, "prometheus"), Scrape(gateway, "openmetrics")
    own = ("process_", "limner_http_")
    assert {k: v for k, v in a.samples.items() if not k[0].startswith(own)} == \
        {k: v for k, v in b.samples.items() if not k[0].startswith(own)}


def test_every_name_is_documented(start):
    gateway = start(PROVIDERS="instant")
    some_traffic(gateway)
    seen = {line.split()[2] for line in Scrape(gateway, "prometheus").text.splitlines() if line.startswith("# TYPE")}
    assert seen <= documented()
    assert len(seen) > 20


@pytest.mark.short
def test_counts(start):
    """Exactly what was done, no more."""
    gateway = start(PROVIDERS="instant")
    some_traffic(gateway)
    s = Scrape(gateway)
    requests = "limner_http_requests_total"
    assert s.value(requests, route="/api/clarity", method="POST", code="200") == 2
    assert s.value(requests, route="/api/clarity", method="POST", code="415") == 1
    assert s.value(requests, route="/api/enhance", method="POST", code="400") == 1
    assert s.value(requests, route="/files/*", method="GET", code="200") == 1
    assert s.value(requests, route="other", method="GET", code="404") == 1
    assert s.value("limner_requests_total", feature="improveClarity", outcome="run") == 1
    assert s.value("limner_requests_total", feature="improveClarity", outcome="hit") == 1
    assert s.value("limner_requests_total", feature="improveClarity", outcome="error") == 1
    assert s.value("limner_cache_requests_total", tier="memory", result="hit") == 1
    assert s.value("limner_cache_requests_total", tier="memory", result="miss") == 2
    assert s.value("limner_cache_entries", tier="memory") == 2
    assert 2 * 500 < s.value("limner_cache_bytes", tier="memory") < 2 * 3000
    assert s.value("limner_cache_evictions_total", tier="memory") == 0
    assert s.value("limner_history_batches_waiting") == s.value("limner_history_batches_dropped_total") == 0
    assert s.value("limner_http_request_body_bytes_count") == 5  # of what has a body
    assert s.value("limner_http_request_body_bytes_sum") > 5 * 100
    assert s.value("limner_http_response_body_bytes_count") >= 8
    assert s.value("limner_http_response_body_bytes_bucket", le="1000.0") >= 5
    assert s.value("limner_source_rejected_total", reason="format") == 1
    assert s.value("limner_source_rejected_total", reason="picture") == 1
    assert s.value("limner_upstream_requests_total", provider="instant", model=ESRGAN, outcome="succeeded") == 2
    assert s.value("limner_upstream_duration_seconds_count", provider="instant", model=ESRGAN) == 2
    assert s.value("limner_overhead_seconds_count") == 3
    assert s.value("limner_queue_wait_seconds_count", **{"class": "light"}) == 2
    spans = {dict(labels)["span"]: value for (name, labels), value in s.samples.items()
             if name == "limner_request_span_duration_seconds_count"}
    assert spans == {"admission": 5, "receive": 5, "validate": 5, "cache": 4, "join": 3, "prescale": 3, "queue": 2,
                     "run": 2, "store": 2}
    assert s.value("limner_inflight_limit", **{"class": "light"}) == 8
    assert s.value("limner_requests_open") == s.value("limner_draining") == 0
    assert s.value("process_resident_memory_bytes") == pytest.approx(gateway.memory_kb() * 1024, rel=0.2)
    assert s.value("process_open_fds") == pytest.approx(len(gateway.open_files()), abs=4)
    assert 0 < s.value("process_cpu_seconds_total") < 60


def test_histograms_are_whole(start):
    gateway = start(PROVIDERS="instant")
    some_traffic(gateway)
    s = Scrape(gateway)
    found = 0
    for name, family in s.families.items():
        if family.type != "histogram":
            continue
        series = {}
        for sample in family.samples:
            labels = {k: v for k, v in sample.labels.items() if k != "le"}
            series.setdefault(tuple(sorted(labels.items())), []).append(sample)
        for samples in series.values():
            buckets = [(float(x.labels["le"]), x.value) for x in samples if x.name == f"{name}_bucket"]
            rest = {x.name: x.value for x in samples if x.name != f"{name}_bucket"}
            assert buckets == sorted(buckets) and buckets[-1][0] == math.inf
            assert [n for _, n in buckets] == sorted(n for _, n in buckets)
            assert buckets[-1][1] == rest[f"{name}_count"]
            assert (rest[f"{name}_sum"] > 0) == (rest[f"{name}_count"] > 0)
            found += 1
    assert found > 12


@pytest.mark.short
def test_exemplars(start):
    """A bucket names a request that fell into it, and the log has that one."""
    gateway = start(PROVIDERS="instant")
    some_traffic(gateway)
    exemplars = [x for x in Scrape(gateway).families["limner_http_request_duration_seconds"].samples
                 if x.exemplar and x.labels["route"] == "/api/clarity"]
    ids = {x.exemplar.labels["request_id"] for x in exemplars}
    assert {"the-run", "the-hit"} & ids
    assert all(x.exemplar.value <= float(x.labels["le"]) for x in exemplars)
    assert all(gateway.records("request", id=name) for name in ids)
    assert " # {" not in Scrape(gateway, "prometheus").text
    for name in ('a"b', "a\\b", "x" * 128):
        gateway.get("/health", headers={"x-request-id": name})
    Scrape(gateway)  # can still be read


@pytest.mark.short
def test_formats_are_chosen(instant):
    cases = {
        None: "application/json", "*/*": "application/json", "application/json, text/plain, */*": "application/json",
        "text/html": "application/json", "text/plain": "text/plain", "text/plain;version=0.0.4": "text/plain",
        "application/openmetrics-text": "application/openmetrics-text",
        "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1": "application/openmetrics-text",
    }
    for accept, wanted in cases.items():
        answer = instant.get("/metrics", headers={"Accept": accept})
        assert answer.headers["Content-Type"].partition(";")[0] == wanted, accept
        assert answer.headers["Vary"] == "Accept"
        assert answer.headers["Cache-Control"] == "no-store"
    for format, wanted in {"json": "application/json", "prometheus": "text/plain", "openmetrics": "application/openmetrics-text"}.items():
        answer = instant.get("/metrics", params={"format": format}, headers={"Accept": "text/plain"})
        assert answer.headers["Content-Type"].partition(";")[0] == wanted
    assert_error(instant.get("/metrics?format=xml"), 400, "VALIDATION_ERROR", "format", says="prometheus")


def test_slots_and_queues(start):
    gateway = start(PROVIDERS="local", LOCAL_QUALITY="best", QUEUE_MAX=1)

    def send(wire, left):
        picture = encode(photo(480, 500, left=left), "JPEG")
        wire.send(post_head(len(picture)).encode() + picture)

    with Wire(gateway, timeout=600) as running, Wire(gateway, timeout=600) as waiting:
        send(running, 0)
        gateway.wait_running("local", 1, 0)
        send(waiting, 10)
        gateway.wait_running("local", 1, 1)
        assert_error(gateway.post(fresh()), 429, "QUEUE_FULL")
        s = Scrape(gateway)
        local = {"class": "local"}
        assert s.value("limner_inflight", **local) == s.value("limner_inflight_limit", **local) == 1
        assert s.value("limner_queue_depth", **local) == s.value("limner_queue_limit", **local) == 1
        assert s.value("limner_requests_open") == 2
        assert s.value("limner_http_connections") >= 2
        assert s.value("limner_admission_rejected_total", **{"class": "light", "reason": "queue_full"}) == 1
        assert s.value("limner_vips_max_memory_bytes") > 0
    gateway.wait_idle()
    s = Scrape(gateway)
    assert s.value("limner_inflight", **local) == s.value("limner_queue_depth", **local) == 0
    assert s.value("limner_http_requests_total", route="/api/clarity", method="POST", code="499") == 2
    assert s.value("limner_upstream_requests_total", provider="local", model=ESRGAN, outcome="canceled") == 1


def test_who_is_not_let_in(start):
    gateway = start(PROVIDERS="instant", RATE_LIMITS="on", API_KEYS="a-key-of-sixteen-letters")
    key = {"x-api-key": "a-key-of-sixteen-letters"}
    assert_error(gateway.post(fresh()), 401, "UNAUTHORIZED")
    for _ in range(31):
        last = gateway.post(b"words", "/api/ai-beautify", headers=key)
    assert_error(last, 429, "RATE_LIMIT_EXCEEDED")
    s = Scrape(gateway)
    rejected = "limner_admission_rejected_total"
    assert s.value(rejected, **{"class": "light", "reason": "unauthorized"}) == 1
    assert s.value(rejected, **{"class": "light", "reason": "rate"}) == 1
    assert s.total(rejected) == 2


def test_addresses(start):
    """What the guard refuses, or what cannot be reached."""
    gateway = start(PROVIDERS="instant")
    for url in ("http://127.0.0.1:9/x.jpg", "http://169.254.169.254/latest"):
        answer = gateway.post(fields={"image_url": url})
        assert_error(answer, 400, "VALIDATION_ERROR", "image_url")
    s = Scrape(gateway)
    assert s.value("limner_source_rejected_total", reason="address") == s.total("limner_source_rejected_total") == 2
    assert s.value("limner_request_span_duration_seconds_count", span="fetch") == 2


def test_retries_and_circuit(bare):
    """What the provider's side has: tries, outcomes, the account's breaker."""
    gateway = bare.start(BREAKER_ACCOUNT_MS=60000)
    model = {"provider": "replicate", "model": "cjwbw/real-esrgan"}
    account = {"provider": "replicate", "model": "account"}
    until(lambda: Scrape(gateway).labels_of("limner_circuit_state", "model") >= {ESRGAN, "account"})
    assert Scrape(gateway).value("limner_circuit_state", **account) == 0
    for what in ("429", "failed", "402"):
        bare.upstream.script({"match": CREATE, "times": 1, "do": what})
        ask(gateway)
    until(lambda: Scrape(gateway).value("limner_circuit_state", **account) == 2)
    s = Scrape(gateway)
    assert s.value("limner_upstream_retries_total", reason="throttled", **model) == 1
    runs = {dict(labels)["outcome"]: n for (name, labels), n in s.samples.items() if name == "limner_upstream_requests_total"}
    assert runs == {"succeeded": 1, "failed": 1, "unavailable": 1}
    assert s.value("limner_upstream_duration_seconds_count", **model) == 3
    assert s.value("limner_circuit_opened_total", **account) == 1
    assert s.value("limner_circuit_state", **model) == 0
