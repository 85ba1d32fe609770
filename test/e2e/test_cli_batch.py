"""limner batch, and --server, against real gateways: jobs that outlive the command that asked for them."""
import json
import signal

import pytest

from caller import lines, of
from cloud import CREATE, life
from gateway import SAMPLES, SLOW, until
from pictures import decode, fresh

KEY = "a-key-of-sixteen-or-more"
COFFEE, SMALL = SAMPLES / "coffee.jpg", SAMPLES / "portrait-small.jpg"


@pytest.fixture
def photos(tmp_path):
    """Three, in two folders."""
    folder = tmp_path / "photos"
    (folder / "trip").mkdir(parents=True)
    (folder / "a.png").write_bytes(fresh())
    (folder / "b.png").write_bytes(fresh())
    (folder / "trip" / "c.png").write_bytes(fresh())
    return folder


def ids(events, kind="submitted"):
    return {e["input"]: e["job_id"] for e in of(events, kind)}


def read_until_submitted(process, count):
    """Its first lines, until so many pictures are with the gateway."""
    events = []
    while len(of(events, "submitted")) < count:
        events.append(json.loads(process.stdout.readline()))
    return events


def runs(gateway):
    return len(gateway.records("request", outcome="run"))


def hidden(folder):
    return [f for f in folder.rglob(".*") if f.is_file()]


# ---- what it does ----

@pytest.mark.short
def test_a_folder_and_what_is_there_already(start, photos, caller):
    gateway = start(PROVIDERS="instant")
    (photos / "broken.png").write_bytes(b"no picture")
    words = (photos, "--feature", "clarity", "-o", "out")
    said = caller.run(gateway, *words)
    assert said.returncode == 3
    assert "4 pictures: 3 done, 0 skipped, 1 failed, in " in said.stdout
    assert "out/trip/c.png  64×48 → 64×48  instant  " in said.stdout
    assert said.stderr.count("broken.png: The upload is not an image") == len(said.stderr.splitlines()) == 1
    assert caller.result("trip/c.png").size == (64, 48)
    assert runs(gateway) == 3 and not hidden(caller.out)

    (photos / "broken.png").unlink()
    (caller.out / "b.png").unlink()  # its job is still known
    before = (caller.out / "a.png").stat()
    said = caller.run(gateway, *words)
    assert said.returncode == 0
    assert "3 pictures: 1 done, 2 skipped, 0 failed" in said.stdout
    assert (caller.out / "a.png").stat().st_mtime_ns == before.st_mtime_ns
    said = caller.run(gateway, *words, "-f", "-q")
    assert said.returncode == 0 and not said.stdout and not said.stderr
    assert (caller.out / "a.png").stat().st_ino != before.st_ino
    assert runs(gateway) == 3


def test_json_a_line_each(start, photos, caller):
    gateway = start(PROVIDERS="instant", INSTANT_MS=60)
    (photos / "broken.png").write_bytes(b"no picture")
    words = (photos, "--feature", "clarity", "-o", "out", "--json")
    said = caller.run(gateway, *words, BATCH_PARALLEL=1)
    assert said.returncode == 3 and said.stderr == ""
    events = lines(said.stdout)
    assert events[-1] == {"event": "done", "total": 4, "completed": 3, "skipped": 0, "failed": 1, "interrupted": False}
    one = [e for e in events if e.get("input") == str(photos / "a.png")]
    assert one[0]["event"] == "submitted" and one[-1]["event"] == "completed"
    assert {e["event"] for e in one[1:-1]} == {"progress"}
    assert one[0]["replayed"] is False
    assert one[-1]["output"] == "out/a.png" and one[-1]["percent"] == 100 and one[-1]["cost_usd"] == 0
    assert len({e["job_id"] for e in one}) == 1
    failed, = of(events, "failed")
    assert failed["input"] == str(photos / "broken.png") and failed["error"]["code"] == "UNSUPPORTED_MEDIA_TYPE"
    again = lines(caller.run(gateway, *words).stdout)
    assert [e["output"] for e in of(again, "skipped")] == ["out/a.png", "out/b.png", "out/trip/c.png"]


