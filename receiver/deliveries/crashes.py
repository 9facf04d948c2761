"""What follows when a run's process died and its webhook says `"on_crash": "retry"`: the delivery runs again.

The attempt that follows is stored in the commit that tells of the crash, so that nobody sees the delivery ended in
between: a caller who waits goes on waiting, and the next one of the same ordering key waits too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from itertools import takewhile
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, select

from receiver.deliveries import another, kept
from receiver.deliveries.lifecycle import UNFINISHED, Status
from receiver.deliveries.moves import LATEST
from receiver.storage.tables import attempt, delivery, replay, webhook

ACTOR = "on_crash"
"""Who asked for such an attempt, where a replay names the key that did; also the source of the change of status."""

WAITS = (timedelta(seconds=1), timedelta(seconds=10), timedelta(seconds=60))
"""How long each attempt after a crash waits. After as many crashes in a row the delivery is `crashed`."""

_MICROSECOND = timedelta(microseconds=1)
_KEPT = ("webhook", "deployment", "deployment_id", "flow_id", "ordering_key", "priority")


def run_again(connection: Connection, crashed: ColumnElement[bool], at: int, now: int) -> None:
    """Add an attempt for each of these whose run crashed, where its webhook wants that.

    Called while they still stand as they did before the crash. `at` is when they crashed, `now` when we write, in
    microseconds. An attempt that shared a run has one of its own: what killed the process does not take the others
    along again.
    """
    columns = [attempt.c[name] for name in ("delivery_id", "number", "status", "created_at", *_KEPT)]
    query: Select[Any] = select(*columns, delivery.c.revision).join(delivery, LATEST).where(crashed)
    query = query.order_by(attempt.c.delivery_id).with_for_update(of=attempt)
    rows = [row for row in connection.execute(query).all() if Status(row.status) in UNFINISHED]
    wanting = {key for key in {row.webhook for row in rows} if _wants_retry(connection, key)}
    for row in rows:
        if row.webhook in wanting:
            _again(connection, row, at, now)


def _wants_retry(connection: Connection, key: str) -> bool:
    """By the definition in force: who takes `retry` away means what runs already too."""
    definition = connection.execute(select(webhook.c.definition).where(webhook.c.key == key)).scalar_one_or_none()
    return definition is not None and json.loads(definition).get("on_crash") == "retry"


def _again(connection: Connection, row: Row[Any], at: int, now: int) -> None:
    asked = select(replay).where(replay.c.delivery_id == row.delivery_id).order_by(replay.c.attempt.desc())
    earlier = connection.execute(asked.limit(len(WAITS))).all()
    crashes = _in_a_row(earlier, row.number)
    if crashes >= len(WAITS):
        return
    number = row.number + 1
    due = now + WAITS[crashes] // _MICROSECOND
    # In line it keeps its place: those of the same ordering key that came later still wait for it.
    created = row.created_at if row.ordering_key is not None else now
    columns = {name: getattr(row, name) for name in _KEPT} | {"due_at": due, "created_at": created}
    # The same request as before, also where somebody had edited it.
    before = earlier[0] if earlier and earlier[0].attempt == row.number else None
    request = {name: getattr(before, name) for name in ("revision", "content_type", "body")} if before else {}
    another.add(
        connection,
        row.delivery_id,
        number,
        columns=columns,
        differs={"revision": row.revision, **request, "actor": ACTOR},
        before=row.status,
        at=at,
        now=now,
        source=ACTOR,
        detail=f"its run crashed: attempt {number}, {crashes + 1} of {len(WAITS)} after crashes",
    )
    if before is not None:
        kept.repeat(connection, row.delivery_id, row.number, number)


def _in_a_row(earlier: Sequence[Row[Any]], number: int) -> int:
    """How many of the latest attempts, up to this one, were made after a crash."""
    return sum(
        1
        for _ in takewhile(
            lambda found: found[1].attempt == number - found[0] and found[1].actor == ACTOR, enumerate(earlier)
        )
    )
