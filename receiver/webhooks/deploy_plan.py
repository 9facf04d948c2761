"""What `webhooks deploy` would change: the definitions in the code compared with those the receiver has. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Change(StrEnum):
    """What becomes of one webhook."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    VANISHED = "vanished"
    CONFLICT = "conflict"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One webhook's change. `fields` names what differs, `definition` is the code's, None for a vanished one."""

    key: str
    change: Change
    fields: tuple[str, ...] = ()
    definition: Mapping[str, Any] | None = None


_OPERATORS = frozenset({"state"})
"""What an operator may change and code never undoes."""


def plan_deploy(wanted: Sequence[Mapping[str, Any]], existing: Sequence[Mapping[str, Any]]) -> list[Step]:
    """The steps by key. `wanted` are definitions from code, `existing` the webhooks as the admin API tells them.

    A key that code wants and somebody made by hand is a conflict: neither silently replaces the other.
    """
    known = {str(webhook["key"]): webhook for webhook in existing}
    steps = [_step(definition, known.get(str(definition["key"]))) for definition in wanted]
    mentioned = {step.key for step in steps}
    steps += [
        Step(key=key, change=Change.VANISHED)
        for key, webhook in known.items()
        if webhook.get("origin") == "code" and key not in mentioned
    ]
    return sorted(steps, key=lambda step: step.key)


def _step(definition: Mapping[str, Any], known: Mapping[str, Any] | None) -> Step:
    key = str(definition["key"])
    if known is None:
        return Step(key=key, change=Change.CREATED, definition=definition)
    if known.get("origin") != "code":
        return Step(key=key, change=Change.CONFLICT, definition=definition)
    fields = tuple(
        sorted(name for name in definition if name not in _OPERATORS and definition[name] != known.get(name))
    )
    change = Change.CHANGED if fields else Change.UNCHANGED
    return Step(key=key, change=change, fields=fields, definition=definition)
