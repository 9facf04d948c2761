"""Order: attempts of a webhook with the same ordering key have their runs one after another, in order of arrival.

An attempt whose turn has not come waits in line: queued, without a due time. Whoever ends makes the next one due. One
lock for each key makes this hold among processes: who looks at a line and who leaves it do so one after another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, text, update

from receiver.deliveries.lifecycle import Status
from receiver.storage.tables import BEGUN, IN_LINE, attempt

Line = tuple[str, str]
"""A webhook and an ordering key."""

_TAKEN_IN_AT_ONCE = 1000
"""How many of a batched webhook's line become due together, so that they can share a run."""

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:line, 0))")
_OF_LINE = (attempt.c.webhook == bindparam("of_webhook")) & (attempt.c.ordering_key == bindparam("of_key"))
_BEGUN = select(attempt.c.delivery_id).where(_OF_LINE, text(f"attempt.{BEGUN}")).limit(1)
_FIRST = (
    select(attempt.c.delivery_id, attempt.c.number, attempt.c.due_at, attempt.c.parked_due_at, attempt.c.batch_size)
    .where(_OF_LINE, text(f"attempt.{IN_LINE}"))
    .order_by(attempt.c.created_at, attempt.c.delivery_id)
    .limit(bindparam("many"))
)
_ONE = (attempt.c.delivery_id == bindparam("of_delivery")) & (attempt.c.number == bindparam("of_number"))
_CALL = (
    update(attempt)
    .where(_ONE, attempt.c.status == Status.QUEUED.value, attempt.c.due_at.is_(None), attempt.c.parked_due_at.is_(None))
    .values(due_at=bindparam("at"))
)
_WAIT = update(attempt).where(_ONE).values(due_at=None, lease_owner=None)


def admit(connection: Connection, rows: Sequence[Row[Any]], *, together: bool, now: int) -> list[Row[Any]]:
    """Of due attempts that were never handed over, those whose turn it is, in their order; the others wait in line.

    `together` says that they will share one run, in which those of one key keep their order. `rows` are locked.
    """
    lines: dict[Line, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        if row.ordering_key is not None:
            lines[row.webhook, row.ordering_key].append(row)
    for line in sorted(lines):
        _lock(connection, line)
    waiting: set[tuple[str, int]] = set()
    for line, mine in lines.items():
        ready = _ready(connection, line, mine, together)
        waiting.update((row.delivery_id, row.number) for row in mine[ready:])
        if ready < len(mine):
            connection.execute(_WAIT, [_named(row) for row in mine[ready:]])
        if not ready:
            _call_next(connection, line, now)
    return [row for row in rows if (row.delivery_id, row.number) not in waiting]


def left(connection: Connection, line: Line, now: int) -> None:
    """An attempt of this line has ended, or will never run: the next one is due."""
    _lock(connection, line)
    _call_next(connection, line, now)


def _ready(connection: Connection, line: Line, mine: Sequence[Row[Any]], together: bool) -> int:
    """How many of `mine`, from the first, stand at the head of the line, with nobody before them under way."""
    of = _named_line(line)
    if connection.execute(_BEGUN, of).first() is not None:
        return 0
    head = connection.execute(_FIRST, {**of, "many": len(mine) if together else 1}).all()
    ready = 0
    for row, first in zip(mine, head, strict=False):
        if (row.delivery_id, row.number) != (first.delivery_id, first.number):
            break
        ready += 1
    return ready


def _call_next(connection: Connection, line: Line, now: int) -> None:
    of = _named_line(line)
    if connection.execute(_BEGUN, of).first() is not None:
        return
    head = connection.execute(_FIRST, {**of, "many": 1}).first()
    if head is None:
        return
    many = 1 if head.batch_size is None else _TAKEN_IN_AT_ONCE
    called = [head] if many == 1 else connection.execute(_FIRST, {**of, "many": many}).all()
    if idle := [row for row in called if row.due_at is None and row.parked_due_at is None]:
        connection.execute(_CALL, [{**_named(row), "at": now} for row in idle])


def _lock(connection: Connection, line: Line) -> None:
    """Until the commit. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK, {"line": "\n".join(line)})


def _named(row: Any) -> dict[str, Any]:
    return {"of_delivery": row.delivery_id, "of_number": row.number}


def _named_line(line: Line) -> dict[str, str]:
    return {"of_webhook": line[0], "of_key": line[1]}
