"""What the rules judge: everything that was gathered about a receiver at one moment, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from receiver.prefect_gateway.survey import DeploymentState, PoolState, Survey


@dataclass(frozen=True, kw_only=True)
class CallerFacts:
    """What keeps a webhook's callers out; empty texts mean that there is no such problem.

    `proxied`: why its allowlist sees a proxy instead of them. `lost_sets`, `old_sets`: sets of networks that were never
    loaded, that cannot be renewed. `no_certificates`: it asks for client certificates, and none come.
    """

    proxied: str = ""
    lost_sets: str = ""
    old_sets: str = ""
    no_certificates: bool = False


@dataclass(frozen=True, kw_only=True)
class WebhookFacts:
    """A webhook. Empty texts mean that there is no such problem.

    `definition_problem`: why the stored definition does not compile; nothing else of it counts then.
    `secret_problem`: why its secret cannot be read, and so what to do, in the vault's words; never the value.
    `secret_unusable`: why its scheme can use none of it; `secret_gap`: what it lacks besides; parts by name, no values.
    `signs_url`: its sender signs the address it calls.
    `clash`: which other webhook competes for its requests. `taken_by`: the key of the one that gets all of them.
    `parameters_problem`: why no request's parameters can fit the deployment's.
    """

    key: str
    origin: str
    state: str
    mode: str
    timeout: float
    deployment: str
    secret: str | None = None
    definition_problem: str = ""
    scheme: str = ""
    secret_problem: str = ""
    secret_unusable: str = ""
    secret_gap: str = ""
    signs_url: bool = False
    clash: str = ""
    taken_by: str = ""
    parameters_problem: str = ""
    callers: CallerFacts = CallerFacts()

    @property
    def subject(self) -> str:
        return f"webhook {self.key}"


@dataclass(frozen=True, kw_only=True)
class Troubled:
    """How many deliveries of a webhook need a person; `more` when there are more than were counted."""

    held: int
    dead: int
    more: bool = False


@dataclass(frozen=True, kw_only=True)
class InboxFacts:
    """The inbox. `problem` says why it cannot be read; nothing else counts then.

    `revision` is that of its tables and `head` the one this code brings them to; `newer` when this code does not know
    `revision`. `oldest_due_at` is since when the first
    delivery waits for its hand-over. `clock_ahead` in seconds, None where the database has no clock of its own.
    """

    problem: str = ""
    revision: str | None = None
    head: str | None = None
    newer: bool = False
    waiting: int = 0
    oldest_due_at: datetime | None = None
    clock_ahead: float | None = None
    troubled: Mapping[str, Troubled] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ReceiverFacts:
    """How the receiver is set up. `admin_apart`: the admin API listens on a port of its own. `warns`: people hear of
    warnings without Prefect."""

    public_url: str | None = None
    admin_apart: bool = False
    warns: bool = False


@dataclass(frozen=True, kw_only=True)
class KeyFacts:
    """An API key that expires, or has."""

    id: str
    name: str
    scope: str
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class Situation:
    """All of it. `now` is when it was gathered; `asked_for` the one webhook that was asked for, None for all."""

    now: datetime
    receiver: ReceiverFacts
    prefect: Survey
    inbox: InboxFacts
    webhooks: tuple[WebhookFacts, ...] = ()
    keys: tuple[KeyFacts, ...] = ()
    asked_for: str | None = None

    def deployment_of(self, webhook: WebhookFacts) -> DeploymentState | None:
        """The webhook's deployment, None when there is none or it was not looked at."""
        return self.prefect.deployments.get(webhook.deployment)

    def pool_of(self, webhook: WebhookFacts) -> PoolState | None:
        """The work pool that the webhook's runs go to, None when there is none or it was not looked at."""
        deployment = self.deployment_of(webhook)
        return self.prefect.pools.get(deployment.pool) if deployment and deployment.pool else None
