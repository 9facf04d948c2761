"""What crosses the border of the inbox: values, no tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from receiver.bodies import size_at
from receiver.contract.reasons import Reason
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.priority import Priority


@dataclass(frozen=True, kw_only=True)
class DeduplicationClaim:
    """A sender's event id: `key` is unique per webhook until `expires_at`; `body_digest` tells conflict from repeat.

    `mark` stands for the request's signature where one that comes under two ids is a replay, and is None elsewhere; so
    that nobody gets past it by leaving the id out, it is claimed also without one (an empty `key`).
    """

    key: str
    body_digest: bytes
    expires_at: datetime
    mark: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class Sharing:
    """How deliveries share a run: so many at most, and how long the first waits for others."""

    max_size: int
    max_wait: timedelta


@dataclass(frozen=True, kw_only=True)
class NewDelivery:
    """A request as it is to be stored: already redacted, already judged. `id` is a UUIDv7 in text.

    `status` is `rejected`, `filtered`, `held` or `queued`; a `queued` one with a `deduplication` may come back as
    `duplicate`. A queued one gets attempt 1, bound to `deployment` (and its ids when they are known).
    `body` is the inflated body, masked; for a refused request at most its first 16 KiB (`body_size` tells the whole).
    Where it is kept apart from its row, `body_at` says where, and `body` is empty.
    `notes` are marks such as `{"deduplication": "no key: ..."}`. A part of a split request names it in `parent_id`.
    Runs of the same `ordering_key` follow each other; `sharing` says that a run may be for several deliveries.
    """

    id: str
    webhook: str
    revision: int
    status: Status
    reason: Reason | None = None
    detail: str = ""
    method: str
    path: str
    headers: Mapping[str, str | list[str]]
    query: Mapping[str, str | list[str]]
    params: Mapping[str, str]
    client_ip: str
    content_type: str = ""
    body: bytes = b""
    body_size: int = 0
    body_at: str | None = None
    verification: Mapping[str, Any] = field(default_factory=dict)
    deduplication: DeduplicationClaim | None = None
    deployment: str = ""
    deployment_id: str | None = None
    flow_id: str | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)
    response_status: int | None = None
    received_at: datetime
    receive_ms: float = 0.0
    parent_id: str | None = None
    ordering_key: str | None = None
    sharing: Sharing | None = None
    priority: Priority = Priority.LIVE


@dataclass(frozen=True, kw_only=True)
class Stored:
    """The outcome of storing: what the delivery became. `duplicate_of` names the first delivery of the same event.

    `replayed`: the same signed request came under another id. `parts` are those of a split request, in their order.
    """

    id: str
    status: Status
    duplicate_of: str | None = None
    id_conflict: bool = False
    replayed: bool = False
    parts: tuple[Stored, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Claim:
    """An attempt leased to this process: hand it over to Prefect, then tell the store the outcome.

    `deployment_id` and `flow_id` are None until `bind` stored them; every later hand-over uses what was stored.
    It was due at `due_at`; it `overtakes` what waits in Prefect when a caller waits for it and many runs wait there.
    `members` are all deliveries with their attempts that the run is for, in order; of a batch, which `batch_id` names,
    there may be many, and the claim names the first.
    """

    delivery_id: str
    attempt: int
    webhook: str
    revision: int
    deployment: str
    deployment_id: str | None
    flow_id: str | None
    tries: int
    due_at: datetime
    received_at: datetime
    overtakes: bool = False
    batch_id: str | None = None
    members: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Followed:
    """A delivery whose run has not ended, for the poll that mends what events missed."""

    delivery_id: str
    attempt: int
    flow_run_id: str
    status: Status


@dataclass(frozen=True, kw_only=True)
class RunState:
    """A flow run's state as Prefect tells it. `status` is already ours; `started_at` None until the run started.

    `failed` are the deliveries that failed in a run for many, in which the others completed; None where the state is
    that of all.
    """

    flow_run_id: str
    status: Status
    state_name: str
    at: datetime
    started_at: datetime | None = None
    failed: frozenset[str] | None = None


@dataclass(frozen=True, kw_only=True)
class DeliveryFilter:
    """Which deliveries are meant; None means any. `q` is searched in id, path, event id and flow-run id.

    `parent` is the split request whose parts are meant.
    """

    webhook: str | None = None
    status: Status | None = None
    reason: Reason | None = None
    since: datetime | None = None
    until: datetime | None = None
    event_id: str | None = None
    q: str | None = None
    parent: str | None = None
    ids: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class StoredRequest:
    """A delivery's request as stored, or as an attempt has it: what its context is made of again.

    `revision` is what the attempt was judged by. Of an edited one `content_type` and `body` are the edited ones, and
    `headers` name that type. `body_size` is of the body that came, also where only a part of it is kept. A big body is
    not in `body` but at `body_at`; `DeliveryStore.whole` puts it there.
    """

    id: str
    webhook: str
    revision: int
    method: str
    path: str
    headers: Mapping[str, str | list[str]]
    query: Mapping[str, str | list[str]]
    params: Mapping[str, str]
    client_ip: str
    content_type: str
    body: bytes
    body_size: int
    body_at: str | None = None
    edited: bool = False
    verification: Mapping[str, Any]
    received_at: datetime

    @property
    def size(self) -> int:
        """Bytes of the body that is kept, of the edited one where it was edited."""
        return len(self.body) if self.body_at is None else size_at(self.body_at)

    def edited_to(self, body: bytes, content_type: str) -> StoredRequest:
        """The same request with another body, which its header names too."""
        headers = {**self.headers, "content-type": content_type} if content_type else self.headers
        return replace(self, body=body, body_at=None, content_type=content_type, headers=headers, edited=True)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Where a delivery stands that somebody wants to replay; `attempt` is the latest one's number, 0 without one."""

    id: str
    webhook: str
    revision: int
    status: Status
    reason: Reason | None
    attempt: int
    body_size: int


@dataclass(frozen=True, kw_only=True)
class NewReplay:
    """A new attempt that is asked for. It is made only while `after` is the latest attempt, and that one has ended.

    `revision` is of the definition it was judged by, `actor` who asked. `body` and `content_type` are set for an
    edited body; a big one is at `body_at`, and `body` is empty. It is handed over at `due_at`.
    """

    delivery_id: str
    after: int
    revision: int
    actor: str
    deployment: str
    deployment_id: str | None = None
    flow_id: str | None = None
    content_type: str = ""
    body: bytes | None = None
    body_at: str | None = None
    due_at: datetime