def test_other_parameters_are_another_job(instant, caller):
    (caller.folder / "p.png").write_bytes(fresh())
    found = [lines(caller.run(instant, "p.png", "--feature", "enhance", "-o", f"{n}.png", "--scale", n, "--json").stdout)[0]
             for n in (2, 4)]
    assert not any(e["replayed"] for e in found)
    assert found[0]["job_id"] != found[1]["job_id"]


# ---- what outlives it ----

def begin_and_interrupt(caller, gateway, words):
    """What was submitted until then, and how many had come to their end by themselves."""
    with caller.begin(gateway, *words) as process:
        first = read_until_submitted(process, 3)
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=30 * SLOW)
        assert process.returncode == 130 and errors == ""
    last = lines(rest)[-1]
    assert last["event"] == "done" and last["interrupted"] is True
    return ids(first), last["completed"]


def go_on(caller, gateway, words, first, completed):
    """The same words: each job that was begun is there, and is gone on with."""
    said = caller.run(gateway, *words)
    assert said.returncode == 0, said.stderr
    events = lines(said.stdout)
    assert all(e["replayed"] for e in of(events, "submitted"))
    assert ids(events).items() <= first.items() and ids(events) == ids(events, "completed")
    assert (events[-1]["completed"], events[-1]["skipped"]) == (3 - completed, completed)
    assert len(list(caller.out.rglob("*.png"))) == 3 and not hidden(caller.out)


def test_ctrl_c_leaves_the_jobs_and_the_same_words_pick_them_up(start, photos, caller):
    gateway = start(PROVIDERS="instant", INSTANT_MS=800)
    words = (photos, "--feature", "clarity", "-o", "out", "--json")
    begun = begin_and_interrupt(caller, gateway, words)
    go_on(caller, gateway, words, *begun)
    assert runs(gateway) == 3


def test_interrupted_and_the_gateway_killed_too(start, photos, caller):
    gateway = start(PROVIDERS="instant", INSTANT_MS=500)
    words = (photos, "--feature", "clarity", "-o", "out", "--json")
    begun = begin_and_interrupt(caller, gateway, words)
    gateway.process.kill()
    gateway.process.wait()
    gateway.start()
    go_on(caller, gateway, words, *begun)


def test_a_gateway_that_is_killed_and_comes_back(bare, photos, caller):
    """The command waits for it; what was paid for is fetched, and not paid for again."""
    bare.upstream.script(life(wait_s=0, run_s=0.6))
    gateway = bare.start()
    gateway.options["PORT"] = gateway.port
    with caller.begin(gateway, photos, "--feature", "beautify", "-o", "out", "--json") as process:
        read_until_submitted(process, 3)
        until(lambda: bare.upstream.count("created") == 3)
        gateway.process.kill()
        gateway.process.wait()
        gateway.start()
        rest, errors = process.communicate(timeout=60 * SLOW)
        assert process.returncode == 0, (rest, errors)
    assert lines(rest)[-1]["completed"] == 3
    assert bare.upstream.count("created") == 3
    assert len(list(caller.out.rglob("*.png"))) == 3


def test_a_job_that_failed_is_followed_by_another(bare, caller):
    """Not while the command runs, but when it is begun again: then nobody remembers why it failed."""
    (caller.folder / "p.png").write_bytes(fresh())
    bare.upstream.script({"match": CREATE, "do": "failed", "times": 1})
    gateway = bare.start()
    words = ("p.png", "--feature", "beautify", "-o", "p-out.png", "--json")
    said = caller.run(gateway, *words)
    first = lines(said.stdout)
    assert said.returncode == 1 and of(first, "failed")[0]["error"]["code"] == "REPLICATE_ERROR", said
    said = caller.run(gateway, *words)
    events = lines(said.stdout)
    assert said.returncode == 0
    assert [e["replayed"] for e in of(events, "submitted")] == [True, False]
    assert of(events, "submitted")[0]["job_id"] == of(first, "submitted")[0]["job_id"]
    assert bare.upstream.count("created") == 2


