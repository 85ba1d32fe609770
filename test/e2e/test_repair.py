"""limner repair: what an operator does with a damaged limner.db."""
import contextlib
import sqlite3
import subprocess

import pytest

from gateway import BINARY, environment


def repair(gateway, **more):
    return subprocess.run([BINARY, "repair"], env=environment({"DATA_DIR": gateway.data} | more), cwd=gateway.folder,
                          capture_output=True, text=True, timeout=60)


def database(gateway):
    return contextlib.closing(sqlite3.connect(gateway.data / "limner.db", isolation_level=None))


def test_damaged_and_repaired(start):
    gateway = start(PROVIDERS="instant")
    done = repair(gateway)  # not under a gateway that runs
    assert done.returncode == 1 and "stop limner first" in done.stderr
    gateway.stop()
    done = repair(gateway)
    assert done.returncode == 0 and "nothing to repair" in done.stdout
    with database(gateway) as db:
        db.executemany("INSERT INTO history_source VALUES (?, ?, 7)", [(f"{i:0100d}", i) for i in range(5000)])
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path = gateway.data / "limner.db"
    data = bytearray(path.read_bytes())
    at = data.find(b"%0100d" % 2500) // 4096 * 4096
    data[at:at + 4096] = b"damaged!" * 512
    path.write_bytes(data)
    with pytest.raises(AssertionError, match="is damaged.*limner repair"):
        gateway.start()
    done = repair(gateway)
    assert done.returncode == 3, done.stderr
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert "all" in lines["budget_spent"] and "all" not in lines["history_source"]
    [aside] = gateway.data.glob("limner.db.damaged-*[0-9]")
    assert str(aside) in done.stdout and aside.read_bytes() == bytes(data)
    with database(gateway) as db:
        assert db.execute("SELECT COUNT(*) FROM history_source WHERE at = 7").fetchone()[0] > 4800
    gateway.start()
    gateway.check_log()


def test_what_it_does_not_mend(start, tmp_path):
    gateway = start(PROVIDERS="instant")
    done = repair(gateway, DATABASE_URL="postgres://nobody@127.0.0.1:1/none")
    assert done.returncode == 2 and "PostgreSQL" in done.stderr
    done = repair(gateway, DATA_DIR=tmp_path / "nothing")
    assert done.returncode == 1 and "No such file" in done.stderr
