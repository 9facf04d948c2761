"""What differs between two definitions, field by field. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_IN_PARTS = frozenset({"verification", "parameters", "deduplicate", "response"})
"""Fields whose members are named one by one. A schema is told whole: its members mean nothing alone."""


@dataclass(frozen=True)
class Difference:
    """One field; None stands for a side that does not have it."""

    field: str
    before: Any
    after: Any


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """The fields that differ, by name. The order of an object's members means nothing."""
    return list(_differences(before, after, ""))


def _differences(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str) -> Iterator[Difference]:
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if not prefix and name in _IN_PARTS and isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _differences(old, new, f"{name}.")
        else:
            yield Difference(prefix + name, old, new)
