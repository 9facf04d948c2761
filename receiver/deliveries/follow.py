"""Runs in Prefect, followed: each state that we hear of goes to the attempt whose run it is."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, select, text, update

from receiver.contract.reasons import Reason
from receiver.deliveries import crashes
from receiver.deliveries.lifecycle import FINISHED, UNFINISHED, Status, is_news
from receiver.deliveries.moves import move_all
from receiver.deliveries.records import Followed, RunState
from receiver.storage.tables import UNHAPPY, attempt, delivery
from receiver.storage.values import from_micros, maybe_from_micros, to_micros, to_text

POLL = "poll"


def follow(connection: Connection, state: RunState, source: str, now: int) -> bool:
    """Apply a run's state to its attempts, and to each one's delivery when it is the latest. Whether one moved."""
    found = _attempt_of(connection, state.flow_run_id)
    if found is None or not is_news(
        at=state.at,
        known_at=maybe_from_micros(found.state_at),
        seen_at=maybe_from_micros(found.seen_at),
        now=from_micros(now),
        polled=source == POLL,
    ):
        return False
    mine = attempt.c.flow_run_id == found.flow_run_id
    told: dict[str, Any] = {"at": to_micros(state.at), "now": now, "source": source}
    if state.status is Status.CRASHED:
        crashes.run_again(connection, mine, at=told["at"], now=now)
    if state.failed is None:
        moved = move_all(connection, mine, state.status, **told, detail=_detail(state))
    else:
        listed = attempt.c.delivery_id.in_(sorted(state.failed))
        moved = move_all(connection, mine & listed, state.status, **told, detail=_detail(state))
        moved += move_all(connection, mine & ~listed, Status.COMPLETED, **told)
    values = _times(found, state)
    if any(getattr(found, name) != value for name, value in values.items()):
        connection.execute(update(attempt).where(mine).values(**values, seen_at=now))
    return moved > 0


def run_missing(connection: Connection, flow_run_id: str, now: int) -> bool:
    """Prefect has no such run any more: an unfinished delivery is dead. Whether it moved."""
    found = _attempt_of(connection, flow_run_id)
    if found is None or Status(found.status) not in UNFINISHED:
        return False
    detail = "the flow run was deleted in Prefect before it ended"
    mine = attempt.c.flow_run_id == found.flow_run_id
    reason = Reason.RUN_MISSING
    return move_all(connection, mine, Status.DEAD, at=now, now=now, source=POLL, reason=reason, detail=detail) > 0


def flow_run(connection: Connection, flow_run_id: str) -> tuple[str, int] | None:
    """The delivery and the number of the attempt that a run belongs to."""
    where = attempt.c.flow_run_id == to_text(flow_run_id, 100)
    found = connection.execute(select(attempt.c.delivery_id, attempt.c.number).where(where)).first()
    return None if found is None else (found.delivery_id, found.number)


def unfinished(connection: Connection, limit: int, after: str | None) -> list[Followed]:
    """Deliveries whose latest attempt has a run that has not ended, by id, from the one behind `after`."""
    found: list[Row[Any]] = []
    for status in (Status.DISPATCHED, Status.RUNNING):
        query = (
            select(delivery.c.id, delivery.c.attempt, attempt.c.flow_run_id, delivery.c.status)
            .join(attempt, (attempt.c.delivery_id == delivery.c.id) & (attempt.c.number == delivery.c.attempt))
            .where(delivery.c.status == status.value, delivery.c.id > (after or ""), attempt.c.flow_run_id.is_not(None))
            .order_by(delivery.c.id)
            .limit(limit)
        )
        found.extend(connection.execute(query))
    return [
        Followed(delivery_id=row.id, attempt=row.attempt, flow_run_id=row.flow_run_id, status=Status(row.status))
        for row in sorted(found, key=lambda row: str(row.id))[:limit]
    ]


def unhappy(connection: Connection, since: int, limit: int) -> list[Followed]:
    """Attempts whose run failed, crashed or was cancelled since then, the latest ones first: some are retried there."""
    query = (
        select(attempt.c.delivery_id, attempt.c.number, attempt.c.flow_run_id, attempt.c.status)
        .where(text(f"attempt.{UNHAPPY}"), attempt.c.ended_at >= since, attempt.c.flow_run_id.is_not(None))
        .order_by(attempt.c.ended_at.desc())
        .limit(limit)
    )
    return [
        Followed(
            delivery_id=row.delivery_id, attempt=row.number, flow_run_id=row.flow_run_id, status=Status(row.status)
        )
        for row in connection.execute(query)
    ]


def _attempt_of(connection: Connection, flow_run_id: str) -> Row[Any] | None:
    """The attempt of a run; of a batch's any, since all of them heard the same of it."""
    where = attempt.c.flow_run_id == to_text(flow_run_id, 100)
    return connection.execute(select(attempt).where(where).limit(1).with_for_update()).first()


def _detail(state: RunState) -> str:
    """The state's name where it says more than our status: `TimedOut`, `Late`, `Suspended`."""
    return "" if state.state_name.lower() in {state.status.value, "scheduled", "pending"} else state.state_name


def _times(found: Row[Any], state: RunState) -> dict[str, Any]:
    """The columns that a state sets. Times do not go below zero, whatever the clocks of the machines say."""
    at = to_micros(state.at)
    started = to_micros(state.started_at) if state.started_at else found.started_at
    if started is None and state.status is Status.RUNNING:
        started = at
    ended = at if state.status in FINISHED else None
    handed_over = found.handed_over_at
    return {
        "state_name": to_text(state.state_name, 100),
        "state_at": at,
        "started_at": started,
        "ended_at": ended,
        "start_ms": None if started is None or handed_over is None else max(0, started - handed_over) / 1000,
        "run_ms": None if started is None or ended is None else max(0, ended - started) / 1000,
    }
