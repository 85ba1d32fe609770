"""What a gateway does about runs that one before it has begun."""
import pytest
import requests

from cloud import PINNED, TOKEN, life
from gateway import until
from jobs import ended, submit
from pictures import fresh

UNANSWERED = life(run_polls=1)  # it runs until somebody asks about it by its id
HIDDEN = {"view": {"input": {"image": "https://replicate.delivery/what-became-of-it.png", "upscale": 2}}}
HOOKED = {"PUBLIC_BASE_URL": "https://limner.invalid"}


def killed_while_it_is_made(cloud, gateway, *script):
    """The job, of which a prediction was made that nobody was told about."""
    cloud.upstream.script(*script)
    accepted = submit(gateway, fresh(), route=PINNED)
    until(lambda: cloud.upstream.count("created") == 1)
    gateway.process.kill()
    gateway.process.wait()
    return accepted["job_id"]


def test_found_by_its_mark(bare):
    """The list shows another input than was sent: only the address of the webhook tells whose it is."""
    gateway = bare.start(**HOOKED)
    job_id = killed_while_it_is_made(bare, gateway, UNANSWERED | HIDDEN)
    gateway.start()
    until(lambda: bare.upstream.count("list") == 1)
    [made] = bare.upstream.predictions()
    until(lambda: bare.upstream.predictions()[0]["status"] == "succeeded")
    until(lambda: bare.upstream.webhook(gateway.url + "/hooks/replicate", prediction=made["id"], id="msg_1") == 204)
    assert ended(gateway, job_id, 10)["state"] == "completed"
    assert bare.upstream.sent()[0]["webhook"] == f"https://limner.invalid/hooks/replicate?job={job_id}"
    assert bare.upstream.count("created") == 1


@pytest.mark.parametrize("trouble", [
    [UNANSWERED, {"match": {"call": "list"}, "do": "502_html"}], [UNANSWERED | HIDDEN]], ids=["no list", "another input"])
def test_cannot_be_known(bare, trouble):
    gateway = bare.start(AI_RETRY_BASE_MS=5)
    job_id = killed_while_it_is_made(bare, gateway, *trouble)
    gateway.start()
    over = ended(gateway, job_id)
    assert (over["state"], over["error"]["code"]) == ("failed", "UNKNOWN_OUTCOME")
    assert bare.upstream.count("created") == 1
    [made] = bare.upstream.predictions()
    requests.get(f"{bare.base_url}/predictions/{made['id']}", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)
    bare.over()
