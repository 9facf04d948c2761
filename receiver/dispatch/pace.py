"""How many hand-overs go on at the same time: as many as Prefect takes with ease. Pure; as TCP finds its window.

Prefect's server does one after another whatever is asked at once, so that more at a time wait in it, in front of what
the workers ask. Who sees that they take much longer than they could asks for fewer.
"""

from __future__ import annotations

EASY_TIMES, HARD_TIMES = 2.0, 4.0
"""A hand-over that takes up to so many times the quickest of late is easy, one more may go on beside it; from so many
times on there are too many."""
QUICK_SECONDS = 0.05
"""Nothing is quicker, for this purpose: differences below are no sign of anything."""

_FORGOTTEN = 1.02
"""With each hand-over the quickest of late counts for so much more, since Prefect may be slower now for good."""
_AFTER_SLOW, _AFTER_REFUSAL = 0.75, 0.5


class Pace:
    """`limit` hand-overs at a time, from 2 (so that one that is slow is not alone) to `most`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._least = min(2.0, most)
        self._limit = self._steep_until = float(most)
        self._quickest = float("inf")
        self._eased_at = 0.0

    @property
    def limit(self) -> int:
        """How many may go on at the same time."""
        return int(self._limit)

    def taken(self, seconds: float, now: float) -> None:
        """A hand-over that began `seconds` ago succeeded."""
        self._quickest = max(QUICK_SECONDS, min(seconds, self._quickest * _FORGOTTEN))
        if seconds >= HARD_TIMES * self._quickest:
            self._ease(_AFTER_SLOW, seconds, now)
        elif seconds <= EASY_TIMES * self._quickest:
            # Doubled in each round up to where it was too much, then one more in each.
            more = 1.0 if self._limit < self._steep_until else 1.0 / self._limit
            self._limit = min(float(self._most), self._limit + more)

    def refused(self, seconds: float, now: float) -> None:
        """Prefect could not take a hand-over that began `seconds` ago."""
        self._ease(_AFTER_REFUSAL, seconds, now)

    def start_over(self) -> None:
        """Prefect was away and is back: few at first, and soon as many as it took before."""
        self._steep_until, self._limit = self._limit, self._least

    def _ease(self, factor: float, seconds: float, now: float) -> None:
        # What began before the last step down says nothing about what goes on since.
        if now - seconds >= self._eased_at:
            self._limit = self._steep_until = max(self._least, self._limit * factor)
            self._eased_at = now
