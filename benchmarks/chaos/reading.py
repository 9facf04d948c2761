"""Reads the ledgers out of the databases themselves, past everything that is under test."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.chaos.ledgers import Effect, RunState, Stored

_DELIVERIES = "SELECT id, webhook, event_id, status, reason, duplicate_of FROM delivery ORDER BY id"
_ATTEMPTS = "SELECT delivery_id, flow_run_id FROM attempt WHERE flow_run_id IS NOT NULL ORDER BY delivery_id, number"
_OPEN = "SELECT count(*) FROM delivery WHERE status IN ('queued', 'dispatched', 'running')"
_STATES = """
    SELECT flow_run_id::text, type::text, extract(epoch FROM timestamp)::float8 FROM flow_run_state
    ORDER BY flow_run_id, timestamp
"""


def open_deliveries(inbox: str) -> int:
    """How many deliveries have not ended."""
    return int(_rows(inbox, _OPEN)[0][0])


def stored(inbox: str) -> list[Stored]:
    """Every delivery. `inbox` is a SQLite file or a PostgreSQL URL."""
    runs: defaultdict[str, list[str]] = defaultdict(list)
    for delivery, run in _rows(inbox, _ATTEMPTS):
        runs[delivery].append(run)
    return [
        Stored(
            id=row[0],
            webhook=row[1],
            event=row[2],
            status=row[3],
            reason=row[4],
            duplicate_of=row[5],
            runs=tuple(runs[row[0]]),
        )
        for row in _rows(inbox, _DELIVERIES)
    ]


def runs(prefect: str) -> dict[str, list[RunState]]:
    """Every state of every flow run. `prefect` is the URL of its database."""
    found: defaultdict[str, list[RunState]] = defaultdict(list)
    for run, type_, at in _rows(prefect, _STATES):
        found[run].append(RunState(type=type_, at=at))
    return dict(found)


def effects(file: Path) -> list[Effect]:
    """What the flows wrote."""
    rows = _rows(str(file), "SELECT event, delivery, attempt, pid, at FROM effect")
    return [Effect(event=row[0], delivery=row[1], attempt=row[2], pid=row[3], at=row[4]) for row in rows]


def _rows(place: str, query: str) -> Sequence[tuple[Any, ...]]:
    if place.startswith("postgresql://"):
        with psycopg.connect(place, connect_timeout=10) as connection:
            return connection.execute(query).fetchall()
    with closing(sqlite3.connect(place, timeout=30)) as database:
        return database.execute(query).fetchall()
