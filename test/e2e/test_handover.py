"""A newer process takes the place of an older one: no connection is refused, no request is lost."""
import contextlib
import os
import random
import signal
import socket
import stat
import threading
import time

import pytest

from gateway import SLOW, Gateway, until
from jobs import ended, pictures as kept_pictures, submit
from pictures import fresh
from raw import Wire, post_head


class Chain:
    """Processes that follow each other in one place, over one DATA_DIR."""

    def __init__(self, folder, **options):
        self.folder, self.options = folder, options
        self.path = folder / "handover"
        self.members = []

    def member(self, **more):
        made = Gateway(self.folder / f"member{len(self.members)}", PROVIDERS="instant", HANDOVER_SOCKET=self.path,
                       **self.options | more)
        made.data = made.options["DATA_DIR"] = self.folder / "data"
        self.members.append(made)
        return made

    def start(self, **more):
        made = self.member(**more).start()
        until(self.serves(made))
        return made

    def serves(self, member):
        """It has taken the place: who asks now for the sockets reaches it."""
        def look():
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asker:
                asker.connect(str(self.path))
                peer = asker.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
                return int.from_bytes(peer[:4], "little") == member.process.pid
        return look

    def expect_left(self, member):
        assert member.wait(20) == 0, member.tail()
        member.left = True
        assert member.records("handing over") and member.records("stopped")

    def stop(self):
        for member in self.members:
            member.stop()


@pytest.fixture
def chain(tmp_path):
    made = []

    def make(**options):
        made.append(Chain(tmp_path / f"chain{len(made)}", **options))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def get(wire, path="/health"):
    wire.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
    return wire.answer()


def get_once(gateway):
    with Wire(gateway) as wire:
        return get(wire).status_code


class Load:
    """Clients that go on and on; each failure is noted. They are strict: an answer that does not come, or a connection
    that closes without having said so, is a failure, and nothing is tried again."""

    def __init__(self, port, kinds):
        self.port = port
        self.stop = threading.Event()
        self.failures, self.answers, self.closed = [], 0, 0
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._run, args=(kind,)) for kind in kinds]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *exc):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def _run(self, kind):
        wire = None
        while not self.stop.is_set():
            try:
                wire = wire or Wire(self, timeout=60)
                answer = kind(wire)
                assert answer is not None, "the connection closed instead of an answer"
                assert answer.status_code == 200, answer.text
            except Exception as e:  # whatever it is, it is one
                self.failures.append(f"{kind.__name__}: {e!r}")
                wire = None
                continue
            closes = answer.headers.get("connection") == "close"
            with self.lock:
                self.answers += 1
                self.closed += closes
            if closes or kind is visit:
                wire.socket.close()
                wire = None
            self.stop.wait(0.005)
        if wire:
            wire.socket.close()


def visit(wire):
    """A new connection each time."""
    return get(wire)


def stay(wire):
    return get(wire)


def upload(wire):
    picture = fresh(kind="JPEG")
    head = post_head(len(picture)).encode()
    wire.send(head + picture[:200])
    wire.send(picture[200:])
    return wire.answer()


def upload_large(wire):
    """Spooled to a file, and in two pieces with a while between them."""
    picture = fresh(kind="JPEG")
    picture += bytes(1_500_000 - len(picture))
    wire.send(post_head(len(picture)).encode() + picture[:700_000])
    time.sleep(0.02)
    wire.send(picture[700_000:])
    return wire.answer()


KINDS = [visit, visit, stay, stay, upload, upload, upload, upload_large]


def test_ten_times_under_load(chain):
    place = chain(INSTANT_MS=30)
    first = place.start()
    with Wire(first, timeout=60) as idle, Load(first.port, KINDS) as load:
        assert get(idle).status_code == 200
        for _ in range(10):
            old = place.members[-1]
            new = place.start()
            until(lambda: old.records("handing over") and new.request_count() > 10)
            assert new.port == first.port
        late = get(idle)  # it was idle for ten processes
        assert late.status_code == 200 and late.headers["connection"] == "close"
        before = load.answers
        until(lambda: load.answers > before + 20)
    assert not load.failures, load.failures[:5]
    assert load.closed >= 10, "hardly a connection has moved"
    for member in place.members[:-1]:
        place.expect_left(member)
    assert place.members[-1].get("/metrics").json()["requests"]["error"] == 0


