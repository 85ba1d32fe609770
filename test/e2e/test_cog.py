"""Runs on Cog servers of the operator's own: real ones, around a model that enlarges with Pillow."""
import concurrent.futures
import subprocess

import pytest
import requests

from cog_server import CogServer
from gateway import BINARY, DEFAULTS, SLOW, assert_error, assert_success, environment, until
from pictures import decode, fresh, psnr, sample
from upstream.process import header

GENERATIONS = pytest.mark.parametrize("generation", ["rust", "fastapi"])
MODEL = "nightmareai/real-esrgan"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture
def cog(tmp_path):
    """cog() starts one, which is ready; cog(setup=False) one whose set-up does not end by itself."""
    begun = []

    def begin(generation="rust", setup=True):
        server = CogServer(tmp_path / f"cog{len(begun)}", generation)
        begun.append(server)
        server.start()
        return server.ready() if setup else server

    yield begin
    for server in begun:
        server.stop()


def endpoints(*servers, features=("clarity", "enhance")):
    return ";".join(f"{feature}={','.join(server.url for server in servers)}" for feature in features)


def gateway(start, *servers, **options):
    more = {"PROVIDERS": "cog", "COG_HEALTH_MS": 1000} | options
    return start(COG_ENDPOINTS=endpoints(*servers), **more)


def states(gateway):
    """Of the servers, as /readyz tells them."""
    checks = gateway.get("/readyz").json()["checks"]
    return {name.removeprefix("cog."): state for name, state in checks.items() if name.startswith("cog.")}


def ready(gateway, *servers):
    until(lambda: [states(gateway)[server.url.removeprefix("http://")] for server in servers] == ["ready"] * len(servers), 15)


def ask_directly(server):
    """A run of somebody else's."""
    order = {"image": "data:image/png;base64," + PIXEL, "scale": 2, "face_enhance": False}
    return requests.post(server.url + "/predictions", json={"input": order}, timeout=60)


@pytest.fixture
def pool():
    with concurrent.futures.ThreadPoolExecutor(16) as threads:
        yield threads


@GENERATIONS
def test_a_photo_goes_in_and_comes_out_larger(start, cog, generation):
    server = cog(generation)
    limner = gateway(start, server)
    photo = sample("portrait-small.jpg")
    body = assert_success(limner.post(photo, fields={"scale": "4", "faceEnhance": "true"}))
    assert server.runs() == ["JPEG 192x192 4 True"]
    assert (body["meta"]["model"], body["meta"]["ran_on"]) == (MODEL, "cog")
    assert body["data"]["key"].endswith(".png")
    result = decode(requests.get(body["data"]["url"], timeout=30).content)
    assert result.size == (768, 768)
    small = result.convert("RGB").resize((192, 192))
    assert psnr(small, decode(photo).convert("RGB")) > 35  # it is that photo
    again = assert_success(limner.post(photo, fields={"scale": "4", "faceEnhance": "true"}))
    assert again["meta"]["cached"] and len(server.runs()) == 1


def test_a_large_picture(start, cog):
    """Data URLs have no limit of their own: eight million pixels come back."""
    server = cog()
    limner = gateway(start, server, IMAGE_MAX_PIXELS=4_000_000)
    body = assert_success(limner.post(fresh(1600, 1200, "PNG"), fields={"scale": "2"}))
    assert server.runs() == ["PNG 1600x1200 2 False"]
    result = requests.get(body["data"]["url"], timeout=30).content
    assert len(result) > 2_000_000
    assert decode(result).size == (3200, 2400)


@GENERATIONS
def test_a_run_that_fails_says_why(start, cog, generation):
    server = cog(generation)
    server.pull("fail")
    limner = gateway(start, server)
    assert_error(limner.post(fresh()), 502, "REPLICATE_ERROR", says="too dark")
    assert len(server.runs()) == 1  # it would fail again
    server.push("fail")
    assert_success(limner.post(fresh()))


def test_two_servers_share_the_load(start, cog, pool):
    """Two at a time get one each; of a crowd everyone is served, though each server takes only one at once."""
    servers = cog("rust"), cog("fastapi")
    limner = gateway(start, *servers)
    for wave in (1, 2, 3):
        for server in servers:
            server.pull("hold")
        answers = [pool.submit(limner.post, fresh()) for _ in servers]
        until(lambda: [len(server.runs()) for server in servers] == [wave, wave])
        for server in servers:
            server.push("hold")
        for answer in answers:
            assert_success(answer.result())
    crowd = [pool.submit(limner.post, fresh()) for _ in range(12)]
    for answer in crowd:
        assert_success(answer.result())
    assert sum(len(server.runs()) for server in servers) == 6 + 12


@GENERATIONS
def test_a_server_others_use_is_waited_for(start, cog, pool, generation):
    """409: somebody else's run is on it. The request waits, and needs no luck."""
    server = cog(generation)
    limner = gateway(start, server)
    ready(limner, server)
    server.pull("hold")
    stranger = pool.submit(ask_directly, server)
    until(lambda: len(server.runs()) == 1)
    answer = pool.submit(limner.post, fresh())
    until(lambda: states(limner) == {server.url.removeprefix("http://"): "busy"}, 15)
    assert not answer.done()
    server.push("hold")
    assert_success(answer.result())
    assert stranger.result().json()["status"] == "succeeded"
    assert len(server.runs()) == 2


