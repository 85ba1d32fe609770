"""A few rounds of test/crash: killed at moments that a seed has chosen."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "crash"))
from rounds import run  # noqa: E402


@pytest.mark.parametrize("seed", [7])
def test_rounds(tmp_path, seed):
    said = []
    total = run(8, seed, tmp_path, settle_rate=0.1, say=said.append)
    assert total["completed"] > 0, said
