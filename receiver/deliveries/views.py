"""What can be read of the inbox: frozen values. Moments are in UTC, times spent in milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from receiver.contract.reasons import Reason
from receiver.deliveries.lifecycle import Status


@dataclass(frozen=True, kw_only=True)
class DeliverySummary:
    """A line of the list. `attempt` is the number of the latest attempt, 0 without one; its run and times are here.

    `event_id` is the sender's, `body_size` that of the whole body, also where only a part is kept. `parent_id` names
    the split request that it is a part of.
    """

    id: str
    webhook: str
    revision: int
    status: Status
    reason: Reason | None
    detail: str
    method: str
    path: str
    client_ip: str
    content_type: str
    body_size: int
    event_id: str | None
    duplicate_of: str | None
    id_conflict: bool
    attempt: int
    deployment: str | None
    flow_run_id: str | None
    response_status: int | None
    received_at: datetime
    updated_at: datetime
    receive_ms: float
    queue_ms: float | None
    start_ms: float | None
    run_ms: float | None
    parent_id: str | None
    ordering_key: str | None


@dataclass(frozen=True, kw_only=True)
class AttemptRecord:
    """One start of a run. `due_at` is None unless it waits for its hand-over or is leased by `lease_owner`.

    `cause` is `request`, `replay` or `crash`: a replay has an `actor` who asked for it, and may be on an `edited` body;
    one that follows a crash by itself (`on_crash`) has the actor `on_crash`.
    `revision` is of the definition it was judged by.

    `queue_ms` is from being stored to being handed over, `start_ms` from there to the run's start, `run_ms` to its end.
    """

    number: int
    cause: Literal["request", "replay", "crash"]
    actor: str | None
    edited: bool
    revision: int
    status: Status
    deployment: str
    deployment_id: str | None
    flow_id: str | None
    flow_run_id: str | None
    state_name: str | None
    tries: int
    detail: str
    due_at: datetime | None
    lease_owner: str | None
    created_at: datetime
    handed_over_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    queue_ms: float | None
    start_ms: float | None
    run_ms: float | None


@dataclass(frozen=True, kw_only=True)
class StatusChange:
    """A change of an attempt's status; `source` is who told: `dispatcher`, `event`, `poll`, ..."""

    attempt: int
    at: datetime
    before: Status
    after: Status
    source: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class KeptReply:
    """What an attempt answered, as it travelled (`Reply.from_wire`), and when it came here."""

    wire: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True, kw_only=True)
class DeliveryRecord(DeliverySummary):
    """Everything of a delivery but its body, as redacted when it came."""

    headers: Mapping[str, str | list[str]]
    query: Mapping[str, str | list[str]]
    params: Mapping[str, str]
    verification: Mapping[str, Any]
    notes: Mapping[str, Any]
    attempts: tuple[AttemptRecord, ...]
    changes: tuple[StatusChange, ...]


@dataclass(frozen=True, kw_only=True)
class FirstAnswer:
    """What is needed to answer a duplicate as the first delivery was answered."""

    id: str
    webhook: str
    revision: int
    status: Status
    reason: Reason | None
    attempt: int
    flow_run_id: str | None
    response_status: int | None
    received_at: datetime


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """Attempts that are not handed over: `waiting` are due, `later` wait for their next try, `leased` are in hands,
    `parked` belong to paused webhooks. `oldest_due_at` is since when the first has been waiting, `next_due_at` when the
    next one becomes due."""

    waiting: int
    later: int
    leased: int
    parked: int
    oldest_due_at: datetime | None
    next_due_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class RefusalCount:
    """How many requests an address was refused at a webhook in the minute that begins at `minute`, stored or not."""

    minute: datetime
    webhook: str
    address: str
    count: int