def test_a_busy_server_is_left_for_an_idle_one(start, cog, pool):
    busy, idle = cog(), cog()
    busy.pull("hold")
    stranger = pool.submit(ask_directly, busy)
    until(lambda: len(busy.runs()) == 1)
    limner = gateway(start, busy, idle)
    for _ in range(4):
        assert_success(limner.post(fresh()))
    assert len(idle.runs()) == 4 and len(busy.runs()) == 1
    busy.push("hold")
    stranger.result()


@GENERATIONS
def test_setup_is_waited_for(start, cog, pool, generation):
    server = cog(generation, setup=False)
    limner = gateway(start, server)
    name = server.url.removeprefix("http://")
    until(lambda: states(limner) == {name: "starting"}, 15)
    answer = pool.submit(limner.post, fresh())
    limner.wait_running("light")
    assert not answer.done()
    server.ready()
    assert_success(answer.result())
    assert len(server.runs()) == 1


@GENERATIONS
def test_a_failed_setup_is_left_alone(start, cog, generation):
    """The other server serves; the one that failed gets nothing, until it is there anew."""
    broken, good = cog(generation, setup=False), cog(generation)
    broken.pull("broken")
    broken.pull("setup")
    limner = gateway(start, broken, good)
    name = broken.url.removeprefix("http://")
    until(lambda: states(limner)[name] in ("setup failed", "unreachable"), 15)
    for _ in range(3):
        assert_success(limner.post(fresh()))
    assert len(good.runs()) == 3 and not broken.runs()


def test_a_killed_server_is_left_and_comes_back(start, cog, pool):
    """Its run goes on at the other one, new ones too; started again, it is used again."""
    first, second = cog(), cog()
    limner = gateway(start, first, second)
    ready(limner, first, second)
    first.pull("hold")
    second.pull("hold")
    answers = [pool.submit(limner.post, fresh()) for _ in range(2)]
    until(lambda: len(first.runs()) == len(second.runs()) == 1)
    first.kill()
    second.push("hold")
    for answer in answers:
        assert_success(answer.result())
    until(lambda: states(limner)[first.url.removeprefix("http://")] == "unreachable", 15)
    before = len(second.runs())
    for _ in range(3):
        assert_success(limner.post(fresh()))
    assert len(second.runs()) == before + 3
    first.push("hold")
    first.start()
    ready(limner, first)
    second.kill()
    assert_success(limner.post(fresh()))
    assert len(first.runs()) == 2


def test_none_left(start, cog):
    """503 and when to come back; with another provider in PROVIDERS that one serves."""
    server = cog()
    limner = gateway(start, server)
    ready(limner, server)
    server.kill()
    assert_error(limner.post(fresh()), 503, "PROVIDER_UNAVAILABLE")
    until(lambda: "unavailable" in limner.get("/readyz").json()["checks"]["provider.cog"], 15)
    assert_error(limner.post(fresh()), 503, "PROVIDER_UNAVAILABLE", says="no cog server")
    second = gateway(start, server, PROVIDERS="cog,instant")
    body = assert_success(second.post(fresh()))
    assert body["meta"]["ran_on"] == "instant"


@GENERATIONS
def test_a_client_who_leaves_frees_the_server(start, cog, generation):
    server = cog(generation)
    server.pull("hold")
    limner = gateway(start, server)
    with pytest.raises(requests.exceptions.ReadTimeout):
        limner.post(fresh(), timeout=2)
    until(lambda: len(server.lines("stopped")) == 1)
    server.push("hold")
    server.wait("READY")
    limner.wait_idle()
    assert_success(limner.post(fresh()))


@GENERATIONS
def test_the_deadline_frees_the_server(start, cog, generation):
    server = cog(generation)
    server.pull("hold")
    limner = gateway(start, server, RUN_TIMEOUT_MS=1500)
    assert_error(limner.post(fresh()), 504, "DEADLINE_EXCEEDED")
    until(lambda: len(server.lines("stopped")) == 1)


# ---- the generation in Go, which there is no package of: the simulator plays it ----

@pytest.fixture
def go(bare):
    bare.upstream.set(cog="go", run_s=0)
    return bare


def go_gateway(go):
    return go.start(PROVIDERS="cog", COG_HEALTH_MS=1000, COG_ENDPOINTS=f"clarity={go.upstream.cog}")


def test_go(go):
    """It takes JSON only under its bare name, and no nulls."""
    limner = go_gateway(go)
    body = assert_success(limner.post(sample("portrait-small.jpg")))
    assert decode(requests.get(body["data"]["url"], timeout=30).content).size == (384, 384)
    sent = go.upstream.requests("cog_create")[-1]
    assert header(sent, "Content-Type") == "application/json"
    assert header(sent, "Prefer") is None


def test_go_takes_one_at_a_time(go, pool):
    """It says how many it takes, so nobody is refused."""
    limner = go_gateway(go)
    until(lambda: list(states(limner).values()) == ["ready"], 15)
    go.upstream.set(run_s=0.1)
    for answer in [pool.submit(limner.post, fresh()) for _ in range(5)]:
        assert_success(answer.result())
    assert len(go.upstream.requests("cog_create")) == 5


@pytest.mark.short
def test_endpoints_that_cannot_be_used(tmp_path):
    """limner does not start, and says which word it stumbled over."""
    options = DEFAULTS | {"DATA_DIR": tmp_path / "data", "PROVIDERS": "cog", "COG_ENDPOINTS": "sharpen=http://127.0.0.1:1"}
    ended = subprocess.run([BINARY, "serve"], env=environment(options), cwd=tmp_path, capture_output=True, text=True,
                           timeout=30 * SLOW)
    assert ended.returncode == 1
    assert "cannot start" in ended.stderr and '"sharpen" is no feature' in ended.stderr
