"""limner check: what a server needs, tried and named, on the disk and on real S3 servers."""
import contextlib
import os
import re
import shutil
import sqlite3
import subprocess

import pytest

from gateway import BINARY, DEFAULTS, MODELS, SLOW, environment
from postgres import Postgres, binaries

buckets = pytest.importorskip("buckets", reason="tools/deps --dev brings moto", exc_type=ImportError)
SECRET = "a-secret-that-nobody-may-read"
TOKEN = "r8_" + "aB3" * 12 + "x"


def check(folder, **options):
    """Exit code, and the lines by what they are about: (ok, text)."""
    given = DEFAULTS | {"DATA_DIR": folder / "data", "PROVIDERS": "instant"} | options
    ended = subprocess.run([BINARY, "check"], env=environment(given), cwd=folder, capture_output=True, text=True,
                           timeout=60 * SLOW)
    assert ended.stderr == ""
    lines = {}
    for line in ended.stdout.splitlines():
        verdict, what, text = line.split(": ", 2)
        assert verdict in ("ok", "failed") and text
        lines[what] = (verdict == "ok", text)
    assert ended.returncode == (0 if all(ok for ok, _ in lines.values()) else 1)
    for secret in (SECRET, options.get("CF_R2_SECRET_ACCESS_KEY"), options.get("REPLICATE_API_TOKEN")):
        assert not secret or secret == buckets.S3rver.secret or secret not in ended.stdout
    return ended.returncode, lines


def test_no_token_and_no_networks(tmp_path):
    """PROVIDERS=instant: then nothing is said of models on this machine."""
    code, lines = check(tmp_path)
    assert code == 0 and lines["REPLICATE_API_TOKEN"] == (True, "not set: Replicate is not used")


@pytest.mark.short
def test_all_is_well_on_the_disk(tmp_path):
    code, lines = check(tmp_path, REPLICATE_API_TOKEN=TOKEN, API_KEYS="app:0123456789abcdef")
    assert code == 0, lines
    assert str(tmp_path / "data") in lines["DATA_DIR"][1] and "GB are free" in lines["DATA_DIR"][1]
    assert set(lines) == {"DATA_DIR", "store", "asset packs", "local models", "REPLICATE_API_TOKEN", "API_KEYS", "PRICES", "database",
                          "BUDGETS", "start"}
    assert not [f for f in (tmp_path / "data" / "objects").rglob("*") if f.is_file()]  # nothing is left


