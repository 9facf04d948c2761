"""The states of a delivery and which moves between them are allowed. Pure."""

from datetime import datetime, timedelta
from enum import StrEnum


class Status(StrEnum):
    """Where a delivery stands. The value is what database, API and console carry."""

    REJECTED = "rejected"
    FILTERED = "filtered"
    DUPLICATE = "duplicate"
    SPLIT = "split"
    HELD = "held"
    QUEUED = "queued"
    DISPATCHED = "dispatched"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CRASHED = "crashed"
    CANCELLED = "cancelled"
    DEAD = "dead"


UNFINISHED = frozenset({Status.QUEUED, Status.DISPATCHED, Status.RUNNING})
RUNS_AGAIN = frozenset({Status.FAILED, Status.CRASHED, Status.DEAD, Status.HELD})
"""A duplicate of one of these runs again and becomes the ledger's owner."""

FROM_PREFECT: dict[str, Status] = {
    "SCHEDULED": Status.DISPATCHED,
    "PENDING": Status.DISPATCHED,
    "RUNNING": Status.RUNNING,
    "PAUSED": Status.RUNNING,
    "CANCELLING": Status.RUNNING,
    "COMPLETED": Status.COMPLETED,
    "FAILED": Status.FAILED,
    "CRASHED": Status.CRASHED,
    "CANCELLED": Status.CANCELLED,
}
"""Prefect's state types to ours: Late and AwaitingRetry are SCHEDULED, Suspended is PAUSED, TimedOut is FAILED."""

FINISHED = frozenset({Status.COMPLETED, Status.FAILED, Status.CRASHED, Status.CANCELLED})
"""The run has ended. Prefect may still change its mind: someone retries the run there."""

SET_ASIDE = frozenset({Status.REJECTED, Status.FILTERED, Status.DUPLICATE, Status.HELD})
"""Stored without a run; only a replay starts one."""

_BY_PREFECT = frozenset(FROM_PREFECT.values())

SETTLING = timedelta(seconds=60)
"""How long a look at Prefect may have been under way, at most, when its result reaches us."""


def may_move(current: Status, to: Status) -> bool:
    """Whether a delivery may go from one status to another. Staying is no move.

    A run's states are Prefect's affair, so what has a run follows it anywhere, also out of an end. `dead` is left when
    the deployment appears, or when the hand-over turns out to have succeeded after all. What is held may be discarded.
    A split request has no run of its own; its parts have.
    """
    if current == to:
        return False
    if current is Status.SPLIT:
        return False
    if current in SET_ASIDE:
        return to is Status.QUEUED or (current is Status.HELD and to is Status.CANCELLED)
    if current is Status.QUEUED:
        return to in {Status.DISPATCHED, Status.DEAD, Status.CANCELLED}
    if current is Status.DEAD:
        return to in {Status.QUEUED, Status.DISPATCHED}
    if to in _BY_PREFECT:
        return True
    return to is (Status.QUEUED if current in FINISHED else Status.DEAD)


def is_news(*, at: datetime, known_at: datetime | None, seen_at: datetime | None, now: datetime, polled: bool) -> bool:
    """Whether a state that a run came to at `at` says more than the one of `known_at`, which we heard of at `seen_at`.

    Events overtake each other, so an older state is no news. A poll tells how things are, but its answer may have been
    under way while an event came; what it tells for longer than that holds, though the clock of whoever set the
    known state was fast.
    """
    if known_at is None or seen_at is None or at >= known_at:
        return True
    return polled and now - seen_at > SETTLING
