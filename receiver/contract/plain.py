"""What may travel as plain JSON: checks of a value from a request, a template or a flow. Pure, without recursion."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MAX_DEPTH = 100
"""Levels of objects and lists: `[]` is one, `[[]]` two."""

RESERVED_KEYS = frozenset({"$ref", "__prefect_kind", "__class__", "__exc_type__"})
"""Keys that Prefect acts upon: it loads secret blocks, renders Jinja and imports classes for them."""

_LONGEST_PATH = 300  # a path goes into answers and rows, and its keys are the sender's
_SMALLEST_INT, _LARGEST_INT = -(2**63), 2**64 - 1

Parent = tuple[Any, Any] | None


@dataclass(frozen=True)
class Flaw:
    """What keeps a value from travelling as plain JSON: where (`items[0].name`), and what is wrong there."""

    path: str
    problem: str
    reserved: bool = False


def find_flaw(
    value: Any, *, path: str = "", max_depth: int = MAX_DEPTH, reserved_keys: frozenset[str] = frozenset()
) -> Flaw | None:
    """The first thing in `value` that PostgreSQL, Prefect or JSON itself would choke on; None when there is nothing.

    That is: NUL characters, lone surrogates, NaN and infinity, whole numbers beyond 64 bits (Prefect lists runs with a
    serializer that fails on them, for every run of the page), more than `max_depth` levels, keys that are not text or
    are in `reserved_keys`, and values that are no JSON at all. `path` names the value itself and starts every answer.
    """
    pending: list[tuple[Any, Parent, int]] = [(value, (None, path), 0)]
    while pending:
        item, place, depth = pending.pop()
        if isinstance(item, str):
            problem = _text_problem(item)
        elif isinstance(item, dict | list):
            problem = f"more than {max_depth} levels deep" if depth >= max_depth else None
            if problem is None:
                if isinstance(item, dict):
                    for key in item:
                        if flaw := _key_flaw(key, place, reserved_keys):
                            return flaw
                pending.extend((child, (place, key), depth + 1) for key, child in _children(item))
        else:
            problem = _scalar_problem(item)
        if problem is not None:
            return Flaw(_spell(place), problem)
    return None


def size_up_to(value: Any, limit: int) -> int:
    """About how many characters `value` has as JSON; stops counting soon after `limit`."""
    total = 0
    pending: list[Any] = [value]
    while pending and total <= limit:
        item = pending.pop()
        if isinstance(item, str):
            total += len(item) + 2
        elif isinstance(item, dict):
            total += 2 + sum(len(str(key)) + 4 for key in item)
            pending.extend(item.values())
        elif isinstance(item, list):
            total += 2 + len(item)
            pending.extend(item)
        else:
            total += 4
    return total


def largest_collection(value: Any) -> int:
    """The number of entries of the longest list or object anywhere in `value`."""
    largest = 0
    pending: list[Any] = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict | list):
            largest = max(largest, len(item))
            pending.extend(child for _, child in _children(item) if isinstance(child, dict | list))
    return largest


def count_entries(value: Any) -> tuple[int, int]:
    """How many fields all objects in `value` have, and how many items all its lists."""
    fields = items = 0
    pending: list[Any] = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            fields += len(item)
            pending.extend(child for child in item.values() if isinstance(child, dict | list))
        elif isinstance(item, list):
            items += len(item)
            pending.extend(child for child in item if isinstance(child, dict | list))
    return fields, items


def deeper_than(value: Any, limit: int) -> bool:
    """Whether `value` has more than `limit` levels of objects and lists."""
    pending: list[tuple[Any, int]] = [(value, 1)]
    while pending:
        item, depth = pending.pop()
        if isinstance(item, dict | list):
            if depth > limit:
                return True
            pending.extend((child, depth + 1) for _, child in _children(item))
    return False


def _children(item: dict[Any, Any] | list[Any]) -> Iterator[tuple[Any, Any]]:
    return iter(item.items()) if isinstance(item, dict) else iter(enumerate(item))


def _text_problem(text: str) -> str | None:
    if "\0" in text:
        return "holds a NUL character"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "holds half of a surrogate pair, which is no character"
    return None


def _scalar_problem(item: Any) -> str | None:
    if item is None or isinstance(item, bool):
        return None
    if isinstance(item, int):
        return None if _SMALLEST_INT <= item <= _LARGEST_INT else "is a whole number beyond 64 bits"
    if isinstance(item, float):
        return None if math.isfinite(item) else "is NaN or infinite, which JSON cannot hold"
    return f"is a {type(item).__name__}, which JSON cannot hold"


def _key_flaw(key: Any, place: Parent, reserved_keys: frozenset[str]) -> Flaw | None:
    if not isinstance(key, str):
        return Flaw(_spell(place), f"has a key that is a {type(key).__name__}, not text")
    if key in reserved_keys:
        return Flaw(_spell((place, key)), f"the key '{key}' is reserved: Prefect would act upon it", reserved=True)
    if problem := _text_problem(key):
        return Flaw(_spell(place), f"has a key that {problem}")
    return None


def _spell(place: Parent) -> str:
    steps: list[Any] = []
    while place is not None:
        place, step = place
        steps.append(step)
    path = spell_path(steps[::-1])
    return path if len(path) <= _LONGEST_PATH else f"{path[:_LONGEST_PATH]}…"


def spell_path(steps: list[Any]) -> str:
    """A path as templates write it: `data.items[0]["any key"]`; the first step stands as it is."""
    text = ""
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        elif not text:
            text = step
        elif all(character.isalnum() or character in "_-$" for character in step) and step:
            text += f".{step}"
        else:
            text += f"[{json.dumps(step)}]"
    return text