def test_database(start, tmp_path):
    """It is looked at as it is: neither made nor changed, beside a server and without one."""
    assert "made at the first start" in check(tmp_path)[1]["database"][1]
    assert not (tmp_path / "data" / "limner.db").exists()
    gateway = start(PROVIDERS="instant")
    code, lines = check(tmp_path, DATA_DIR=gateway.data)
    found = re.search(r"limner.db can be written, \d+ kB, tables of version (\d+)$", lines["database"][1])
    assert code == 0 and found
    newest = int(found[1])
    with contextlib.closing(sqlite3.connect(gateway.data / "limner.db", isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        code, lines = check(tmp_path, DATA_DIR=gateway.data, DB_TIMEOUT_MS=100)
        assert code == 1 and "locked by another program" in lines["database"][1]
        db.execute("ROLLBACK")
        db.execute("DELETE FROM schema_version WHERE version = ?", (newest,))
        assert f"version {newest - 1}, brought to {newest} at the next start" in check(tmp_path, DATA_DIR=gateway.data)[1]["database"][1]
        assert db.execute("SELECT MAX(version) FROM schema_version").fetchall() == [(newest - 1,)]
        db.execute("INSERT INTO schema_version VALUES (99, 0)")
        code, lines = check(tmp_path, DATA_DIR=gateway.data)
        assert code == 1 and "made by a newer limner" in lines["database"][1]
    (tmp_path / "data" / "limner.db").write_bytes(b"no database " * 1000)
    assert "is damaged" in check(tmp_path)[1]["database"][1]
    assert check(tmp_path, HISTORY="off")[1]["database"] == (True, "not used (HISTORY=off)")


def test_postgres(tmp_path):
    url = "postgres://limner:%s@127.0.0.1:1/somewhere?connect_timeout=1" % SECRET
    code, lines = check(tmp_path, DATABASE_URL=url)
    assert code == 1 and lines["database"][1].startswith("PostgreSQL at 127.0.0.1:1/somewhere cannot be used now")
    if not binaries():
        pytest.skip("there is no PostgreSQL: tools/deps --dev brings it")
    with contextlib.closing(Postgres()) as server:
        code, lines = check(tmp_path, DATABASE_URL=server.url)
        assert code == 0 and "made at the first start" in lines["database"][1]
        assert server.ask("SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'") == [["0"]]


def test_all_is_well_in_the_bucket(tmp_path, bucket):
    code, lines = check(tmp_path, **bucket.options())
    assert code == 0, lines
    assert '"results"' in lines["store"][1]
    assert bucket.keys() == []


def test_beside_a_server(start, bucket):
    gateway = start(**bucket.options())
    code, lines = check(gateway.folder, **bucket.options(), DATA_DIR=gateway.data)
    assert code == 0, lines


def test_bucket_is_missing(tmp_path, bucket):
    code, lines = check(tmp_path, **bucket.options(CF_R2_BUCKET="nowhere"))
    assert code == 1
    ok, said = lines["store"]
    assert not ok and "CF_R2_BUCKET" in said and '"nowhere"' in said and "make it" in said
    assert "start" not in lines


def test_credentials_are_refused(tmp_path, bucket):
    code, lines = check(tmp_path, **bucket.options(CF_R2_ACCESS_KEY_ID="AKIAUNKNOWN", CF_R2_SECRET_ACCESS_KEY=SECRET))
    assert code == 1
    ok, said = lines["store"]
    assert not ok and "CF_R2_ACCESS_KEY_ID" in said and '"results"' in said and "InvalidAccessKeyId" in said


def test_wrong_secret_and_missing_rights(tmp_path, moto):
    code, lines = check(tmp_path, **moto.options(CF_R2_SECRET_ACCESS_KEY=SECRET))
    assert code == 1 and "SignatureDoesNotMatch" in lines["store"][1]
    may_put = moto.limited_key("s3:PutObject", "s3:DeleteObject")
    code, lines = check(tmp_path, **moto.options(**may_put))
    assert code == 1
    assert not lines["store"][0] and "right to read" in lines["store"][1]
    assert not lines["asset packs"][0] and "right to list" in lines["asset packs"][1]


def test_nobody_is_there(tmp_path, bucket):
    address = f"http://127.0.0.1:{buckets.free_port()}"
    code, lines = check(tmp_path, **bucket.options(CF_R2_ENDPOINT=address))
    assert code == 1 and "127.0.0.1" in lines["store"][1]


@pytest.mark.short
def test_folder_cannot_be_written(tmp_path):
    (tmp_path / "data").write_text("a file, no folder")
    code, lines = check(tmp_path)
    assert code == 1
    assert not lines["DATA_DIR"][0] and str(tmp_path / "data") in lines["DATA_DIR"][1]
    assert not lines["store"][0]


def test_networks(tmp_path):
    if not MODELS.exists():
        pytest.skip("tools/models has not run")
    code, lines = check(tmp_path, PROVIDERS="local")
    assert code == 0 and lines["local models"][0]
    code, lines = check(tmp_path, PROVIDERS="local", MODELS_DIR=tmp_path / "none")
    assert code == 1 and not lines["local models"][0]
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for file in MODELS.iterdir():
        if file.is_file():
            os.symlink(file, damaged / file.name)
    victim = damaged / "realesr-animevideov3-x4.onnx"
    victim.unlink()
    shutil.copy(MODELS / victim.name, victim)
    with open(victim, "r+b") as f:
        f.seek(1000)
        f.write(b"broken")
    code, lines = check(tmp_path, PROVIDERS="local", MODELS_DIR=damaged)
    assert code == 1 and "animevideov3" in lines["local models"][1]


@pytest.mark.short
@pytest.mark.parametrize("token", ["r8_short", '"' + TOKEN + '"', TOKEN[3:] + "abc", TOKEN + "x"])
def test_token_has_no_form(tmp_path, token):
    code, lines = check(tmp_path, REPLICATE_API_TOKEN=token)
    assert code == 1 and not lines["REPLICATE_API_TOKEN"][0]


def test_what_else_a_start_refuses(tmp_path):
    code, lines = check(tmp_path, PROVIDERS="nonsense")
    assert code == 1 and "PROVIDERS" in lines["start"][1]
    code, lines = check(tmp_path, API_KEYS="app:short-but-long-enough,app:another-key-of-that-name")
    assert code == 1 and not lines["API_KEYS"][0]


def test_arguments(tmp_path):
    ended = subprocess.run([BINARY, "check", "more"], env=environment(DEFAULTS), cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 2 and "options only" in ended.stderr


def test_redis(tmp_path, redis):
    url = f"redis://:{SECRET}@127.0.0.1:{redis.port}"
    redis.ask("CONFIG", "SET", "requirepass", SECRET)
    code, lines = check(tmp_path, REDIS_URL=url)
    assert code == 0 and lines["REDIS_URL"][0]
    assert "answers (Redis 7" in lines["REDIS_URL"][1] and "noeviction" in lines["REDIS_URL"][1]
    assert "but" not in lines["REDIS_URL"][1]


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_redis_that_may_evict_leases(tmp_path, redis, policy):
    redis.ask("CONFIG", "SET", "maxmemory-policy", policy)
    code, lines = check(tmp_path, REDIS_URL=redis.url)
    assert code == 0
    assert "volatile-lru suits" in lines["REDIS_URL"][1]


def test_redis_that_may_evict_limits(tmp_path, redis):
    """A cache may evict what it likes, if limits are elsewhere."""
    redis.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    _, lines = check(tmp_path, REDIS_URL=redis.url)
    assert "limits" in lines["REDIS_URL"][1] and "REDIS_LIMITS_URL" in lines["REDIS_URL"][1]
    code, lines = check(tmp_path, REDIS_LIMITS_URL=redis.url)
    assert code == 0 and "REDIS_URL" not in lines
    assert "may evict limits" in lines["REDIS_LIMITS_URL"][1]
    redis.ask("CONFIG", "SET", "maxmemory-policy", "volatile-ttl")
    assert "but" not in check(tmp_path, REDIS_LIMITS_URL=redis.url)[1]["REDIS_LIMITS_URL"][1]
    assert "limits" not in check(tmp_path, REDIS_URL=redis.url, REDIS_LIMITS_URL=redis.url)[1]["REDIS_URL"][1]
    redis.ask("ACL", "SETUSER", "default", "-info")
    code, lines = check(tmp_path, REDIS_LIMITS_URL=redis.url)
    assert code == 0 and "cannot be known" in lines["REDIS_LIMITS_URL"][1]


def test_redis_in_trouble(tmp_path, redis):
    redis.ask("CONFIG", "SET", "requirepass", "another")
    code, lines = check(tmp_path, REDIS_URL=f"redis://:{SECRET}@127.0.0.1:{redis.port}")
    assert code == 1 and "WRONGPASS" in lines["REDIS_URL"][1]
    redis.freeze()
    code, lines = check(tmp_path, REDIS_URL=redis.url)
    assert code == 1 and "no answer within 50 ms" in lines["REDIS_URL"][1]
    redis.kill()
    code, lines = check(tmp_path, REDIS_URL=redis.url)
    assert code == 1 and "refused" in lines["REDIS_URL"][1]
    assert check(tmp_path, REDIS_URL="rediss://h")[1]["REDIS_URL"][1].startswith("REDIS_URL asks for TLS")
