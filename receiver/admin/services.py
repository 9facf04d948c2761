"""What the admin API works with. The receiver's wiring fills it in; tests fill in their own.

Stores are the real ones; what belongs to other parts of the receiver is asked for by a small Protocol.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from receiver.alerts.book import Alert
from receiver.alerts.courier import Tried
from receiver.alerts.desk import ChannelState
from receiver.bodies.content import Content
from receiver.checks.finding import Finding
from receiver.contract.definition import WebhookDefinition
from receiver.deliveries.store import DeliveryStore
from receiver.deliveries.upkeep import Upkeep
from receiver.dispatch.lag import QueueStanding
from receiver.ingress.answers import Answer
from receiver.ingress.client_ip import Proxies
from receiver.ingress.sample import Sample
from receiver.prefect_gateway import DeploymentRef, RunReport
from receiver.webhooks.audit import AuditLog
from receiver.webhooks.definitions import DefinitionStore
from receiver.webhooks.keys import KeyStore


class Catalog(Protocol):
    """The webhooks that requests are matched against."""

    async def refresh(self) -> object:
        """Make what was stored live in this process now."""


class SecretVault(Protocol):
    """Where plain secrets go."""

    async def store(self, name: str, value: str) -> str:
        """Keep a secret in the block `webhook-secret/<name>` and answer its reference, `block:webhook-secret/<name>`.

        A value that was there becomes a previous one, so that a rotation refuses nobody. Raises `WebhooksError` when
        the block cannot be written (`PrefectUnavailable` when Prefect does not answer).
        """


class Deployments(Protocol):
    """Prefect's deployments; see `receiver.dispatch.deployments`."""

    def known(self, name: str) -> DeploymentRef | None:
        """The deployment where it is known already; never asks Prefect."""

    async def resolve_deployment(self, name: str) -> DeploymentRef | None:
        """The deployment called `flow/deployment`, None when there is none; raises `PrefectUnavailable`."""


class Runs(Protocol):
    """Prefect's runs; `PrefectGateway` is one."""

    async def read_run(self, flow_run_id: str) -> RunReport | None:
        """What a run did, None when Prefect has no such run; raises `PrefectUnavailable`."""


class SampleIntake(Protocol):
    """The receiver's own ingress, for samples."""

    async def send(self, key: str, sample: Sample) -> Answer:
        """Sign a sample as the webhook's scheme demands and take it in like any request, without the network.

        Raises `DefinitionError` for a sample that cannot be made.
        """


class Alerts(Protocol):
    """The warnings; `AlertDesk` is one."""

    async def listed(self, *, over: bool) -> list[Alert]:
        """Those that are raised, with `over` also those that are over."""

    async def channels(self) -> list[ChannelState]:
        """The channels in use."""

    async def test(self, now: datetime) -> Sequence[Tried]:
        """Send a test by every channel."""

    async def automation(
        self, *, block: str | None, deployment: str | None, save: bool
    ) -> tuple[str | None, dict[str, Any]]:
        """The automation, and with `save` its id; `WebhooksError` where there is no such block or deployment."""


@dataclass(frozen=True, kw_only=True)
class AdminServices:
    """Everything the admin API needs. `base_url` is the public address without a trailing slash.

    `check_definition` raises `DefinitionError` for a definition that cannot be compiled or whose path clashes with
    another webhook's. `check` gives what would not work, of all webhooks or of the one with a key. `documents` gives
    the JSON text of the context that a delivery's flow gets, by delivery id and attempt; None when there is none.
    `metrics` gives the figures in Prometheus's text format, `queue` how far the hand-over to Prefect is behind.
    `queued` tells the dispatcher that something waits. `prefect_ui_url` is the address of Prefect's pages, None when it
    has none. The caller's address is what `proxies` say, else the peer's. `callers` tells what would
    keep a webhook's callers out, in sentences.
    """

    keys: KeyStore
    audit: AuditLog
    deliveries: DeliveryStore
    definitions: DefinitionStore
    catalog: Catalog
    vault: SecretVault
    deployments: Deployments
    runs: Runs
    intake: SampleIntake
    upkeep: Upkeep
    check_definition: Callable[[WebhookDefinition], Awaitable[None]]
    check: Callable[[str | None], Awaitable[Sequence[Finding]]]
    documents: Callable[[str, int], Awaitable[Content | None]]
    metrics: Callable[[], Awaitable[bytes]]
    queue: Callable[[], Awaitable[QueueStanding]]
    queued: Callable[[], None]
    now: Callable[[], datetime]
    base_url: str
    alerts: Alerts
    prefect_ui_url: str | None = None
    proxies: Proxies = field(default_factory=Proxies)
    callers: Callable[[WebhookDefinition], Awaitable[list[str]]] | None = None
