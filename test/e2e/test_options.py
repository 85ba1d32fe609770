"""Options: from .env, the environment and flags; a bad one stops the start and says why."""
import subprocess

import pytest

from gateway import BINARY, DEFAULTS, SLOW, assert_success, environment
from pictures import fresh


def run(*arguments, cwd=None, **options):
    return subprocess.run([BINARY, *arguments], env=environment(options), cwd=cwd, capture_output=True, text=True,
                          timeout=20 * SLOW)


def shown(text, name):
    """The line of `limner config` about an option."""
    return next(line for line in text.splitlines() if line.startswith(name + "="))


@pytest.mark.short
@pytest.mark.parametrize("name,value,allowed", [
    ("PORT", "abc", ["0", "65535"]), ("PORT", "70000", ["0", "65535"]), ("PORT", "-1", ["0", "65535"]),
    ("PORT", "80 80", ["0", "65535"]), ("PORT", "0x50", ["0", "65535"]), ("PORT", "99999999999999999999", ["65535"]),
    ("OUTPUT_QUALITY", "101", ["1", "100"]), ("CACHE_TTL_MS", "5m", ["0", "2592000000", "ms"]),
    ("LOCAL_QUALITY", "ultra", ["auto", "fast", "best"]),
    ("RATE_LIMITS", "perhaps", ["on", "off"]), ("LOG_LEVEL", "loud", ["debug", "info", "warn", "error"]),
    ("AI_RETRY_FACTOR", "0.5", ["1", "10"]), ("AI_RETRY_FACTOR", "2e0", ["1", "10"]), ("UPLOAD_MAX_BYTES", "10mb", ["1024"]),
])
def test_bad_value(tmp_path, name, value, allowed):
    options = DEFAULTS | {"DATA_DIR": tmp_path / "data"}
    ended = run("serve", cwd=tmp_path, **(options | {name: value}))
    assert ended.returncode == 2
    said = ended.stderr
    assert said.count("\n") == 1, said
    for word in (name, value, *allowed):
        assert word in said, said
    assert not (tmp_path / "data").exists()
    options.pop(name, None)
    (tmp_path / ".env").write_text(f"{name}={value}\n")
    from_file = run("serve", cwd=tmp_path, **options)
    assert from_file.returncode == 2 and name in from_file.stderr
    (tmp_path / ".env").unlink()
    flag = "--" + name.lower().replace("_", "-")
    from_flag = run("serve", f"{flag}={value}", cwd=tmp_path, **options)
    assert from_flag.returncode == 2 and name in from_flag.stderr


def test_what_old_environments_hold(start):
    """The old server took these."""
    gateway = start(PROVIDERS="instant", AI_RETRY_FACTOR="1.5", JSON_LIMIT="1.5mb", NODE_ENV="production")
    text = run("config", cwd=gateway.folder, **(DEFAULTS | gateway.options)).stdout
    assert shown(text, "AI_RETRY_FACTOR") == "AI_RETRY_FACTOR=1.5  (environment)"
    assert shown(text, "JSON_LIMIT") == "JSON_LIMIT=1572864  (environment)"
    ended = run("config", cwd=gateway.folder, **(DEFAULTS | {"NODE_ENV": "staging"}))
    assert ended.returncode == 0 and "NODE_ENV=staging" in ended.stdout


@pytest.mark.parametrize("arguments", [["serve", "--no-such-option=1"], ["serve", "extra"], ["serve", "--port"],
                                       ["no-such-command"], ["config", "--what"]])
def test_bad_arguments(tmp_path, arguments):
    ended = run(*arguments, cwd=tmp_path, **(DEFAULTS | {"DATA_DIR": tmp_path / "data"}))
    assert ended.returncode == 2
    assert ended.stderr and not ended.stdout


