"""What `webhooks deploy` would change: the definitions in the code compared with those the receiver has. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from receiver.contract.parse import FIELDS


class Change(StrEnum):
    """What becomes of one webhook."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    VANISHED = "vanished"
    CONFLICT = "conflict"
    FOREIGN = "foreign"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One webhook's change. `fields` names what differs, `definition` is the code's, None for a vanished one.

    `owner` is the project that a foreign one belongs to.
    """

    key: str
    change: Change
    fields: tuple[str, ...] = ()
    definition: Mapping[str, Any] | None = None
    owner: str | None = None


_OPERATORS = frozenset({"state"})
"""What an operator may change and code never undoes."""


def plan_deploy(
    wanted: Sequence[Mapping[str, Any]],
    existing: Sequence[Mapping[str, Any]],
    source: str | None = None,
    *,
    take_over: bool = False,
) -> list[Step]:
    """The steps by key. `wanted` are definitions from code, `existing` the webhooks as the admin API tells them.

    A key that code wants and somebody made by hand is a conflict: neither silently replaces the other. With `source`,
    the project's name, webhooks of other projects are foreign unless they are taken over, and never vanish: several
    projects may share a receiver. One that is no project's becomes this one's.
    """
    known = {str(webhook["key"]): webhook for webhook in existing}
    steps = [_step(definition, known.get(str(definition["key"])), source, take_over) for definition in wanted]
    mentioned = {step.key for step in steps}
    steps += [
        Step(key=key, change=Change.VANISHED)
        for key, webhook in known.items()
        if webhook.get("origin") == "code" and key not in mentioned and source in {None, webhook.get("source")}
    ]
    return sorted(steps, key=lambda step: step.key)


def _step(definition: Mapping[str, Any], known: Mapping[str, Any] | None, source: str | None, take_over: bool) -> Step:
    key = str(definition["key"])
    if known is None:
        return Step(key=key, change=Change.CREATED, definition=definition)
    if known.get("origin") != "code":
        return Step(key=key, change=Change.CONFLICT, definition=definition)
    owner = known.get("source")
    moves = source is not None and owner != source
    if moves and owner is not None and not take_over:
        return Step(key=key, change=Change.FOREIGN, definition=definition, owner=owner)
    # Of both sides: a field that was taken out of the code is a difference too.
    fields = {name for name in FIELDS if name not in _OPERATORS and definition.get(name) != known.get(name)}
    fields |= {"source"} if moves else set()
    change = Change.CHANGED if fields else Change.UNCHANGED
    return Step(key=key, change=change, fields=tuple(sorted(fields)), definition=definition)
