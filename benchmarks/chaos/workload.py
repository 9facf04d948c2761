"""The flows under fault: each writes a row a delivery to a table that nothing is ever taken out of."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from prefect import flow, task

from receiver import Batch, Context, webhook

EFFECTS_VARIABLE = "CHAOS_EFFECTS"
_ABOUT_THE_EFFECT = 0.03
"""Seconds before and after it, in which a kill finds the run."""

Row = tuple[str, str, int, int]


def make_table(file: Path) -> None:
    """The table, in a database of its own that no fault touches."""
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE effect (event TEXT, delivery TEXT, attempt INTEGER, pid INTEGER, at REAL)")


def _row(context: Context) -> Row:
    return (context.data["event"], context.delivery_id, context.attempt, os.getpid())


def _write(rows: Iterable[Row]) -> None:
    with closing(sqlite3.connect(os.environ[EFFECTS_VARIABLE], timeout=60)) as database, database:
        # The database's own clock, which is right: this process may have been given a wrong one.
        database.executemany("INSERT INTO effect VALUES (?, ?, ?, ?, (julianday('now') - 2440587.5) * 86400.0)", rows)


@task
async def write_effect(context: Context) -> None:
    """One row."""
    await asyncio.to_thread(_write, [_row(context)])


@webhook("chaos-single", verification={"scheme": "none"})
@flow
async def single(context: Context) -> dict[str, str]:
    """One delivery, one effect."""
    await asyncio.sleep(_ABOUT_THE_EFFECT)
    await write_effect(context)
    await asyncio.sleep(_ABOUT_THE_EFFECT)
    return {"event": context.data["event"]}


@webhook("chaos-batched", batch={}, parameters={"batch": "{{$context}}"}, verification={"scheme": "none"})
@flow
async def batched(batch: Batch) -> None:
    """Many deliveries, an effect of each, all written at once."""
    await asyncio.sleep(_ABOUT_THE_EFFECT)
    await asyncio.to_thread(_write, [_row(context) for context in batch])
    await asyncio.sleep(_ABOUT_THE_EFFECT)
