"""What came of a delivery in a test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State


@dataclass(frozen=True, kw_only=True)
class Received:
    """The answer the sender got: `status`, `headers` by lower-case name, `content` as bytes."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        """The content as its type says: JSON decoded, text as text, all else as bytes; None without any."""
        media_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not self.content:
            return None
        if media_type == "application/json" or media_type.endswith("+json"):
            return json.loads(self.content)
        return self.content.decode() if media_type.startswith("text/") else self.content


@dataclass(frozen=True)
class TaskState:
    """A task run of the flow: its name, `send e-mail to ...`, and the name of its last state, `Completed`."""

    name: str
    state: str


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """A delivery with its run.

    `status` and `reason` are those of the delivery (`completed`, `failed`, `filtered`, `held`, `rejected`, ...;
    `queued` for a paused webhook, `handshake` for a sender's check of the URL), `detail` says more to us than the
    sender is told. Without a run, `state` and `flow_run_id` are None and there are no `task_runs`.

    `result` is what the flow returned, `error` what it raised; `task_runs` are in the order in which they began.
    """

    delivery_id: str
    reply: Received
    status: str
    reason: str | None = None
    detail: str = ""
    state: State[Any] | None = None
    flow_run_id: str | None = None
    result: Any = None
    error: BaseException | None = None
    task_runs: tuple[TaskState, ...] = ()
