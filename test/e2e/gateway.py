"""A running limner: the real binary, a port of its own, a fresh data folder, and its log as a list of records."""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import time

import requests

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("LIMNER_BIN", ROOT / "build" / "limner")).resolve()
SAMPLES = ROOT / "samples"
MODELS = ROOT / "deps" / "models"
_CODE = BINARY.read_bytes() if BINARY.exists() else b""
SANITIZED = b"__asan_init" in _CODE or b"__tsan_init" in _CODE
SLOW = 6 if SANITIZED else 1  # how much longer things may take
RUN_MS = 5000 if SANITIZED else 2000  # of a run that others wait for: long enough to do what a test does meanwhile
ONE_SLOW_RUN = {"PROVIDERS": "instant", "INSTANT_MS": RUN_MS, "REPLICATE_LIGHT_CONCURRENCY": 1}

# The same words as for the unit tests (meson.build), so that a report ends the process and is seen.
SANITIZER_ENV = {
    "TBB_ENABLE_SANITIZERS": "1",
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1",
    "LSAN_OPTIONS": f"print_suppressions=0:suppressions={ROOT}/test/lsan.supp",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": f"ignore_noninstrumented_modules=1:halt_on_error=1:suppressions={ROOT}/test/tsan.supp",
}

DEFAULTS = {
    "HOST": "127.0.0.1",
    "PORT": "0",
    "NODE_ENV": "production",  # the log as JSON
    "RATE_LIMITS": "off",
    "UPLOADS_KEEP_MB": "0",  # what is kept looks like what has leaked
    "MODELS_DIR": str(MODELS),
    "OPENVINO_DIR": str(ROOT / "deps" / "openvino" / "lib"),
    "LOCAL_QUALITY": "fast",
}

ROUTES = {"improveClarity": "/api/clarity", "imageEnhance": "/api/enhance", "aiBeautify": "/api/ai-beautify"}


def until(what, seconds=10, every=0.02):
    """Waits for what() to be true; returns its value, or fails."""
    end = time.monotonic() + seconds * SLOW
    while True:
        value = what()
        if value:
            return value
        assert time.monotonic() < end, f"waited {seconds * SLOW} s in vain"
        time.sleep(every)


def environment(options):
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **SANITIZER_ENV}
    return env | {name: str(value) for name, value in options.items()}