def test_what_runs_is_finished(chain):
    """Requests that wait for a model, or are on their way in, end with the old one, which then goes."""
    place = chain(INSTANT_MS=1000 * SLOW)
    old = place.start()
    picture = fresh(kind="JPEG")
    with Wire(old, timeout=60) as running, Wire(old, timeout=60) as uploading, Wire(old) as kept:
        running.send(post_head(len(picture)).encode() + picture)
        old.wait_running("light", 1, 0)
        uploading.send(post_head(len(picture)).encode() + picture[:100])
        assert get(kept).status_code == 200
        new = place.start()
        until(lambda: old.records("handing over"))
        assert new.limiter("light")["running"] == 0
        uploading.send(picture[100:])
        for wire in (running, uploading):
            answer = wire.answer()
            assert answer.status_code == 200 and answer.headers["connection"] == "close"
            assert wire.closed()
        assert old.process.poll() is None, "a connection that is still open was cut"
        answer = get(kept)
        assert answer.status_code == 200 and answer.headers["connection"] == "close"
    place.expect_left(old)
    assert old.request_count() == 2
    until(lambda: new.records("the process before has ended"))
    assert place.path.is_socket(), "the old one took the new one's socket along"


def test_idle_connections_end_as_ever(chain):
    place = chain(KEEPALIVE_TIMEOUT_MS=700)
    old = place.start()
    with Wire(old) as idle, Wire(old) as silent:
        assert get(idle).status_code == 200
        place.start()
        place.expect_left(old)
        assert idle.closed() and silent.closed()


def test_one_that_cannot_start_changes_nothing(chain):
    place = chain()
    old = place.start()
    with socket.create_server(("127.0.0.1", 0)) as taken, Load(old.port, [visit, stay, upload]) as load:
        bad = place.member(METRICS_ADDR=f"127.0.0.1:{taken.getsockname()[1]}")
        bad.begin()
        assert bad.wait(20) == 1
        assert "METRICS_ADDR" in bad.log_path.read_text()
        place.members.remove(bad)
        until(lambda: any("gone before it was ready" in r["what"] for r in old.records("handover")))
        assert old.get("/readyz").status_code == 200
        place.start()
        until(lambda: old.records("handing over"))
    assert not load.failures, load.failures[:5]
    place.expect_left(old)


def test_another_port_is_refused(chain):
    place = chain()
    old = place.start()
    bad = place.member(PORT=old.port + 1)
    bad.begin()
    assert bad.wait(20) == 1
    assert f"listens on {old.port}" in bad.log_path.read_text()
    place.members.remove(bad)
    assert old.get("/readyz").status_code == 200


def ask(path):
    """What a newer process does first."""
    asker = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    asker.settimeout(10 * SLOW)
    asker.connect(str(path))
    asker.send(b"take")
    word, fds, _, _ = socket.recv_fds(asker, 16, 4)
    if not word:
        raise ConnectionError("it has closed")
    return asker, word, [socket.socket(fileno=fd) for fd in fds]


def test_one_at_a_time(chain):
    """Who asks while another is being served hears nothing; it may ask again when that one has given up."""
    place = chain()
    old = place.start()
    assert stat.S_IMODE(place.path.stat().st_mode) == 0o600
    first, word, sockets = ask(place.path)
    assert word == b"given" and [s.getsockname()[1] for s in sockets] == [old.port]
    with pytest.raises(ConnectionError):
        ask(place.path)
    sockets[0].close()
    first.close()
    place.start()
    place.expect_left(old)


