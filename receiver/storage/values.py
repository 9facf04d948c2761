"""How values are put into columns so that both databases hold, sort and compare them the same. Pure.

A moment is a whole number: microseconds since 1970 in UTC. JSON is ASCII text, so that no character can be refused;
plain text is made storable where it is not (PostgreSQL takes neither NUL nor half of a surrogate pair).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(moment: datetime) -> int:
    """An aware moment as it is stored, to the microsecond."""
    return (moment - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """A stored moment, in UTC."""
    return _EPOCH + timedelta(microseconds=micros)


def maybe_from_micros(micros: int | None) -> datetime | None:
    """A stored moment that may be absent."""
    return None if micros is None else from_micros(micros)


def first_id(moment: datetime) -> str:
    """The smallest UUIDv7 of a moment's millisecond: the ids of deliveries sort by the time they came."""
    digits = f"{max(0, to_micros(moment) // 1000):012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-000000000000"


def to_json(value: Any) -> str:
    """Plain JSON in ASCII; also what UTF-8 cannot hold (half of a surrogate pair) survives the way back."""
    try:
        encoded = orjson.dumps(value, default=_plain)
    except (TypeError, ValueError):  # half a surrogate pair or a number over 64 bits: the slower library takes them
        return _slowly(value)
    if encoded.isascii():
        return encoded.decode("ascii")
    return _slowly(value)


def from_json(text: str) -> Any:
    """What `to_json` stored."""
    return json.loads(text)


def to_text(text: str, limit: int) -> str:
    """Text that both databases hold, at most `limit` characters; what cannot be stored is shown as `�`."""
    text = text[:limit]
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _slowly(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON")