# ---- what cannot be ----

def test_the_key_is_sent_and_its_absence_said_once(start, photos, caller):
    gateway = start(PROVIDERS="instant", API_KEYS=KEY)
    words = (photos, "--feature", "clarity", "-o", "out")
    said = caller.run(gateway, *words)
    assert said.returncode == 1 and said.stderr.count("GATEWAY_API_KEY") == len(said.stderr.splitlines()) == 1
    assert caller.run(gateway, *words, GATEWAY_API_KEY=KEY).returncode == 0
    assert len(list(caller.out.rglob("*.png"))) == 3


def test_no_gateway_there(photos, caller):
    said = caller.call("batch", photos, "--feature", "clarity", "-o", "out", "--json", "--server", "http://127.0.0.1:1")
    assert said.returncode == 1
    assert said.stderr == "limner: http://127.0.0.1:1: no gateway answers there; --server says where it is\n"
    assert lines(said.stdout)[-1]["error"].startswith("no gateway answers there")


@pytest.mark.parametrize("arguments, why", [
    ([COFFEE, "-o", "x.png"], "which feature?"),
    ([COFFEE, "-o", "x.png", "--feature", "claret"], 'no feature "claret"'),
    ([COFFEE, "--feature", "clarity"], "where should the result go?"),
    ([COFFEE, "--feature", "clarity", "-o", "x.png", "--scale", "3"], "--scale: "),
    ([COFFEE, "--feature", "clarity", "-o", "-", "--json"], "--json needs standard output"),
    ([COFFEE, "--feature", "clarity", "-o", "x.png", "--server", "ftp://x"], "--server begins with http"),
])
def test_wrong_arguments(caller, arguments, why):
    words = arguments if "--server" in arguments else [*arguments, "--server", "http://127.0.0.1:1"]
    said = caller.call("batch", *words)
    assert said.returncode == 2
    assert why in said.stderr


# ---- the commands of the features ----

def test_a_feature_by_a_gateway(instant, caller):
    said = caller.run(instant, COFFEE, "-o", "out/x.png", command="clarity", PROVIDERS="local", MODELS_DIR="/nowhere")
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("out/x.png  600×400 → 600×400  instant  ")
    assert caller.result("x.png").format == "PNG"  # the gateway gave a JPEG


def test_to_standard_output(instant, caller):
    said = caller.run(instant, SMALL, "-o", "-", "-q", command="enhance", text=False)
    assert said.returncode == 0
    assert decode(said.stdout).size == decode(SMALL.read_bytes()).size


def test_several_results(instant, caller):
    words = (SMALL, "-o", "lit.webp", "--prompt", "sun", "--number-of-images", "2", "--json")
    events = lines(caller.run(instant, *words, command="relight").stdout)
    places = of(events, "completed")[0]["outputs"]  # the instant model gives one, however many are asked for
    assert places[0] == "lit-1.webp"
    assert all(decode((caller.folder / place).read_bytes()).format == "WEBP" for place in places)


def test_a_second_picture_goes_along(instant, caller):
    words = (SMALL, "-o", "set.png", "--json")
    first = lines(caller.run(instant, *words, "--bg", COFFEE, command="replace-bg").stdout)
    other = lines(caller.run(instant, *words, "--bg", SMALL, "-f", command="replace-bg").stdout)
    assert [of(e, "submitted")[0]["replayed"] for e in (first, other)] == [False, False]
    assert of(first, "submitted")[0]["job_id"] != of(other, "submitted")[0]["job_id"]


def test_json_needs_a_server(caller):
    said = caller.call("clarity", COFFEE, "-o", "x.png", "--json")
    assert said.returncode == 2 and "--json goes with --server" in said.stderr
