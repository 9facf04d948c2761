"""When a warning is raised, told again, and over. Pure.

Raised once, when trouble has lasted; over once, when there was none for a while; told again after a day, then after
two, four, eight and each sixteen days.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from receiver.alerts.trouble import Place, Rule, Trouble

CALM = timedelta(minutes=5)
"""So long there has to be no trouble before a warning is over."""
_FIRST_REMINDER, _MOST_DOUBLINGS = timedelta(days=1), 4

Doubts = Mapping[Place, datetime]
"""Since when something is otherwise than the warnings say: not raised and trouble, or raised and none."""


class Kind(StrEnum):
    """What is told of a warning. `TEST` is no warning: somebody tries the channels."""

    RAISED = "raised"
    REMINDED = "reminded"
    RESOLVED = "resolved"
    TEST = "test"


@dataclass(frozen=True, kw_only=True)
class Alert:
    """A warning that was raised, and was last told of at `told_at`. `seen_at`: when whose it is last looked."""

    trouble: Trouble
    raised_at: datetime
    told_at: datetime
    reminders: int = 0
    resolved_at: datetime | None = None
    seen_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Change:
    """What is to be done about a warning; `before` is what it was, None for one that is new."""

    kind: Kind
    trouble: Trouble
    raised_at: datetime
    before: Alert | None = None


def step(
    opened: Mapping[Place, Alert],
    doubts: Doubts,
    troubles: Collection[Trouble],
    now: datetime,
    *,
    judged: Collection[Rule],
    patience: Mapping[Rule, timedelta],
) -> tuple[list[Change], Doubts]:
    """What changes, and the doubts that stay. Nothing changes where a rule was not `judged` this time."""
    found = {each.place: each for each in troubles}
    changes: list[Change] = []
    kept: dict[Place, datetime] = {}
    for place in sorted(opened.keys() | found.keys() | doubts.keys()):
        alert, trouble = opened.get(place), found.get(place)
        since = min(doubts.get(place, now), now)
        if place[0] not in judged:
            kept |= {place: since} if place in doubts else {}
        elif alert is not None and trouble is not None:
            if now - alert.told_at >= until_reminder(alert.reminders):
                changes.append(Change(kind=Kind.REMINDED, trouble=trouble, raised_at=alert.raised_at, before=alert))
        elif trouble is not None:
            if now - since >= patience.get(place[0], timedelta()):
                changes.append(Change(kind=Kind.RAISED, trouble=trouble, raised_at=now))
            else:
                kept[place] = since
        elif alert is not None:
            if now - since >= CALM:
                raised = alert.raised_at
                changes.append(Change(kind=Kind.RESOLVED, trouble=alert.trouble, raised_at=raised, before=alert))
            else:
                kept[place] = since
    return changes, kept


def until_reminder(reminders: int) -> timedelta:
    """How long after it was told a warning is told again, after so many reminders."""
    return _FIRST_REMINDER * (1 << min(reminders, _MOST_DOUBLINGS))
