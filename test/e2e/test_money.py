"""What model runs cost, what is saved, and budgets."""
import base64
import concurrent.futures
import contextlib
import hmac
import http.server
import json
import socket
import subprocess
import threading
import time

import pytest

from cloud import PINNED, ask, life, polled
from gateway import BINARY, SLOW, assert_error, assert_success, environment, until
from pictures import fresh
from raw import post_head

RUN = 0.5  # dollars, so that sums are exact
PRICED = {"PRICES": f"all={RUN}/run"}


def money(gateway):
    return gateway.metrics()["money"]


def test_cost_and_saved(bare):
    """A run costs; a hit and a twin save what it has cost."""
    bare.upstream.script(life(wait_s=0, run_s=0.5))
    gateway, picture = bare.start(**PRICED), fresh()
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        answers = [assert_success(a) for a in pool.map(lambda _: ask(gateway, picture), range(3))]
    answers.append(assert_success(ask(gateway, picture)))
    assert sorted(a["meta"]["cost_usd"] for a in answers) == [0, 0, 0, RUN]
    sums = {"cost_usd": RUN, "saved_usd": {"cache": RUN, "twin": 2 * RUN, "local": 0}}
    told = money(gateway)
    assert told == sums | {"features": {"aiBeautify": sums}}
    text = gateway.get("/metrics?format=prometheus").text
    assert f'limner_cost_usd_total{{feature="aiBeautify",provider="replicate"}} {RUN}\n' in text
    assert f'limner_saved_usd_total{{feature="aiBeautify",by="twin"}} {2 * RUN:g}\n' in text


def test_by_the_providers_clock(bare):
    """The seconds that count are those the provider says, not those that we wait."""
    bare.upstream.script(polled(late_view={"metrics": {"predict_time": 2.5, "total_time": 9}}))
    gateway = bare.start(PRICES="all=0.0002/s")
    assert assert_success(ask(gateway))["meta"]["cost_usd"] == 0.0005
    assert money(gateway)["cost_usd"] == 0.0005


def test_failed_runs_cost_what_was_billed(bare):
    told = {"metrics": {"predict_time": 1.5}}
    bare.upstream.script(life(end="failed", error="the model broke", late_view=told, times=1), life(end="aborted"))
    gateway = bare.start(PRICES="all=0.1/s", AI_RETRIES=0)
    assert_error(ask(gateway), 502, "REPLICATE_ERROR")
    assert money(gateway)["cost_usd"] == 0.15
    assert_error(ask(gateway), 504, "DEADLINE_EXCEEDED")  # it never began
    assert money(gateway)["cost_usd"] == 0.15


def test_by_key(bare):
    gateway = bare.start(API_KEYS="mobile:aaaaaaaaaaaaaaaa,web:bbbbbbbbbbbbbbbb", CACHE_SHARED="on", **PRICED)
    picture = fresh()
    assert_success(ask(gateway, picture, headers={"x-api-key": "a" * 16}))
    assert_success(ask(gateway, picture, headers={"x-api-key": "b" * 16}))
    assert money(gateway)["keys"] == {"mobile": {"cost_usd": RUN, "saved_usd": 0}, "web": {"cost_usd": 0, "saved_usd": RUN}}


def test_a_run_here_saves_its_price_elsewhere(local):
    body = assert_success(local.post(fresh(), fields={"scale": 2}))
    assert body["meta"]["cost_usd"] == 0
    assert money(local)["features"]["improveClarity"]["saved_usd"]["local"] == pytest.approx(0.0018)


def test_over_time(bare, tmp_path):
    """History keeps both, over a restart."""
    first = bare.start(DATA_DIR=tmp_path / "data", **PRICED)
    picture = fresh()
    assert_success(ask(first, picture))
    assert_success(ask(first, picture))
    first.signal()
    assert first.wait() == 0
    first.left = True
    second = bare.start(DATA_DIR=tmp_path / "data", **PRICED)
    query = {"from": "-1h", "to": int(time.time()) + 60}  # with a step that begins in this very second
    series = second.get("/metrics/history", params=query).json()["data"]["series"]
    assert [(s["feature"], s["whole"]["cost_usd"], s["whole"]["saved_usd"]) for s in series] == [("aiBeautify", RUN, RUN)]