def test_the_newer_one_asks_again(chain):
    """Until it is given the sockets; that the older one then dies is no matter."""
    place = chain()
    new = place.member()
    place.folder.mkdir(parents=True, exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as listener, \
            socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as old:
        old.bind(str(place.path))
        old.listen()
        old.settimeout(20 * SLOW)
        new.begin()
        for _ in range(3):
            old.accept()[0].close()
        asker = old.accept()[0]
        assert asker.recv(16) == b"take"
        assert not new.records("listening")
        socket.send_fds(asker, [b"given"], [listener.fileno()])
        asker.close()
        new.port = listener.getsockname()[1]
        until(place.serves(new))
        assert get_once(new) == 200


def test_one_that_is_not_ready_accepts_nothing(chain):
    """Its store cannot be written to: whoever connects is left to the older one."""
    place = chain()
    new = place.member()
    place.folder.mkdir(parents=True, exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as listener, \
            socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as old:
        old.bind(str(place.path))
        old.listen()
        old.settimeout(20 * SLOW)
        new.begin()
        asker = old.accept()[0]
        assert asker.recv(16) == b"take"
        (new.data / "objects" / ".tmp").rmdir()
        with socket.create_connection(listener.getsockname()) as client:
            client.send(b"hello")
            socket.send_fds(asker, [b"given"], [listener.fileno()])
            until(lambda: new.records("not ready to take over"))
            new.signal()
            assert new.wait(20) == 0
            new.left = True
            assert asker.recv(16) == b"", "it said it was ready"
            assert listener.accept()[0].recv(16) == b"hello"
        asker.close()


def test_an_older_one_that_does_not_answer_is_left_alone(chain):
    place = chain()
    new = place.member()
    place.folder.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as old:
        old.bind(str(place.path))
        old.listen()
        old.settimeout(20 * SLOW)
        new.begin()
        asker = old.accept()[0]
        asker.send(b"what?")
        assert new.wait(20) == 1
        assert "speaks otherwise" in new.log_path.read_text()
    place.members.clear()
    place.path.unlink()
    place.path.write_text("mine")
    new = place.member()
    new.begin()
    assert new.wait(20) == 1
    assert "no socket" in new.log_path.read_text() and place.path.read_text() == "mine"
    place.members.clear()


def test_two_at_once(chain):
    place = chain()
    old = place.start()
    with Load(old.port, KINDS) as load:
        rivals = [place.member(), place.member()]
        for rival in rivals:
            rival.begin()
        for rival in rivals:
            until(lambda: rival.records("handing over") or place.serves(rival)(), 20)
            rival.port = old.port
        place.expect_left(old)
        until(lambda: any(r.records("handing over") for r in rivals), 20)
    assert not load.failures, load.failures[:5]
    loser = next(r for r in rivals if r.records("handing over"))
    place.expect_left(loser)
    assert old.records("handing over") and next(r for r in rivals if r is not loser).process.poll() is None


def test_the_old_one_dies_in_the_middle(chain):
    """Whenever it is killed, the new one serves; its sockets live on in who was given them."""
    place = chain()
    dice = random.Random(5)
    for _ in range(4):
        old = place.start()
        new = place.member(PORT=old.port)
        new.begin()
        time.sleep(dice.random() * 0.15)
        old.process.send_signal(signal.SIGKILL)
        old.wait()
        old.left = True
        until(place.serves(new), 20)
        new.port = old.port
        assert new.get("/health").status_code == 200
        new.stop()
        new.left = True
        assert not place.path.exists()
    old = place.start()
    asker, _, (held,) = ask(place.path)
    old.process.send_signal(signal.SIGKILL)
    old.wait()
    old.left = True
    assert asker.recv(16) == b""
    with socket.create_connection(("127.0.0.1", old.port)), held:  # nobody is refused
        pass
    asker.close()


def test_metrics_move_too(chain):
    place = chain(METRICS_ADDR="127.0.0.1:0")
    old = place.start()
    port = old.records("metrics listening")[0]["port"]
    place.options["METRICS_ADDR"] = f"127.0.0.1:{port}"
    new = place.start()
    assert new.records("metrics listening")[0]["port"] == port
    place.expect_left(old)
    import requests
    assert requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).status_code == 200


# ---- jobs ----

def runs(place):
    return sum(len(m.records("request", outcome="run")) for m in place.members)


def test_jobs_go_on_with_the_new_one(chain):
    """What runs is finished by the old one; the rest is the new one's as soon as that is so, not when the old one's last
    idle connection has gone. Nothing runs twice."""
    place = chain(INSTANT_MS=250 * SLOW, REPLICATE_LIGHT_CONCURRENCY=1, JOBS_ACTIVE_MAX=1)
    old = place.start()
    with Wire(old, timeout=60) as kept:
        assert get(kept).status_code == 200
        jobs = [submit(old, fresh())["job_id"] for _ in range(4)]
        old.wait_running("light", 1)
        new = place.start()
        for job_id in jobs:
            assert ended(new, job_id)["state"] == "completed"
        assert old.process.poll() is None
        picture = fresh(kind="JPEG")
        kept.send(post_head(len(picture), more="Prefer: respond-async\r\n").encode() + picture)
        answer = kept.answer()
        assert answer.status_code == 202 and answer.headers["connection"] == "close"
    place.expect_left(old)
    late = ended(new, answer.json()["data"]["job_id"])  # accepted by the old one, which begins nothing more
    assert late["state"] == "completed"
    assert (len(old.records("request", outcome="run")), runs(place)) == (1, 5)
    assert not kept_pictures(new), "pictures that nobody needs were left"


def test_pictures_of_two(chain):
    """Whoever has the sockets may accept: what it needs is left, until it has gone."""
    place = chain()
    old = place.start()
    asker, _, sockets = ask(place.path)
    assert ended(old, submit(old, fresh())["job_id"])["state"] == "completed"
    assert kept_pictures(old)
    for held in (asker, *sockets):
        held.close()
    until(lambda: not kept_pictures(old))
    assert ended(old, submit(old, fresh())["job_id"])["state"] == "completed"
    assert not kept_pictures(old)


def test_a_third_one_waits_for_the_first(chain):
    """The second one has nothing to do, but the first one works yet: the third one takes up nothing of its."""
    place = chain(INSTANT_MS=2000 * SLOW)
    first = place.start()
    with Wire(first, timeout=60) as kept:  # without it the first one would leave its job to the second
        assert get(kept).status_code == 200
        job_id = submit(first, fresh())["job_id"]
        first.wait_running("light", 1)
        second = place.start()
        third = place.start()
        until(lambda: second.records("handing over"))
        assert first.request_count() == 0, "it is too late for this test"
        until(lambda: first.records("request"))
        assert ended(third, job_id)["state"] == "completed"
        assert second.process.poll() is None, "it has gone before the first one"
    place.expect_left(first)
    place.expect_left(second)
    third.wait_idle()
    assert runs(place) == 1


def test_jobs_over_five_handovers(chain):
    place = chain(INSTANT_MS=50, REPLICATE_LIGHT_CONCURRENCY=2)
    first = place.start()
    stop, accepted, failed = threading.Event(), [], []

    def ask_on():
        while not stop.wait(0.02):
            try:
                accepted.append(submit(first, fresh())["job_id"])
            except Exception as e:
                failed.append(repr(e))

    threads = [threading.Thread(target=ask_on) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            count = len(accepted)
            place.start()
            until(lambda: len(accepted) > count + 10)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failed, failed[:5]
    last = place.members[-1]
    assert {ended(last, job_id)["state"] for job_id in accepted} == {"completed"}
    for member in place.members[:-1]:
        place.expect_left(member)
    assert runs(place) == len(accepted), "a job ran twice"


# ---- other users ----

NOBODY = 65534


def as_nobody(folder, what):
    """Runs what() in a process of another user's; its exit code: 0: true, 1: false, 13: it has no right to."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.chdir(folder)  # the folders above need not be open to it
        os.setgroups([])
        os.setuid(NOBODY)
        code = 0 if what() else 1
    except PermissionError:
        code = 13
    finally:
        os._exit(code)


def exit_code(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_other_users_are_refused(chain):
    place = chain()
    old = place.start()
    place.folder.chmod(0o777)

    def is_closed():
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asker:
            asker.settimeout(20 * SLOW)
            asker.connect("handover")
            with contextlib.suppress(ConnectionError):
                asker.send(b"take")
                return asker.recv(16) == b""
            return True

    assert exit_code(as_nobody(place.folder, is_closed)) == 13
    place.path.chmod(0o666)
    assert exit_code(as_nobody(place.folder, is_closed)) == 0
    old.stop()
    old.left = True
    told, tell = os.pipe()

    def serve():
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as liar:
            liar.bind("handover")
            liar.listen()
            os.write(tell, b"1")
            liar.accept()[0].recv(16)
            return True

    child = as_nobody(place.folder, serve)
    os.read(told, 1)
    new = place.member()
    new.begin()
    assert new.wait(20) == 1
    assert "another user" in new.log_path.read_text()
    place.members.remove(new)
    assert exit_code(child) == 0


# ---- systemd's sockets ----

def passed(start_of, listener, count=1):
    """Starts it as systemd would: the socket is number 3, and the variables say so."""
    start_of.options |= {"LISTEN_FDS": count}
    fd = listener.fileno()
    place = "" if fd == 3 else f"3<&{fd} {fd}<&-"
    return {"wrapper": ("bash", "-c", f'LISTEN_PID=$$ exec "$@" {place}', "bash"), "pass_fds": (fd,)}


def test_a_socket_of_systemds(tmp_path):
    """It stays open from one process to the next: who connects in between waits."""
    members = []
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        port = listener.getsockname()[1]

        def begin():
            member = Gateway(tmp_path / f"member{len(members)}", PROVIDERS="instant", PORT=1)  # PORT is not asked
            member.data = member.options["DATA_DIR"] = tmp_path / "data"
            members.append(member)
            member.start(**passed(member, listener))
            assert member.port == port
            return member

        old = begin()
        with Load(port, KINDS) as load:
            for _ in range(2):
                until(lambda: old.request_count() > 5)
                old.signal()
                assert old.wait(20) == 0, old.tail()
                old.left = True
                old = begin()
            until(lambda: old.request_count() > 5)
        assert not load.failures, load.failures[:5]
        for member in members:
            member.stop()


def test_what_is_passed_must_be_one_socket_that_listens(tmp_path):
    for count, listening in ((2, True), (1, False)):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            if listening:
                listener.listen()
            member = Gateway(tmp_path / f"member{count}", PROVIDERS="instant")
            member.begin(**passed(member, listener, count))
            assert member.wait(20) == 1
            assert "LISTEN_FDS" in member.log_path.read_text()


def test_what_is_passed_to_another_is_not_taken(start):
    """LISTEN_PID names another process: the variables came by chance."""
    gateway = start(PROVIDERS="instant", LISTEN_FDS=1, LISTEN_PID=1)
    assert gateway.get("/health").status_code == 200


def test_systemd_is_told(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(20 * SLOW)
        member = Gateway(tmp_path / "member", PROVIDERS="instant", NOTIFY_SOCKET=tmp_path / "notify").start()
        assert notify.recv(100) == b"READY=1"
        member.stop()