class Gateway:
    def __init__(self, folder, **options):
        self.folder = pathlib.Path(folder)
        self.data = self.folder / "data"
        self.options = DEFAULTS | {"DATA_DIR": self.data} | options
        self.log_path = self.folder / "log.txt"
        self.process = None
        self.port = None
        self.left = False  # a test has seen it end, and said how
        self._metrics_at = 0.0
        self._last_metrics = None

    # ---- life ----

    def start(self, arguments=(), wrapper=(), **popen):
        self.begin(arguments, wrapper, **popen)
        listening = until(lambda: self._ended() or self.records("listening"), 20)
        assert listening is not True, f"limner ended at once:\n{self.log_path.read_text()}"
        self.port = listening[0]["port"]
        until(lambda: self._answers("/readyz"))
        return self

    def begin(self, arguments=(), wrapper=(), **popen):
        """Starts it and does not wait. wrapper: a command that runs the one behind it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([*wrapper, BINARY, "serve", *arguments], env=environment(self.options),
                                            cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **popen)

    def _ended(self):
        return self.process.poll() is not None

    def _answers(self, path):
        with contextlib.suppress(requests.ConnectionError):
            return self.get(path).status_code == 200
        return False

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self, seconds=30):
        return self.process.wait(seconds * SLOW)

    def stop(self):
        """Ends it as an operator would; it must leave cleanly and have said nothing strange."""
        if self.process is None:
            return
        if not self.left:
            self.signal()
            try:
                code = self.wait()
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"limner did not stop:\n{self.tail()}") from None
            assert code == 0, f"exit code {code}:\n{self.tail()}"
        self.check_log()

    def check_log(self):
        """Every line is a record: no sanitizer's report, no failed check, no library's chatter."""
        strange = [line for line in self.log_path.read_text().splitlines() if not line.startswith("{")]
        assert not strange, "\n".join(strange[:60])

    def tail(self):
        return "\n".join(self.log_path.read_text().splitlines()[-40:])

    # ---- asking ----

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def get(self, path, **more):
        return requests.get(self.url + path, timeout=30 * SLOW, **more)

    def post(self, picture=None, route="/api/clarity", fields=None, *, name="photo", files=None, http=requests, **more):
        """A form with the picture in the field "image", as an app sends it."""
        if picture is not None:
            files = {"image": (name, picture)}
        more.setdefault("timeout", 120 * SLOW)
        return http.post(self.url + route, files=files, data=fields, **more)

    def metrics(self):
        """As it is now: one rendering of the document serves 100 ms."""
        time.sleep(max(0.0, self._metrics_at + 0.11 - time.monotonic()))
        count = self.request_count()
        self._last_metrics = (count, self.get("/metrics").json())
        self._metrics_at = time.monotonic()
        return self._last_metrics[1]

    def metrics_before(self):
        """The same, from last time if nothing has happened since."""
        if self._last_metrics and self._last_metrics[0] == self.request_count():
            return self._last_metrics[1]
        return self.metrics()

    def status(self):
        return self.get("/status").json()

    def limiter(self, name):
        return next((l for l in self.status().get("limiters", []) if l["name"] == name), None)

    def wait_idle(self):
        """Nothing open, nothing running, nothing waiting."""
        def idle():
            s = self.status()
            return s.get("open") == 0 and not s["requests"] and s["flights"] == s["followers"] == 0 and \
                all(l["running"] == l["waiting"] == 0 for l in s["limiters"])
        until(idle)

    def wait_running(self, limiter, running=1, waiting=0):
        """Until exactly so many hold a slot and wait for one."""
        def there():
            now = self.limiter(limiter)
            return now and now["running"] == running and now["waiting"] == waiting
        until(there)

    # ---- looking ----

    def request_count(self):
        return self.log_path.read_bytes().count(b'"event":"request"')

    def records(self, event=None, **fields):
        found = []
        for line in self.log_path.read_text().splitlines():
            if not line.startswith("{"):
                continue
            with contextlib.suppress(json.JSONDecodeError):  # the last one may be half there
                record = json.loads(line)
                if event in (None, record["event"]) and fields.items() <= record.items():
                    found.append(record)
        return found

    def record_of(self, answer):
        """The access record of the request that got this answer."""
        name = answer.headers["x-request-id"]
        found = until(lambda: self.records("request", id=name))
        assert len(found) == 1
        return found[0]

    def objects(self):
        """What is stored, and what was begun."""
        root = self.data / "objects"
        return sorted(str(f.relative_to(root)) for f in root.rglob("*") if f.is_file() and f.name != ".lock")

    def spooled(self):
        """Files in the spool, with and without a name."""
        held = [f for f in self.open_files() if f.startswith(f"{self.data}/spool/")]
        return held + [str(f) for f in (self.data / "spool").iterdir()]

    def open_files(self):
        folder = f"/proc/{self.process.pid}/fd"
        found = []
        for fd in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                found.append(os.readlink(f"{folder}/{fd}"))
        return found

    def connections(self):
        """How many it holds with clients."""
        held = {f.removeprefix("socket:[").removesuffix("]") for f in self.open_files() if f.startswith("socket:")}
        with open("/proc/net/tcp") as table:
            rows = [line.split() for line in table.readlines()[1:]]
        return sum(row[9] in held and int(row[1].partition(":")[2], 16) == self.port and row[3] != "0A" for row in rows)

    def memory_kb(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS"))


# ---- what an answer must be ----

def assert_success(answer):
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["status"] == "success"
    assert body["request_id"] == answer.headers["x-request-id"]
    return body


def assert_error(answer, status, code, field=None, says=""):
    """The error shape of the contract; returns the error object."""
    assert answer.status_code == status, f"{answer.status_code}: {answer.text}"
    assert answer.headers["content-type"].startswith("application/json")
    body = answer.json()
    assert set(body) == {"request_id", "status", "error"}
    assert body["status"] == "error"
    assert body["request_id"] == answer.headers["x-request-id"]
    error = body["error"]
    assert error["code"] == code
    text = error["message"]
    if code == "VALIDATION_ERROR":
        assert error["message"] == "Invalid input"
        text = " ".join(d["message"] for d in error["details"])
    if field is not None:
        assert [d["field"] for d in error["details"]] == [field]
    assert says.lower() in text.lower(), text
    if status in (429, 503):
        assert int(answer.headers["Retry-After"]) >= 1
    return error


@contextlib.contextmanager
def refusal(gateway, feature="improveClarity", errors=1, ran=False):
    """Whatever happens inside is refused: nothing stored, cached or spooled, no slot taken (unless it ran), and
    exactly so many arrivals and errors are counted, for this feature."""
    before, objects, count = gateway.metrics_before(), gateway.objects(), gateway.request_count()
    yield
    until(lambda: gateway.request_count() >= count + errors)
    for record in gateway.records("request")[count:]:
        if record["feature"] != feature:
            assert ran, "a part of its work ran"
            continue
        assert record["outcome"] == "error"
        assert ran or record["queue_ms"] == record["run_ms"] == record["store_ms"] == 0
    until(lambda: not gateway.spooled(), 2)
    assert gateway.objects() == objects
    after = gateway.metrics()
    assert after["cache"]["size"] <= before["cache"]["size"]
    now, then = after["requests"], before["requests"]
    assert now["total"] - then["total"] == errors
    assert now["error"] - then["error"] == errors
    assert (now["success"], now["cached"]) == (then["success"], then["cached"])
    if errors:
        none = {"errors": 0, "count": 0}
        old, new = before["features"].get(feature, none), after["features"][feature]
        assert new["errors"] - old["errors"] == errors
        assert new["count"] == old["count"]
