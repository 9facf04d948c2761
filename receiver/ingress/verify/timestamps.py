"""A sender's timestamp: read strictly, compared with our clock."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal

import orjson

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason

Unit = Literal["s", "ms"]
Applies = Literal["both", "past", "future"]

_DIGITS = re.compile(rb"[0-9]{1,15}")


def parse_timestamp(text: bytes, unit: Unit) -> float:
    """Unix seconds of a timestamp header. Raises `Unverified` for anything but up to 15 ASCII digits."""
    if not _DIGITS.fullmatch(text):
        raise Unverified(Reason.TIMESTAMP_MALFORMED, "the timestamp is not a plain number")
    return int(text) / (1000 if unit == "ms" else 1)


def read_field(body: bytes, name: str, unit: Unit) -> float:
    """Unix seconds of a timestamp in a JSON body whose signature is good: a number or its text. Raises `Unverified`."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        data = None
    value = data.get(name) if isinstance(data, dict) else None
    if value is None:
        raise Unverified(Reason.TIMESTAMP_MISSING, f"the body has no field '{name}'")
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Unverified(Reason.TIMESTAMP_MALFORMED, f"the field '{name}' is not a plain number")
    return parse_timestamp(str(value).encode("utf-8", "replace"), unit)


def check_age(seconds: float, now: datetime, *, tolerance: int, applies: Applies) -> None:
    """Raise `Unverified` when a timestamp lies further from `now` than `tolerance` seconds, on the sides that count."""
    age = now.timestamp() - seconds
    if age > tolerance and applies != "future":
        raise Unverified(Reason.TIMESTAMP_OUTSIDE_TOLERANCE, f"signed {age:.0f} s ago, {tolerance} s are allowed")
    if -age > tolerance and applies != "past":
        raise Unverified(Reason.TIMESTAMP_OUTSIDE_TOLERANCE, f"signed {-age:.0f} s ahead, {tolerance} s are allowed")


def format_timestamp(now: datetime, unit: Unit) -> str:
    """`now` as the sender writes it."""
    return str(int(now.timestamp() * (1000 if unit == "ms" else 1)))
