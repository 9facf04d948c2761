"""An example of what a JSON Schema takes: small, always the same, and valid, or none at all. Pure."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping
from typing import Any

from receiver.contract.errors import DefinitionError, Unusable
from receiver.ingress.schema import compile_schema

_DEEPEST = 8
_MOST_PARTS = 200
_MOST_CHARACTERS = 4000
_FORMATS = {
    "date": "2026-11-24",
    "date-time": "2026-11-24T08:00:00Z",
    "time": "08:00:00Z",
    "duration": "P1D",
    "email": "ada@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "uuid": "123e4567-e89b-42d3-a456-426614174000",
}


class _NoExampleError(Exception):
    """It goes too deep, is too much, or nothing is allowed."""


def example_of(schema: Mapping[str, Any]) -> Any:
    """A value that the schema takes, with its optional fields where that works; raises LookupError when none is found.

    An `example` or the first of `examples`, a `default` and a constant are taken as they are.
    """
    text = _example_text(json.dumps(schema))
    if text is None:
        raise LookupError("no example was found")
    return json.loads(text)


@functools.lru_cache(maxsize=512)
def _example_text(schema_text: str) -> str | None:
    schema = json.loads(schema_text)
    try:
        compiled = compile_schema(schema)
    except DefinitionError:
        return None
    for optional in (True, False):
        try:
            value = _Maker(schema, optional=optional).value(schema, 0)
            compiled.check(value)
        except (_NoExampleError, Unusable):
            continue
        text = json.dumps(value)
        if len(text) <= _MOST_CHARACTERS:
            return text
    return None


class _Maker:
    """Makes one value. What it cannot make valid, the check above refuses."""

    def __init__(self, root: Any, *, optional: bool) -> None:
        self._root = root
        self._optional = optional
        self._left = _MOST_PARTS

    def value(self, schema: Any, depth: int) -> Any:
        """A value for a schema at this depth."""
        self._left -= 1
        if self._left < 0 or depth > _DEEPEST or schema is False:
            raise _NoExampleError
        if not isinstance(schema, dict):
            return {}
        schema = self._merged(schema, depth)
        for keyword in ("const", "example", "default"):
            if keyword in schema and (keyword != "default" or schema[keyword] is not None):
                return schema[keyword]
        for keyword in ("examples", "enum"):
            if isinstance(schema.get(keyword), list) and schema[keyword]:
                return schema[keyword][0]
        for keyword in ("oneOf", "anyOf"):
            if isinstance(schema.get(keyword), list) and schema[keyword]:
                rest = {name: part for name, part in schema.items() if name != keyword}
                chosen = next((each for each in schema[keyword] if each != {"type": "null"}), schema[keyword][0])
                return self.value({**rest, "allOf": [chosen]}, depth + 1)
        return self._of_type(schema, depth)

    def _merged(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        """The schema with what it refers to and what must hold besides."""
        parts = [self._resolve(schema["$ref"])] if isinstance(schema.get("$ref"), str) else []
        parts += schema["allOf"] if isinstance(schema.get("allOf"), list) else []
        if parts and depth > _DEEPEST:
            raise _NoExampleError
        merged: dict[str, Any] = {}
        for part in parts:
            if isinstance(part, dict):
                _add(merged, self._merged(part, depth + 1))
        _add(merged, {name: value for name, value in schema.items() if name not in {"$ref", "allOf"}})
        return merged

    def _resolve(self, reference: str) -> Any:
        found = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
        return found

    def _of_type(self, schema: dict[str, Any], depth: int) -> Any:
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = next((each for each in kind if each != "null"), "null")
        if kind is None:
            kind = "array" if "items" in schema else "object"
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                items = schema.get("prefixItems", [])
                count = max(schema.get("minItems", 1 if self._optional else 0), len(items))
                return [
                    self.value(items[i] if i < len(items) else schema.get("items", {}), depth + 1) for i in range(count)
                ]
            case "string":
                return _text(schema)
            case "integer" | "number":
                return _number(schema, whole=kind == "integer")
            case "boolean":
                return True
        return None

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties", {})
        required = schema.get("required", [])
        made: dict[str, Any] = {}
        for name in dict.fromkeys([*properties, *required]):
            if name in required:
                made[name] = self.value(properties.get(name, {}), depth + 1)
            elif self._optional and depth < _DEEPEST // 2:
                try:
                    made[name] = self.value(properties[name], depth + 1)
                except _NoExampleError:
                    continue
        return made


def _add(merged: dict[str, Any], part: dict[str, Any]) -> None:
    for name, value in part.items():
        known = merged.get(name)
        if name == "properties" and isinstance(known, dict) and isinstance(value, dict):
            merged[name] = {**known, **value}
        elif name == "required" and isinstance(known, list) and isinstance(value, list):
            merged[name] = [*known, *value]
        else:
            merged[name] = value


def _text(schema: dict[str, Any]) -> str:
    text = _FORMATS.get(schema.get("format", ""), "text")
    shortest, longest = schema.get("minLength", 0), schema.get("maxLength", len(text))
    if shortest > _MOST_CHARACTERS:
        raise _NoExampleError
    return (text * (int(shortest) // len(text) + 1))[: int(max(shortest, min(len(text), longest)))]


def _number(schema: dict[str, Any], *, whole: bool) -> int | float:
    low, high = schema.get("minimum"), schema.get("maximum")
    if isinstance(above := schema.get("exclusiveMinimum"), int | float) and not isinstance(above, bool):
        low = above + 1
    if isinstance(below := schema.get("exclusiveMaximum"), int | float) and not isinstance(below, bool):
        high = below - 1
    value: int | float = 1
    if low is not None and value < low:
        value = low
    if high is not None and value > high:
        value = high
    if step := schema.get("multipleOf"):
        value = math.ceil(value / step) * step
    return math.ceil(value) if whole else value
