"""Secrets of several parts: the value behind the reference is a JSON object of texts, each part a member."""

from __future__ import annotations

import json
from collections.abc import Sequence

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.verify.base import Secrets


def secret_parts(secrets: Secrets | None, names: Sequence[str]) -> list[tuple[str, dict[str, str]]]:
    """`(label, parts)` of every secret that has all of these parts, the current first.

    Raises `Unverified` when there is none, with the name of the first part that is missing, never a value.
    """
    found: list[tuple[str, dict[str, str]]] = []
    problem = "there is none"
    for label, value in reversed(secrets.usable() if secrets else []):
        parts = _object(value) or {}
        missing = [name for name in names if not _is_text(parts.get(name))]
        if missing:
            problem = f"it has no '{missing[0]}'" if parts else "it is no JSON object"
        else:
            found.insert(0, (label, {name: str(parts[name]) for name in names}))
    if not found:
        raise unusable(names, problem)
    return found


def secret_part(secrets: Secrets | None, name: str, *, plain: bool = False) -> Secrets:
    """The secrets with one of their parts in place of the whole, blank where it is missing.

    With `plain` a secret that is no JSON object is the part itself.
    """
    if secrets is None:
        return Secrets("")
    return Secrets(_part(secrets.current, name, plain), tuple(_part(value, name, plain) for value in secrets.previous))


def _part(value: str, name: str, plain: bool) -> str:
    parts = _object(value)
    if parts is None:
        return value if plain else ""
    part = parts.get(name)
    return part if isinstance(part, str) else ""


def unusable(names: Sequence[str], problem: str) -> Unverified:
    """What is raised for a secret whose parts cannot be used: what they are, and what is wrong with them."""
    listed = ", ".join(f'"{name}": "..."' for name in names)
    return Unverified(Reason.SECRET_UNAVAILABLE, f"the webhook's secret is to be {{{listed}}}: {problem}")


def _object(value: str) -> dict[str, object] | None:
    try:
        parts = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return parts if isinstance(parts, dict) else None


def _is_text(part: object) -> bool:
    return isinstance(part, str) and bool(part.strip())
