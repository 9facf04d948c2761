"""A file of definitions: read, checked whole, and compared with the webhooks that the receiver has. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml  # type: ignore[import-untyped]  # PyYAML comes without types

from receiver.contract.errors import DefinitionError
from receiver.contract.parse import parse_definition
from receiver.webhooks.deploy_plan import Change, Step

MOST_CHARACTERS = 4_000_000
TOLD = frozenset({"url", "origin", "source", "revision", "created_at", "updated_at", "warnings", "stats"})
"""What the admin API says besides the definition. Taken back and ignored, so that an answer can be changed and put."""


def read_definitions_file(text: str) -> list[dict[str, Any]]:
    """The definitions of a YAML or JSON text: one, a list of them, several documents, or `webhooks: [...]`.

    Each is checked as the receiver will, filter and schema apart, so that nothing is changed for the sake of a file
    that cannot be applied whole. Raises `DefinitionError` naming the webhook and the field.
    """
    if len(text) > MOST_CHARACTERS:
        raise DefinitionError("file", f"is over {MOST_CHARACTERS} characters; split it")
    try:
        documents = list(yaml.safe_load_all(text))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        place = getattr(error, "problem_mark", None)
        where = f" at line {place.line + 1}" if place else ""
        raise DefinitionError("file", f"is neither YAML nor JSON{where}") from None
    given = [one for document in documents if document is not None for one in _of_document(document)]
    if not given:
        raise DefinitionError("file", "holds no webhook. `webhooks export` shows what one looks like")
    keys: set[str] = set()
    for position, one in enumerate(given, 1):
        key = _check(one, position)
        if key in keys:
            raise DefinitionError(key, "is in the file twice")
        keys.add(key)
    return given


def to_apply(webhook: Mapping[str, Any]) -> dict[str, Any]:
    """A webhook of the admin API as the file has it: its definition alone."""
    return {name: value for name, value in webhook.items() if name not in TOLD and value is not None}


def plan_apply(
    wanted: Sequence[Mapping[str, Any]], existing: Sequence[Mapping[str, Any]], owner: str | None = None
) -> list[Step]:
    """The steps by key; what the file does not name stays as it is. A webhook that code defines is a conflict.

    A state that is left out of the file stays what it is, so that no operator's pause is undone by the way. With
    `owner` what the file names becomes that owner's, what is another's is foreign, and what was applied for this owner
    before and is not in the file has vanished.
    """
    known = {str(webhook["key"]): webhook for webhook in existing}
    steps = [_step(one, known.get(str(one["key"])), owner) for one in wanted]
    mentioned = {step.key for step in steps}
    steps += [
        Step(key=key, change=Change.VANISHED)
        for key, webhook in known.items()
        if owner is not None
        and webhook.get("source") == owner
        and webhook.get("origin") != "code"
        and key not in mentioned
    ]
    return sorted(steps, key=lambda step: step.key)


def _step(wanted: Mapping[str, Any], known: Mapping[str, Any] | None, owner: str | None) -> Step:
    key = str(wanted["key"])
    definition = to_apply(wanted)
    if known is None:
        return Step(key=key, change=Change.CREATED, definition=definition)
    if known.get("origin") == "code":
        return Step(key=key, change=Change.CONFLICT, definition=definition)
    moves = owner is not None and known.get("source") != owner
    if moves and known.get("source") is not None:
        return Step(key=key, change=Change.FOREIGN, definition=definition, owner=known["source"])
    there = to_apply(known)
    if "state" not in definition:
        there.pop("state", None)
    # What the file leaves out takes its default, which the receiver tells too: compared as the receiver would store it.
    filled = parse_definition(definition, by="admin").to_json()
    if "state" not in definition:
        filled.pop("state", None)
    differing = {name for name in filled.keys() | there.keys() if filled.get(name) != there.get(name)}
    fields = tuple(sorted(differing | ({"source"} if moves else set())))
    return Step(key=key, change=Change.CHANGED if fields else Change.UNCHANGED, fields=fields, definition=definition)


def _of_document(document: Any) -> list[Any]:
    if isinstance(document, Mapping) and isinstance(document.get("webhooks"), list):
        return list(document["webhooks"])
    return list(document) if isinstance(document, list) else [document]


def _check(one: Any, position: int) -> str:
    if not isinstance(one, Mapping) or not one.get("key"):
        raise DefinitionError(
            f"webhook {position}", "needs a `key`: without one, each apply would make another webhook"
        )
    key = str(one["key"])
    try:
        parse_definition(to_apply(one), by="admin")
    except DefinitionError as error:
        raise DefinitionError(f"{key}.{error.field}", error.problem) from None
    return key
