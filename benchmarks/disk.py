"""What this disk gives: how long one durable commit takes when nothing else is done."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path
from statistics import median

_COMMITS = 60
_BYTES = 3000


def commit_ms(folder: Path) -> float:
    """The median milliseconds of a commit of one row of 3 KB by SQLite alone, in WAL mode with synchronous=FULL."""
    with (
        tempfile.TemporaryDirectory(dir=folder) as place,
        closing(sqlite3.connect(Path(place) / "trial.db", isolation_level=None)) as database,
    ):
        for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "CREATE TABLE trial (body BLOB)"):
            database.execute(statement)
        took = []
        for _ in range(_COMMITS):
            began = time.perf_counter()
            database.execute("BEGIN IMMEDIATE")
            database.execute("INSERT INTO trial VALUES (?)", (bytes(_BYTES),))
            database.execute("COMMIT")
            took.append((time.perf_counter() - began) * 1000)
    return median(took)
