"""Several ask for the same at once, and it goes wrong: nobody pays twice because several asked."""
import concurrent.futures

import pytest

from cloud import CREATE, DELIVERY, ask, life
from gateway import assert_error, until
from pictures import fresh

pytestmark = [pytest.mark.short, pytest.mark.threads]
SLOWLY = {"wait_s": 0, "run_s": 1.5}  # long enough for the others to join
RULES = {
    "it cannot be known": ("UNKNOWN_OUTCOME", [{"match": CREATE, "do": "reset", "effect": True},
                                               {"match": {"call": "list"}, "do": "502_html"}]),
    "the result is not where it should be": ("REPLICATE_ERROR", [life(**SLOWLY), {"match": DELIVERY, "do": "404_delivery"}]),
    "the model fails": ("REPLICATE_ERROR", [life(end="failed", error="out of ideas", **SLOWLY)]),
    "the result is no picture": ("REPLICATE_ERROR", [life(**SLOWLY), {"match": DELIVERY, "do": "say", "status": 200,
                                                                     "body": "words"}]),
}


def four(gateway, posts):
    """Four requests, the others only once the first is at work."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(posts[0])]
        until(lambda: gateway.status().get("flights"))
        answers += [pool.submit(post) for post in posts[1:]]
        return [a.result() for a in answers]


@pytest.mark.parametrize("how", RULES)
def test_what_may_have_cost_is_not_done_again(bare, how):
    code, rules = RULES[how]
    bare.upstream.script(*rules)
    gateway, picture = bare.start(AI_RETRY_BASE_MS=200), fresh()
    for answer in four(gateway, [lambda: ask(gateway, picture)] * 4):
        assert_error(answer, 502, code)
    assert bare.upstream.count("created") == bare.upstream.count("create") == 1


def test_neither_for_several_backgrounds(bare):
    """They share the cut-out, which is a request of its own; and four more ask for just the same."""
    bare.upstream.script(*RULES["it cannot be known"][1])
    gateway, fg = bare.start(AI_RETRY_BASE_MS=200), fresh()
    backgrounds = [fresh(40, 40) for _ in range(2)] * 2
    posts = [lambda bg=bg: gateway.post(route="/api/replace-bg", files={"fg": ("a.jpg", fg), "bg": ("b.jpg", bg)})
             for bg in backgrounds]
    for answer in four(gateway, posts):
        assert_error(answer, 502, "UNKNOWN_OUTCOME")
    assert bare.upstream.count("create") == 1


def test_what_cost_nothing_is_tried_by_the_next(bare):
    bare.upstream.script({"match": CREATE, "do": "429", "times": 4})  # three more tries for each of AI_RETRIES
    gateway, picture = bare.start(AI_RETRIES=1, AI_RETRY_BASE_MS=200), fresh()
    answers = four(gateway, [lambda: ask(gateway, picture)] * 4)
    assert sorted(a.status_code for a in answers) == [200, 200, 200, 503]
    assert bare.upstream.count("created") == 1
