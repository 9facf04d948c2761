"""Prefect's clock, as its answers tell it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

_TOLERATED = 2.0
"""Seconds of difference that are none: an answer's date is of whole seconds, and under way for a while."""


class PrefectClock:
    """The time at Prefect's server: ours, and where they differ by more than two seconds its own.

    A worker whose clock is slow would find each run so much later, one whose clock is fast begin them too early.
    """

    def __init__(self) -> None:
        self.off = 0.0
        """Seconds by which Prefect's clock is ahead of ours; 0 while that is not much."""

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.off)

    def hear(self, date: str | None) -> bool:
        """Take the `Date` of an answer that has just come; whether it is news."""
        try:
            told = parsedate_to_datetime(date or "")
        except ValueError:
            return False
        off = (told - datetime.now(UTC)).total_seconds()
        before, self.off = self.off, off if abs(off) > _TOLERATED else 0.0
        return abs(before - self.off) > _TOLERATED
