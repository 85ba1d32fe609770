"""limner doctor: advice for a gateway that is sick, and silence for one that is well."""
import contextlib
import subprocess

from gateway import BINARY, SLOW, assert_error, assert_success, environment
from pictures import fresh


def doctor(folder, *arguments, **options):
    ended = subprocess.run([BINARY, "doctor", "--interval", "0.3", *arguments], env=environment(options), cwd=folder,
                           capture_output=True, text=True, timeout=60 * SLOW)
    return ended.returncode, ended.stdout, ended.stderr


def test_all_is_well(start, tmp_path):
    gateway = start(PROVIDERS="instant")
    assert_success(gateway.post(fresh()))
    code, said, complaints = doctor(tmp_path, "--url", gateway.url)
    assert (code, complaints) == (0, "") and said.startswith("nothing to advise")
    assert doctor(tmp_path, "--url", "http://127.0.0.1:1")[0] == 2


def test_a_sick_gateway(start, tmp_path, redis):
    """Uploads that are too large, a cache that is too small, and Redis away."""
    gateway = start(PROVIDERS="instant", UPLOAD_MAX_BYTES=100_000, CACHE_MAX_SIZE=2, REDIS_URL=redis.url)
    for _ in range(25):
        assert_success(gateway.post(fresh()))
    for _ in range(5):
        assert_error(gateway.post(b"\xff\xd8" + bytes(120_000)), 413, "PAYLOAD_TOO_LARGE")
    redis.kill()
    with contextlib.suppress(AssertionError):
        gateway.post(fresh())  # which finds out
    code, said, _ = doctor(tmp_path, "--url", gateway.url)
    assert code == 1
    found = {line.split(": ")[1].strip(): line for line in said.splitlines() if line.startswith(("bad", "advice"))}
    assert found.keys() >= {"redis", "degraded", "too-large", "evictions"}
    assert "[UPLOAD_MAX_BYTES]" in said and "[CACHE_MAX_SIZE]" in said
    # On the same machine it also looks at what is there.
    here = {k: v for k, v in gateway.options.items() if k != "HOST"} | {"PORT": gateway.port, "METRICS_TOKEN": ""}
    code, said, _ = doctor(tmp_path, **here)
    assert code == 1 and "REDIS_URL: " in said and "[METRICS_TOKEN]" in said
