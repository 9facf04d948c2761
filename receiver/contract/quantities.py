"""Durations, sizes and rates as people write them: `30s`, `10m`, `4d`, `1MiB`, `100/minute`."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_PERIODS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
MAX_RATE = 10_000
_SIZES = {"": 1, "b": 1, "kb": 1000, "kib": 1024, "k": 1024, "mb": 1000**2, "mib": 1024**2, "m": 1024**2}


def parse_duration(text: str) -> timedelta:
    """`"30s"`, `"10m"`, `"4h"`, `"4d"` as a timedelta. Raises ValueError whose message says how to write one."""
    found = re.fullmatch(r"\s*(\d{1,9})\s*([smhd])\s*", text, re.ASCII)
    if not found:
        raise ValueError(f"{text!r} is no duration; write a whole number and s, m, h or d, e.g. 30s, 10m, 4h, 4d")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def format_duration(duration: timedelta) -> str:
    """The shortest text that `parse_duration` takes back; fractions of a second are dropped."""
    seconds = int(duration.total_seconds())
    for unit in ("d", "h", "m"):
        if seconds and seconds % _UNITS[unit] == 0:
            return f"{seconds // _UNITS[unit]}{unit}"
    return f"{seconds}s"


def parse_size(text: str) -> int:
    """`"256KiB"`, `"1 MiB"`, `"2MB"`, `"1000"` in bytes. Raises ValueError whose message says how to write one."""
    found = re.fullmatch(r"\s*(\d{1,12})\s*([a-z]*)\s*", text.lower(), re.ASCII)
    if not found or found[2] not in _SIZES:
        raise ValueError(f"{text!r} is no size; write bytes or a unit, e.g. 65536, 256KiB, 1MiB")
    return int(found[1]) * _SIZES[found[2]]


def parse_rate(text: str) -> tuple[int, int]:
    """`"100/minute"`, `"5/second"`, `"1000/hour"`, `"20/day"` as a count and seconds.

    Raises ValueError whose message says how to write one.
    """
    found = re.fullmatch(r"\s*(\d{1,9})\s*/\s*(second|minute|hour|day)\s*", text, re.ASCII)
    if not found or not 1 <= int(found[1]) <= MAX_RATE:
        raise ValueError(
            f"{text!r} is no rate; write 1 to {MAX_RATE} for each second, minute, hour or day, e.g. 100/minute"
        )
    return int(found[1]), _PERIODS[found[2]]


def format_rate(rate: tuple[int, int]) -> str:
    """The text that `parse_rate` takes back."""
    count, seconds = rate
    return f"{count}/{next(name for name, length in _PERIODS.items() if length == seconds)}"
