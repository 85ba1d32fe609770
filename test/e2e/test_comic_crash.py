"""A comic is killed at any moment of its work: the next process finishes it, and no text and no panel is paid for
twice."""
import concurrent.futures
import signal

import pytest
import requests

from cloud import life
from comics import ANIMAGINE, created, tell
from gateway import until
from jobs import cancel, ended, job, submit
from pictures import decode
from test_history import postgres  # noqa: F401

STORY = "/api/story-comic/generate"
RUNS = 1 + 2 + 6  # the outline, two boards, two pages of three panels


def draw(gateway):
    return submit(gateway, route=STORY, json={"prompt": "Một cô bé và con rồng giấy", "pages": 2, "panels_per_page": 3})


def kill(gateway):
    gateway.process.kill()
    gateway.process.wait()


def sent(cloud):
    """What was created, by what was asked for: nothing twice."""
    inputs = [str(sorted(p["input"].items())) for p in cloud.upstream.sent()]
    assert len(set(inputs)) == len(inputs)
    return inputs


@pytest.mark.parametrize("after", [1, 4, 7])
def test_killed_after_so_many_creates(bare, after):
    bare.upstream.script(life(wait_s=0, run_s=0.7))
    gateway = bare.start()
    accepted = draw(gateway)
    until(lambda: bare.upstream.count("created") >= after)
    kill(gateway)
    gateway.start()
    done = ended(gateway, accepted["job_id"], 60)
    assert done["state"] == "completed", done
    assert len(sent(bare)) == RUNS
    result = done["result"]
    assert [len(page["panels"]) for page in result["pages"]] == [3, 3]
    for page in result["pages"]:
        assert decode(requests.get(page["page_url"], timeout=30).content).size == (1080, 1620)
    stored = sorted(f.name for f in (gateway.data / "objects").rglob("*") if f.is_file())
    assert stored == ["page-1.png", "page-2.png", "story.json"], "an earlier process's pages are left"


def test_killed_twice(bare):
    bare.upstream.script(life(wait_s=0, run_s=0.7))
    gateway = bare.start()
    accepted = draw(gateway)
    for created in (2, 5):
        until(lambda n=created: bare.upstream.count("created") >= n)
        kill(gateway)
        gateway.start()
    assert ended(gateway, accepted["job_id"], 60)["state"] == "completed"
    assert len(sent(bare)) == RUNS


def test_a_stop_leaves_it_to_the_next_start(bare):
    bare.upstream.script(life(wait_s=0, run_s=0.7))
    gateway = bare.start()
    accepted = draw(gateway)
    until(lambda: bare.upstream.count("created") >= 4)
    gateway.signal()
    assert gateway.wait() == 0
    gateway.start()
    assert ended(gateway, accepted["job_id"], 60)["state"] == "completed"
    assert len(sent(bare)) == RUNS


def test_another_gateway_goes_on(bare, postgres):  # noqa: F811
    bare.upstream.script(life(wait_s=0, run_s=1))
    shared = {"DATABASE_URL": postgres.url, "JOB_OWNER_S": 4}
    first, second = bare.start(**shared), bare.start(**shared)
    accepted = draw(first)
    until(lambda: bare.upstream.count("created") >= 5)
    kill(first)
    first.left = True
    assert ended(second, accepted["job_id"], 90)["state"] == "completed"
    assert len(sent(bare)) == RUNS


def test_who_stood_still_pays_nothing_more(bare, postgres):  # noqa: F811
    """Its job was taken over meanwhile, and with it all the runs that it had not begun."""
    bare.upstream.script(life(wait_s=0, run_s=2))
    shared = {"DATABASE_URL": postgres.url, "JOB_OWNER_S": 4}
    first = bare.start(**shared)
    accepted = draw(first)
    until(lambda: bare.upstream.count("created") >= 4)
    first.signal(signal.SIGSTOP)
    try:
        second = bare.start(**shared)
        until(lambda: bare.upstream.count("created") >= 6, 60)
    finally:
        first.signal(signal.SIGCONT)
    assert ended(second, accepted["job_id"], 90)["state"] == "completed"
    assert len(sent(bare)) == RUNS


def test_nobody_waits_for_it_any_more(bare):
    """Whoever asked has gone with the process, and no run of it is of use: the next starts are as ever."""
    bare.upstream.script(life(wait_s=0, run_s=1))
    gateway = bare.start()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waits = pool.submit(tell, gateway)
        until(lambda: created(bare)[1] >= 2)
        kill(gateway)
        assert isinstance(waits.exception(), requests.ConnectionError)
    gateway.start()
    bare.over()
    kill(gateway)
    gateway.start()
    assert tell(gateway).json()["status"] == "success"


def test_a_budget_that_is_nearly_spent(bare):
    """What was begun goes on: it was reserved part by part."""
    bare.upstream.set(model_run_s={ANIMAGINE: 1})
    gateway = bare.start(REPLICATE_COMIC_CONCURRENCY=3, BUDGETS="all=0.12/day", PRICES="comicPanel=0.006/run")
    accepted = submit(gateway, route=STORY, json={"prompt": "Một cô bé và con rồng giấy"})
    until(lambda: created(bare)[1] >= 8)
    kill(gateway)
    gateway.start()
    assert ended(gateway, accepted["job_id"], 60)["state"] == "completed"
    assert created(bare) == (4, 12)


def test_what_a_canceled_one_has_cost(bare):
    bare.upstream.set(model_run_s={ANIMAGINE: 2})
    gateway = bare.start(REPLICATE_COMIC_CONCURRENCY=6, PRICES="comicText=0.01/run,comicPanel=0.001/run")
    accepted = submit(gateway, route=STORY, json={"prompt": "Một cô bé và con rồng giấy"})
    until(lambda: created(bare)[1] >= 6)
    cancel(gateway, accepted["job_id"])
    done = ended(gateway, accepted["job_id"])
    assert (done["state"], done["billed"]) == ("canceled", True)
    billed = [p for p in bare.upstream.predictions() if p["status"] in ("succeeded", "canceled")]
    assert done["cost_usd"] >= 0.04 + 0.001 * sum(p["model"] == ANIMAGINE for p in billed if p["status"] == "succeeded")
    assert job(gateway, accepted["job_id"])["cost_usd"] == done["cost_usd"]
