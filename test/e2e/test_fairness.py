"""Who waits is served in turns, by API key; a full queue is shared; background work waits."""
import concurrent.futures

import pytest

from gateway import ONE_SLOW_RUN, RUN_MS, Gateway, assert_error, assert_success, until
from pictures import fresh

KEYS = {name: f"{name}-0123456789abcdef" for name in ("many", "one", "other")}
ONE_SLOT = ONE_SLOW_RUN | {"INSTANT_MS": RUN_MS // 12, "API_KEYS": ",".join(f"{n}:{k}" for n, k in KEYS.items())}


class Queue:
    """Requests that are sent one after the other, and the order in which they were served."""

    def __init__(self, gateway):
        self.gateway, self.order, self.sent = gateway, [], 0
        self.pool = concurrent.futures.ThreadPoolExecutor(16)
        self.work = []

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.pool.shutdown()

    def _one(self, name, key, headers):
        answer = self.gateway.post(fresh(), headers=headers | {"x-api-key": KEYS[key]})
        self.order.append(name)
        return answer

    def send(self, name, key, queued=True, **headers):
        """Comes back when it waits, or (the first one) runs."""
        before = self.seen()
        self.work.append(self.pool.submit(self._one, name, key, headers))
        if queued:
            until(lambda: self.seen() > before)
        return self.work[-1]

    def seen(self):
        light = self.gateway.limiter("light")
        return self.gateway.request_count() + light["running"] + light["waiting"] if light else 0

    def results(self):
        return [w.result() for w in self.work]


@pytest.mark.short
def test_one_beside_many(start):
    gateway = start(**ONE_SLOT)
    with Queue(gateway) as queue:
        for i in range(8):
            queue.send(f"many{i}", "many")
        queue.send("one", "one")
        for answer in queue.results():
            assert_success(answer)
    assert queue.order.index("one") <= queue.order.index("many7") - 4
    assert [n for n in queue.order if n != "one"] == [f"many{i}" for i in range(8)]


def test_weights(start):
    """Three turns of the one to one of the other, so that the other's third comes after six or more."""
    gateway = start(**ONE_SLOT, KEY_WEIGHTS="many=3")
    with Queue(gateway) as queue:
        queue.send("first", "other")
        for i in range(9):
            queue.send(f"many{i}", "many")
        for i in range(3):
            queue.send(f"one{i}", "one")
        queue.results()
    before = queue.order[:queue.order.index("one2")]
    assert sum(name.startswith("many") for name in before) >= 6


def test_background_work_waits(start):
    gateway = start(**ONE_SLOT)
    with Queue(gateway) as queue:
        queue.send("first", "many")
        queue.send("low", "one", Priority="u=7")
        for i in range(4):
            queue.send(f"many{i}", "many", Priority="u=2")
        queue.results()
    assert queue.order[-1] == "low"


def test_a_full_queue_is_shared(start):
    """Who has more places than others loses the newest of them to who has none."""
    gateway = start(**ONE_SLOT | {"INSTANT_MS": RUN_MS // 4}, QUEUE_MAX=2)
    with Queue(gateway) as queue:
        running = queue.send("running", "many")
        oldest = queue.send("oldest", "many")
        newest = queue.send("newest", "many")
        assert_error(queue.send("no", "many", queued=False).result(), 429, "QUEUE_FULL")
        one = queue.send("one", "one", queued=False)
        assert_error(newest.result(), 429, "QUEUE_FULL")
        for work in (running, oldest, one):
            assert_success(work.result())


def test_weights_name_keys(tmp_path):
    for text in ("nobody=3", "many=0"):
        gateway = Gateway(tmp_path / text, **ONE_SLOT, KEY_WEIGHTS=text)
        gateway.begin()
        assert gateway.wait(20) == 1
        assert "KEY_WEIGHTS" in gateway.log_path.read_text()
