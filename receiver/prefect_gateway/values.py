"""What crosses the door to Prefect: plain values, whose ids are UUIDs in text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from receiver.contract.errors import WebhooksError

RUN_TAG = "webhooks"
"""Every run we start carries it; the events subscription filters on it."""


class PrefectUnavailable(WebhooksError):
    """Prefect did not answer, or answered that it cannot work now. Try again later."""


class Outcome(StrEnum):
    """What became of handing a run over."""

    CREATED = "created"
    EXISTS = "exists"
    RETRY_LATER = "retry_later"
    DEPLOYMENT_MISSING = "deployment_missing"
    PARAMETERS_REFUSED = "parameters_refused"
    PERMANENT = "permanent"


@dataclass(frozen=True, kw_only=True)
class Handover:
    """The outcome of one hand-over. `flow_run_id` is set for `created` and `exists`; `detail` holds no parameters."""

    outcome: Outcome
    flow_run_id: str | None = None
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class DeploymentRef:
    """A deployment as Prefect knows it. Ids are UUIDs in text.

    `parameter_schema` is the JSON Schema by which Prefect's server checks a run's parameters, None where it does not;
    `filled` are the parameters to which the deployment itself gives values.
    """

    name: str
    id: str
    flow_id: str
    parameter_schema: Mapping[str, Any] | None = None
    filled: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class PrefectState:
    """A flow run's state. `type` is Prefect's state type (`RUNNING`), `name` its name (`AwaitingRetry`)."""

    flow_run_id: str
    type: str
    name: str
    at: datetime
    started_at: datetime | None = None
    delivery_id: str | None = None
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class ReplyEvent:
    """A reply on its way to whoever waits for it; `wire` is as `Reply.to_wire` made it, not yet believed."""

    delivery_id: str
    attempt: int
    flow_run_id: str | None
    wire: dict[str, Any]