# ---- budgets ----

def budgets(gateway):
    return {b["name"]: b for b in money(gateway)["budgets"]}


def used(gateway, name="all/day"):
    return budgets(gateway)[name]["used_usd"]


def crowd(gateways, count):
    """Different pictures at once, dealt in turn: the answers."""
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda i: ask(gateways[i % len(gateways)]), range(count)))


def counts(answers):
    return {status: sum(a.status_code == status for a in answers) for status in (200, 402)}


@pytest.mark.short
def test_a_limit_is_reached_and_never_passed(bare):
    gateway = bare.start(BUDGETS="all=5/day", REPLICATE_LIGHT_CONCURRENCY=50, **PRICED)
    assert counts(crowd([gateway], 50)) == {200: 10, 402: 40}
    assert bare.upstream.count("created") == 10
    assert used(gateway) == 5 and budgets(gateway)["all/day"]["remaining_usd"] == 0
    assert money(gateway)["cost_usd"] == 5
    text = gateway.get("/metrics?format=prometheus").text
    assert 'limner_budget_remaining_usd{budget="all/day"} 0\n' in text
    assert 'limner_admission_rejected_total{class="light",reason="budget"} 40\n' in text


def test_what_a_refusal_says(bare):
    gateway, picture = bare.start(BUDGETS="light=0.5/hour", **PRICED), fresh()
    assert_success(ask(gateway, picture))
    refused = ask(gateway)
    error = assert_error(refused, 402, "BUDGET_EXCEEDED", says='the budget of features of the class "light" for this hour')
    assert "a new one begins at 2" in error["message"]
    assert 1 <= int(refused.headers["Retry-After"]) <= 3600
    hit = ask(gateway, picture)  # costs nothing
    assert assert_success(hit)["meta"]["cached"]
    assert hit.headers["X-Budget-Warning"].startswith('"light/hour";used=100;t=')


def test_refused_before_the_body(bare):
    """Only what no remembered result could answer."""
    gateway, picture = bare.start(BUDGETS="all=0.5/day", **PRICED), fresh()
    assert_success(ask(gateway, picture))
    for wish, first in ("no-cache", b"HTTP/1.1 402"), ("no-store", b"HTTP/1.1 402"), ("max-age=9", b"HTTP/1.1 100"):
        head = post_head(len(picture), route=PINNED, more=f"Expect: 100-continue\r\nCache-Control: {wish}\r\n")
        with contextlib.closing(socket.create_connection(("127.0.0.1", gateway.port), 20)) as s:
            s.sendall(head.encode())
            assert s.recv(4096).startswith(first), wish


def test_what_failed_is_settled_to_what_was_billed(bare):
    bare.upstream.script(life(end="failed", error="the model broke", late_view={"metrics": {"predict_time": 2}}, times=1),
                         life(end="aborted", times=1))
    gateway = bare.start(BUDGETS="all=10/day", PRICES="all=0.1/s", AI_RETRIES=0)
    assert_error(ask(gateway), 502, "REPLICATE_ERROR")
    assert used(gateway) == 0.2
    assert_error(ask(gateway), 504, "DEADLINE_EXCEEDED")
    assert used(gateway) == 0.2


