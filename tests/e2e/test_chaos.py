"""A short round of `make chaos` on each database: faults of many kinds, and no delivery lost, doubled or stuck."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # no stubs are installed
import pytest

from tests.support.prefect import outside_environment

PROJECT = Path(__file__).parents[2]
FAULTS, EVERY = 10, 3


@pytest.mark.long
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_nothing_is_lost_doubled_or_stuck_under_faults_and_nothing_is_left_behind(database: str) -> None:
    with tempfile.TemporaryDirectory(prefix="webhooks-chaos-test-") as folder:
        words = ["--minutes", str(FAULTS * EVERY / 60), "--every", str(EVERY), "--seed", "1", "--on", database]
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.chaos", *words],
            cwd=PROJECT,
            env={**outside_environment(), "TMPDIR": folder, "COLUMNS": "120"},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        told = done.stdout + done.stderr
        assert done.returncode == 0, told
        assert re.search(r"events acknowledged\W+[1-9]", told), told
        assert re.search(r"\bfaults\W+[1-9]", told), told
        assert [each for each in psutil.pids() if folder in _words(each)] == []
        assert os.listdir(folder) == []


def _words(pid: int) -> str:
    try:
        return " ".join([*psutil.Process(pid).cmdline(), *psutil.Process(pid).environ().values()])
    except psutil.Error:
        return ""
