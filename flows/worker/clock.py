"""Prefect's clock, as its answers tell it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

_WHOLE_SECOND = timedelta(seconds=1)
_TOLERATED = timedelta(seconds=1)


class PrefectClock:
    """The time at Prefect's server: ours, and where they differ by more than a second or so its own.

    A worker whose clock is slow would find each run so much later, one whose clock is fast begin them too early.
    """

    def __init__(self) -> None:
        self.off = timedelta(0)
        """How far Prefect's clock is ahead of ours; none while that is not much."""

    def now(self) -> datetime:
        """The time by Prefect's clock."""
        return datetime.now(UTC) + self.off

    def hear(self, date: str | None, asked_at: datetime) -> bool:
        """Take the `Date` of an answer that has just come to what was asked at a moment of ours; whether it is news.

        It was written between the two, and names a whole second: what lies within is no difference, however long the
        answer took.
        """
        try:
            told = parsedate_to_datetime(date or "")
        except ValueError:
            return False
        before, self.off = self.off, _difference(told, asked_at, datetime.now(UTC))
        return abs(before - self.off) > _TOLERATED


def _difference(told: datetime, asked_at: datetime, heard_at: datetime) -> timedelta:
    if told > heard_at + _TOLERATED:
        return told - heard_at
    if told + _WHOLE_SECOND < asked_at - _TOLERATED:
        return told + _WHOLE_SECOND - asked_at
    return timedelta(0)