@pytest.mark.short
def test_dotenv(start, tmp_path):
    """Read from where limner is started; the environment wins over it, flags win over both."""
    folder = tmp_path / "gateway0"
    folder.mkdir()
    (folder / ".env").write_text("""# a comment
CACHE_MAX_SIZE=7
export CACHE_TTL_MS = 5000
OUTPUT_QUALITY="55"   # quoted
PUBLIC_BASE_URL='https://from.dotenv'
R2_PRESIGN_EXPIRES=100
NOT_OURS=whatever
broken line
SPOOL_BYTES=
""")
    gateway = start(["--r2-presign-expires", "300"], PROVIDERS="instant", CACHE_TTL_MS=6000, R2_PRESIGN_EXPIRES=200)
    assert gateway.metrics()["cache"] == {"size": 0, "maxSize": 7, "ttlMs": 6000}
    body = assert_success(gateway.post(fresh()))
    assert body["data"]["url"].startswith("https://from.dotenv/files/")
    assert body["data"]["expires_in"] == 300
    listed = run("config", "--r2-presign-expires=300", cwd=folder, CACHE_TTL_MS=6000, R2_PRESIGN_EXPIRES=200).stdout
    for name, value, source in (("CACHE_MAX_SIZE", "7", ".env"), ("CACHE_TTL_MS", "6000", "environment"),
                                ("R2_PRESIGN_EXPIRES", "300", "flag"), ("OUTPUT_QUALITY", "55", ".env"),
                                ("SPOOL_BYTES", "1048576", "default")):
        line = shown(listed, name)
        assert line == f"{name}={value}  ({source})"


@pytest.mark.short
def test_secrets_are_not_shown(tmp_path):
    listed = run("config", cwd=tmp_path, URL_SIGNING_KEY="a very secret word").stdout
    assert "URL_SIGNING_KEY" in listed
    assert "a very secret word" not in listed


def test_port_in_use(instant, tmp_path):
    ended = run("serve", cwd=tmp_path, **(DEFAULTS | {"PORT": instant.port, "DATA_DIR": tmp_path / "data"}))
    assert ended.returncode == 1
    assert "cannot start" in ended.stderr and str(instant.port) in ended.stderr
    assert instant.get("/health").status_code == 200


def test_data_folder_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "data", "/proc/nothing"):
        ended = run("serve", cwd=tmp_path, **(DEFAULTS | {"DATA_DIR": folder}))
        assert ended.returncode == 1
        assert str(folder) in ended.stderr, ended.stderr
    assert (tmp_path / "file").read_text() == "in the way"


def test_host_that_is_none(tmp_path):
    ended = run("serve", cwd=tmp_path, **(DEFAULTS | {"HOST": "no.such.host.invalid", "DATA_DIR": tmp_path / "data"}))
    assert ended.returncode == 1
    assert "no.such.host.invalid" in ended.stderr


def test_ipv6(start):
    import requests
    gateway = start(PROVIDERS="instant", HOST="::") if has_ipv6() else pytest.skip("there is no IPv6 here")
    assert requests.get(f"http://[::1]:{gateway.port}/health", timeout=10).status_code == 200
    assert requests.get(f"http://127.0.0.1:{gateway.port}/health", timeout=10).status_code == 200


def has_ipv6():
    import socket
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


@pytest.mark.short
def test_the_start_says_where_it_listens(instant):
    line = instant.records("listening")
    assert len(line) == 1
    assert line[0]["port"] == instant.port and line[0]["host"] == "127.0.0.1"
    assert line[0]["connections_max"] > 16
    assert line[0]["provider"] == "instant" and line[0]["version"]


def test_health_command(instant, tmp_path):
    assert run("health", cwd=tmp_path, PORT=instant.port, HOST="127.0.0.1").returncode == 0
    assert run("health", cwd=tmp_path, PORT=1, HOST="127.0.0.1").returncode == 1


def test_help_and_version(tmp_path):
    for arguments in (["--help"], ["help"], []):
        said = run(*arguments, cwd=tmp_path)
        assert said.returncode == 0
        for command in ("serve", "clarity", "enhance", "beautify", "models", "config"):
            assert command in said.stdout
    assert run("--version", cwd=tmp_path).stdout.startswith("limner ")


def test_plain_log(start):
    """Without NODE_ENV=production the log is for people."""
    gateway_options = {"PROVIDERS": "instant", "NODE_ENV": "development"}
    import tempfile
    with tempfile.TemporaryDirectory() as folder:
        ended = subprocess.Popen([BINARY, "serve"], env=environment(DEFAULTS | gateway_options | {"DATA_DIR": folder + "/d"}),
                                 cwd=folder, stderr=subprocess.PIPE, text=True)
        line = ended.stderr.readline()
        ended.terminate()
        assert ended.wait(20 * SLOW) == 0
        ended.stderr.close()
    assert " info  listening host=127.0.0.1 port=" in line
