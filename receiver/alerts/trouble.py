"""What a warning is about. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Rule(StrEnum):
    """The kind of a warning. The value is what API, events, figures and commands carry."""

    WEBHOOK_SILENT = "webhook_silent"
    SENDER_GIVES_UP = "sender_gives_up"
    VERIFICATION_FAILS = "verification_fails"
    DELIVERIES_TROUBLED = "deliveries_troubled"
    QUEUE_BEHIND = "queue_behind"
    PREFECT_AWAY = "prefect_away"
    STORAGE_REFUSES = "storage_refuses"
    DISK_LOW = "disk_low"


OF_WEBHOOKS = frozenset({Rule.WEBHOOK_SILENT, Rule.SENDER_GIVES_UP, Rule.VERIFICATION_FAILS, Rule.DELIVERIES_TROUBLED})
"""Their subject is a webhook's key."""
OF_MACHINES = frozenset({Rule.STORAGE_REFUSES, Rule.DISK_LOW})
"""Each receiver judges them for itself; their subject is the receiver, `host:8000`, or its disk, `host:/data`."""
OF_ALL = frozenset(Rule) - OF_MACHINES
"""One receiver judges them for all that share a database."""

Place = tuple[Rule, str]
"""What a warning is about, and by which rule: there is at most one of each."""


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Something that is wrong now. `subject` is empty where a rule is about the installation as a whole.

    `summary` and `remedy` are for people, in our words alone: nothing that a sender says, and no secret.
    """

    rule: Rule
    subject: str = ""
    summary: str
    remedy: str

    @property
    def place(self) -> Place:
        return self.rule, self.subject


@dataclass(frozen=True, kw_only=True)
class Limits:
    """From where on something is trouble. `silence` has webhooks' own times, None: never; others learn theirs.

    `troubled` counts held and dead deliveries of a webhook within a day.
    """

    queue: timedelta = timedelta(minutes=5)
    prefect: timedelta = timedelta(minutes=2)
    troubled: int = 10
    disk_bytes: int = 1024 * 2**20
    silence: Mapping[str, timedelta | None] | None = None
    silence_learned: bool = True


def about(rule: Rule, subject: str) -> str:
    """The id of the Prefect resource that a warning is about."""
    return f"webhooks.webhook.{subject}" if rule in OF_WEBHOOKS else "webhooks.receiver"


def told(duration: timedelta) -> str:
    """A duration for people, exact to about a tenth.

    >>> told(timedelta(seconds=90)), told(timedelta(minutes=150)), told(timedelta(days=19, hours=3))
    ('90 s', '2.5 h', '19 d')
    """
    seconds = duration.total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            value = seconds / length
            return f"{value:.0f} {unit}" if value >= 10 or value == int(value) else f"{value:.1f} {unit}"
    return f"{seconds:.0f} s"


def moment(at: datetime) -> str:
    """A moment for people, in UTC: `2026-11-24 12:03 UTC`."""
    return f"{at:%Y-%m-%d %H:%M} UTC"
