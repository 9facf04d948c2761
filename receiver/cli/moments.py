"""Moments and times spent, as people write and read them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from receiver.contract.quantities import parse_duration

_MINUTE = 60_000
_HOUR = 60 * _MINUTE


def parse_moment(text: str, now: datetime) -> datetime:
    """`2h` (so long before `now`), or a time in ISO 8601, in local time when it names no zone. Raises ValueError."""
    try:
        return now - parse_duration(text)
    except (ValueError, OverflowError):
        pass
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r} is no time. Write how long ago, e.g. 30m, 2h or 3d, or a time, e.g. 2026-03-01T12:00"
        ) from None


def tell_moment(text: str, *, utc: bool) -> str:
    """A moment of the API (ISO 8601) to the second: `2026-03-01 12:00:00` in local time, with a `Z` in UTC."""
    moment = datetime.fromisoformat(text)
    if utc:
        return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def tell_clock(text: str, *, utc: bool) -> str:
    """The time of day of a moment, to the millisecond."""
    moment = datetime.fromisoformat(text)
    moment = moment.astimezone(UTC) if utc else moment.astimezone()
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03}"


def tell_ms(ms: float) -> str:
    """Milliseconds in the unit that suits them: `3.2 ms`, `1.24 s`, `3 min 2 s`, `2 h 5 min`."""
    if ms < 10:
        return f"{ms:.1f} ms"
    if ms < 1000:
        return f"{ms:.0f} ms"
    if ms < _MINUTE:
        return f"{ms / 1000:.2f} s"
    if ms < _HOUR:
        return f"{int(ms // _MINUTE)} min {int(ms % _MINUTE // 1000)} s"
    return f"{int(ms // _HOUR)} h {int(ms % _HOUR // _MINUTE)} min"
