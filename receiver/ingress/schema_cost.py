"""How deep a body may be before a JSON Schema takes too long: references and alternatives multiply. Pure.

Every subschema that may look at a part of the body counts once for each way that leads to it. A chain of definitions
which name each other twice doubles with every link, and a recursive one with every level of the body.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from receiver.contract.errors import DefinitionError
from receiver.contract.plain import MAX_DEPTH

MAX_CHECKS = 50_000
"""Subschemas that may be looked at along one body, each as often as ways lead to it."""
MIN_DEPTH = 6
"""A schema that is too much for bodies of so few levels is refused."""

_SAME_PLACE = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "then", "else"})
_SAME_PLACE_BY_NAME = frozenset({"dependentSchemas", "dependencies"})
_BELOW = frozenset(
    {
        "additionalProperties",
        "unevaluatedProperties",
        "items",
        "prefixItems",
        "additionalItems",
        "unevaluatedItems",
        "contains",
        "propertyNames",
    }
)
_BELOW_BY_NAME = frozenset({"properties", "patternProperties"})
_UNSUPPORTED = frozenset({"$dynamicRef", "$recursiveRef"})
_INDEX = re.compile(r"[0-9]{1,9}")  # Python reads no number of more than 4,300 digits

Node = dict[str, Any]


def depth_allowed(schema: Node) -> int:
    """Levels of a body that are checked in bounded time, at most 100.

    Raises DefinitionError for references that do not stay within the schema (`#` and `#/$defs/name` do), and for a
    schema that would take too long for almost any body.
    """
    _check_references(schema)
    below: dict[int, int] = {}
    previous = -1
    for depth in range(MAX_DEPTH + 1):
        try:
            counts = _counts(schema, below)
        except RecursionError:
            raise DefinitionError("schema", "refers from definition to definition too often") from None
        total = counts[id(schema)]
        if total == previous:
            return MAX_DEPTH
        if total > MAX_CHECKS:
            if depth <= MIN_DEPTH:
                raise DefinitionError(
                    "schema", "takes too long to check: its references and alternatives multiply; name each part once"
                )
            return depth - 1
        previous, below = total, counts
    return MAX_DEPTH


def _counts(schema: Node, below: dict[int, int]) -> dict[int, int]:
    """For each subschema by identity, what it looks at; one level below it counts as it did in `below`."""
    counts: dict[int, int] = {}
    pending = [schema]
    while pending:
        node = pending.pop()
        if id(node) not in counts:
            _count(schema, node, below, counts, pending, set())
    return counts


def _count(
    root: Node, node: Node, below: dict[int, int], counts: dict[int, int], pending: list[Node], above: set[int]
) -> int:
    if id(node) in counts:
        return counts[id(node)]
    if id(node) in above:
        return 0  # a reference to itself at the same place, which the library looks at once
    above.add(id(node))
    total = 1
    for child, is_below in _children(root, node):
        if is_below:
            total += below.get(id(child), 0)
            pending.append(child)
        else:
            total += _count(root, child, below, counts, pending, above)
    above.discard(id(node))
    counts[id(node)] = min(total, MAX_CHECKS + 1)
    return counts[id(node)]


def _children(root: Node, node: Node) -> Iterator[tuple[Node, bool]]:
    for keyword, value in node.items():
        if keyword == "$ref" and isinstance(value, str):
            target = _resolve(root, value)
            if isinstance(target, dict):
                yield target, False
        elif keyword in _SAME_PLACE or keyword in _BELOW:
            for child in value if isinstance(value, list) else (value,):
                if isinstance(child, dict):
                    yield child, keyword in _BELOW
        elif (keyword in _SAME_PLACE_BY_NAME or keyword in _BELOW_BY_NAME) and isinstance(value, dict):
            for child in value.values():
                if isinstance(child, dict):
                    yield child, keyword in _BELOW_BY_NAME


def _resolve(root: Node, reference: str) -> Any:
    found: Any = root
    for step in unquote(reference[1:]).split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict):
            found = found.get(key)
        elif isinstance(found, list) and _INDEX.fullmatch(key) and int(key) < len(found):
            found = found[int(key)]
        else:
            return None
    return found


def _check_references(schema: Node) -> None:
    pending: list[tuple[Any, str]] = [(schema, "")]
    while pending:
        item, path = pending.pop()
        for step, child in item.items() if isinstance(item, dict) else enumerate(item):
            if isinstance(child, dict | list):
                pending.append((child, f"{path}/{step}"))
            elif isinstance(child, str) and (problem := _reference_problem(step, child, nested=item is not schema)):
                raise DefinitionError("schema", f"at '{path}/{step}': {problem}")


def _reference_problem(keyword: Any, value: str, *, nested: bool) -> str | None:
    if keyword in _UNSUPPORTED:
        return "is not supported; use $ref"
    if keyword == "$id" and nested:
        return "$id is taken at the top of the schema only"
    if keyword == "$ref" and value != "#" and not value.startswith("#/"):
        return f"{value[:100]} is outside this schema, and nothing is fetched: put it under $defs, use '#/$defs/name'"
    return None