def test_by_key_and_class(bare):
    keys = {name: {"x-api-key": name * 16} for name in "ab"}
    gateway = bare.start(API_KEYS=f"a:{'a' * 16},b:{'b' * 16}", BUDGETS="key:a=0.5/month,heavy=0/day,all=100/week", **PRICED)
    assert_success(ask(gateway, headers=keys["a"]))
    assert_error(ask(gateway, headers=keys["a"]), 402, "BUDGET_EXCEEDED", says="of your API key for this month")
    assert_success(ask(gateway, headers=keys["b"]))
    assert_error(ask(gateway, route="/api/style", fields={"style": "anime"}, headers=keys["b"]), 402, "BUDGET_EXCEEDED")
    assert (used(gateway, "key:a/month"), used(gateway, "all/week"), used(gateway, "heavy/day")) == (0.5, 1, 0)


def test_a_step_pays_for_its_parent(bare):
    gateway = bare.start(BUDGETS="all=0.5/day", **PRICED)
    files = {"fg": ("a.jpg", fresh())}
    body = assert_success(gateway.post(files=files, route="/api/replace-bg", fields={"mode": "remove"}))
    assert body["meta"]["cost_usd"] == RUN and used(gateway) == RUN
    files = {"fg": ("a.jpg", fresh())}
    assert_error(gateway.post(files=files, route="/api/replace-bg", fields={"mode": "remove"}), 402, "BUDGET_EXCEEDED")


def test_a_restart_remembers(bare, tmp_path):
    given = {"BUDGETS": "all=2/month,light=1/month", "DATA_DIR": tmp_path / "data"}
    first = bare.start(**given, **PRICED)
    assert_success(ask(first))
    first.signal()
    assert first.wait() == 0
    first.left = True
    second = bare.start(**given, **PRICED)
    assert used(second, "all/month") == used(second, "light/month") == RUN
    assert_success(ask(second))
    assert_error(ask(second), 402, "BUDGET_EXCEEDED")


def test_what_a_killed_process_held_stays_counted(bare, tmp_path):
    given = {"BUDGETS": "all=2/month", "DATA_DIR": tmp_path / "data"}
    bare.upstream.script(life(wait_s=0, run_s=3))
    first = bare.start(**given, **PRICED)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, first)
        until(lambda: bare.upstream.count("created") == 1)
        time.sleep(0.5)  # it is written beside the request
        first.process.kill()
        first.wait()
        first.left = True
        assert asked.exception()
    assert used(bare.start(**given, **PRICED), "all/month") == RUN
    bare.over()


# ---- among gateways ----

@pytest.fixture
def cluster(bare, redis):
    """So many gateways with one Redis and one account."""
    def begin(count, **options):
        given = {"REDIS_URL": redis.url, "REDIS_TIMEOUT_MS": 5000, "REPLICATE_LIGHT_CONCURRENCY": 50} | options
        made = [bare.start(**given) for _ in range(count)]
        for gateway in made:
            until(lambda g=gateway: g.get("/readyz").json()["checks"]["redis"] == "ok")
        return made
    return begin


def test_two_never_spend_more_together(bare, cluster):
    gateways = cluster(2, BUDGETS="all=5/day,light=100/week", **PRICED)
    assert counts(crowd(gateways, 50)) == {200: 10, 402: 40}
    assert bare.upstream.count("created") == 10
    until(lambda: all(used(g) in (0, 5) for g in gateways))
    assert max(used(g) for g in gateways) == 5
    restarted = cluster(1, BUDGETS="all=5/day,light=100/week", **PRICED)
    assert_error(ask(restarted[0]), 402, "BUDGET_EXCEEDED")
    assert used(restarted[0]) == 5


def test_while_redis_is_away(bare, cluster, redis):
    """open counts on here and tells Redis later; closed refuses."""
    opened, = cluster(1, BUDGETS="all=1.5/day", REDIS_TIMEOUT_MS=500, **PRICED)
    closed, = cluster(1, BUDGETS="all=1.5/day", REDIS_TIMEOUT_MS=500, BUDGET_FALLBACK="closed", **PRICED)
    assert_success(ask(opened))
    redis.freeze()
    assert_success(ask(opened))
    assert_error(ask(closed), 503, "PROVIDER_UNAVAILABLE", says="Redis does not answer")
    redis.thaw()
    for gateway in opened, closed:
        until(lambda g=gateway: g.get("/readyz").json()["checks"]["redis"] == "ok", 30)
    until(lambda: redis.ask("HGET", redis.names("limner:{budgets}*")[0], "spent") == "1000000000")
    assert_success(ask(closed))
    assert_error(ask(opened), 402, "BUDGET_EXCEEDED")


