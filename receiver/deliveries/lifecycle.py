"""The states of a delivery and which moves between them are allowed. Pure."""

from enum import StrEnum


class Status(StrEnum):
    """Where a delivery stands. The value is what database, API and console carry."""

    REJECTED = "rejected"
    FILTERED = "filtered"
    DUPLICATE = "duplicate"
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
