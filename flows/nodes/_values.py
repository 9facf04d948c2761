"""Between JSON and a database's columns: what a webhook sends becomes what a column takes, and back. No I/O."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import Column, DateTime, Table, TypeDecorator
from sqlalchemy.types import TypeEngine

from blocks.errors import InvalidInput, UnknownColumn

_FROM_TEXT: dict[type, Callable[[str], Any]] = {
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    time: time.fromisoformat,
    UUID: UUID,
    Decimal: Decimal,
    int: int,
    float: float,
    bytes: lambda text: base64.b64decode(text, validate=True),
}

_INTEGER_END = 2**63


def column(table: Table, name: str) -> Column[Any]:
    """The column of that name. Raises `UnknownColumn`."""
    try:
        return table.columns[name]
    except KeyError:
        raise UnknownColumn(table.name, name, table.columns.keys()) from None


def for_column(target: Column[Any], value: object) -> object:
    """`value` as the column takes it: ISO dates, UUIDs, numbers and base64 from text, numbers exactly as decimals.

    Raises `InvalidInput` naming the column when text is none of these.
    """
    kind = kind_of(target)
    if kind is None:
        return value
    if isinstance(value, str):
        value = _from_text(target.name, kind, value)
    elif kind is Decimal and isinstance(value, int | float) and not isinstance(value, bool):
        value = Decimal(str(value))
    elif kind is str and isinstance(value, dict | list):
        raise InvalidInput(f"column {target.name!r} takes text, and got {type(value).__name__}: use a JSON column")
    if isinstance(value, int) and abs(value) >= _INTEGER_END:
        raise InvalidInput(f"column {target.name!r} takes whole numbers of 64 bits")
    return _zoned(target, value)


def kind_of(target: Column[Any]) -> type | None:
    """What the column's values are in Python; None where its type does not say."""
    try:
        return _stored_type(target).python_type
    except NotImplementedError:
        return None


def _stored_type(target: Column[Any]) -> TypeEngine[Any]:
    # SQLModel wraps the types of text and times; the wrapping says nothing of what is inside.
    return target.type.impl_instance if isinstance(target.type, TypeDecorator) else target.type


def _from_text(name: str, kind: type, text: str) -> object:
    try:
        text.encode()
        if issubclass(kind, Enum):
            return _member(kind, text)
        return _FROM_TEXT[kind](text) if kind in _FROM_TEXT else text
    except UnicodeEncodeError:
        raise InvalidInput(f"column {name!r} got text with half of a surrogate pair, which is no character") from None
    except (ValueError, InvalidOperation):
        raise InvalidInput(f"column {name!r} takes {kind.__name__}, and got {text[:80]!r}") from None


def _member(kind: type[Enum], text: str) -> Enum:
    for member in kind:
        if text in (member.value, member.name):
            return member
    raise ValueError(text)


def _zoned(target: Column[Any], value: object) -> object:
    """A time in UTC: SQLite, and every column without a zone, would drop the zone and keep the hour."""
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        return value.replace(tzinfo=UTC) if _has_zone(target) else value
    return value.astimezone(UTC) if _has_zone(target) else value.astimezone(UTC).replace(tzinfo=None)


def _has_zone(target: Column[Any] | None) -> bool:
    if target is None:
        return False
    kind = _stored_type(target)
    return isinstance(kind, DateTime) and kind.timezone


def as_json(table: Table, row: Mapping[str, object]) -> dict[str, Any]:
    """A row of `table` that JSON can hold: dates in ISO form, UUIDs and decimals as text, bytes as base64."""
    return {name: _plain(_with_zone(table.columns.get(name), value)) for name, value in row.items()}


def as_json_rows(table: Table, rows: Iterable[Mapping[str, object]]) -> list[dict[str, Any]]:
    """`as_json` for each row."""
    return [as_json(table, row) for row in rows]


def _with_zone(source: Column[Any] | None, value: object) -> object:
    if isinstance(value, datetime) and value.tzinfo is None and _has_zone(source):
        return value.replace(tzinfo=UTC)
    return value


def _plain(value: object) -> Any:
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(value).decode()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