# ---- the soft limit ----

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()


class Receiver:
    """Notes what is posted to it; the first one is answered with 500."""

    def __init__(self):
        self.got = got = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                got.append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(500 if len(got) == 1 else 204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/budgets"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


def check_signature(headers, body):
    headers = {name.lower(): value for name, value in headers.items()}
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = hmac.digest(base64.b64decode(SECRET[6:]), signed, "sha256")
    assert headers["webhook-signature"] == "v1," + base64.b64encode(mac).decode()
    return headers["webhook-id"]


@pytest.mark.parametrize("nodes", [0, 2])
def test_near_its_end_a_budget_is_told_once(bare, cluster, receiver, nodes):
    options = PRICED | {"BUDGETS": "all=2/day", "BUDGET_SOFT_PERCENT": 75, "BUDGET_WEBHOOK_URL": receiver.url,
                        "BUDGET_WEBHOOK_SECRET": SECRET}
    gateways = cluster(nodes, **options) if nodes else [bare.start(**options)]
    answers = [ask(gateways[i % len(gateways)]) for i in range(7)]
    assert counts(answers) == {200: 4, 402: 3}
    warned = ["X-Budget-Warning" in a.headers for a in answers]
    assert warned == [False, False, True, True, True, True, True]
    assert answers[2].headers["X-Budget-Warning"].startswith('"all/day";used=75;t=')
    until(lambda: len(receiver.got) >= 3)
    time.sleep(0.3)
    ids = [check_signature(*got) for got in receiver.got]
    said = {i: json.loads(body) for i, (_, body) in zip(ids, receiver.got, strict=True)}
    assert len(ids) == 3 and len(said) == 2  # the one that was not taken came again, as the same
    assert sorted(s["type"] for s in said.values()) == ["budget.exceeded", "budget.soft"]
    soft = next(s["data"] for s in said.values() if s["type"] == "budget.soft")
    assert (soft["budget"], soft["limit_usd"], soft["used_usd"]) == ("all/day", 2, 1.5)


def test_the_end_does_not_wait_for_a_database_that_is_away(bare):
    """What was spent is lost then, and said; the program ends all the same."""
    gateway = bare.start(**PRICED, BUDGETS="all=50/day", DATABASE_URL="postgres://limner@127.0.0.1:1/limner", DB_TIMEOUT_MS=500)
    assert_success(ask(gateway))
    begun = time.monotonic()
    gateway.stop()
    gateway.left = True
    assert time.monotonic() - begun < 8 * SLOW
    assert gateway.records("budgets")


def test_settings_that_cannot_be(start, tmp_path):
    for options, says in (
            ({"BUDGETS": "all=5"}, "has no period"),
            ({"BUDGETS": "everything=5/day"}, '"everything" has no budget'),
            ({"BUDGETS": "key:web=5/day"}, 'names the key "web", which API_KEYS does not have'),
            ({"BUDGETS": "all=1/day,all=2/day"}, "comes twice"),
            ({"BUDGETS": "all=1/day", "BUDGET_WEBHOOK_URL": "http://127.0.0.1:1", "BUDGET_WEBHOOK_SECRET": "x" * 40},
             "BUDGET_WEBHOOK_SECRET is whsec_"),
            ({"PRICES": "clarity=1/day"}, "has no unit")):
        env = environment({"DATA_DIR": tmp_path / "d", "PORT": 0, "HOST": "127.0.0.1", "PROVIDERS": "instant"} | options)
        ended = subprocess.run([BINARY, "serve"], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode != 0 and says in ended.stdout + ended.stderr, ended.stderr
