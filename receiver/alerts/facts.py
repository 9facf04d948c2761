"""What the rules judge: frozen values, gathered at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from receiver.contract.reasons import Reason
from receiver.ingress.verify.base import SwitchOff


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """A request and our answer to it. `status` is None where the sender hung up before it.

    `known`: an address of that network was verified lately, so it is the sender whatever came of this request.
    """

    at: datetime
    status: int | None
    reason: Reason | None = None
    known: bool = False

    @property
    def good(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, kw_only=True)
class SecretChange:
    """What is known of a webhook's secret: `name` is its reference, `at` when it was last changed, None: unknown."""

    name: str
    at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Silence:
    """A webhook's traffic, of which refused requests are no part: when its last request came, and how many came in the
    same stretch of earlier weeks, the latest first; only weeks that it has known whole."""

    last_at: datetime
    earlier: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class WebhookFacts:
    """A webhook that is enabled. `answers` are the latest ones, newest first.

    `preset`: its scheme is one sender's. `open`: nothing is verified. `hour` are the requests of the last hour, and
    those of them not answered 2xx, where its sender counts by the hour. `held`, `dead`: of the last day. None stands
    for what was not looked at.
    """

    key: str
    open: bool = False
    preset: bool = False
    switch_off: SwitchOff | None = None
    answers: tuple[Answered, ...] = ()
    hour: tuple[int, int] | None = None
    last_verified_at: datetime | None = None
    secret: SecretChange | None = None
    silence: Silence | None = None
    held: int = 0
    dead: int = 0


@dataclass(frozen=True, kw_only=True)
class SharedFacts:
    """What one receiver judges for all. `oldest_due_at`: since when the first of what waits for Prefect is due.

    `silence_looked_at`: whether the webhooks' silence was; it is not each time.
    """

    prefect_up: bool
    oldest_due_at: datetime | None = None
    webhooks: tuple[WebhookFacts, ...] = ()
    silence_looked_at: bool = True


@dataclass(frozen=True, kw_only=True)
class MachineFacts:
    """What a receiver judges for itself. `refused`: requests answered 503 of late, for want of storage or room.

    `storage_problem`: why the inbox could not be written just now, empty when it could. `name` is `host:8000`, `disk`
    `host:/data`: receivers on one machine may share a disk.
    """

    name: str
    disk: str
    refused: int = 0
    storage_problem: str = ""
    free_bytes: int | None = None
