"""A circuit breaker around Prefect, so that one probe at a time asks while it is away. Pure: time is an argument.

closed ──failed──► open ──its wait is over, probe()──► half-open ──answered──► closed
                    ▲                                      │
                    └──────────────── failed ──────────────┘
"""

from __future__ import annotations

from enum import StrEnum

_FIRST_WAIT, _LONGEST_WAIT = 0.25, 4.0


class Circuit(StrEnum):
    """Whether Prefect is asked."""

    CLOSED = "closed"
    HALF_OPEN = "half-open"
    """One probe is under way; its outcome decides."""
    OPEN = "open"


class Breaker:
    """Of one receiver process, shared by all that ask Prefect. `now` in seconds of a clock that is never set back."""

    def __init__(self) -> None:
        self._state = Circuit.CLOSED
        self._failures = 0
        self._probe_at = 0.0

    @property
    def state(self) -> Circuit:
        """Where it stands."""
        return self._state

    def failed(self, now: float, jitter: float) -> bool:
        """Prefect was asked and could not answer. Whether this has opened it.

        The next probe is after a quarter of a second, doubling to four seconds, spread by `jitter` (0 to 1) over the
        upper half. What fails while it is open, asked before it was, changes nothing.
        """
        if self._state is Circuit.OPEN:
            return False
        was_closed = self._state is Circuit.CLOSED
        self._state = Circuit.OPEN
        wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(self._failures, 16))
        self._failures += 1
        self._probe_at = now + wait * (0.5 + jitter / 2)
        return was_closed

    def answered(self) -> bool:
        """Prefect answered. Whether this has closed it."""
        was_closed = self._state is Circuit.CLOSED
        self._state, self._failures = Circuit.CLOSED, 0
        return not was_closed

    def wait(self, now: float) -> float:
        """Seconds until it may be probed; 0 where it may."""
        return max(0.0, self._probe_at - now) if self._state is Circuit.OPEN else 0.0

    def probe(self, now: float) -> bool:
        """Whether the caller is to probe now; who is told so reports the outcome."""
        if self._state is not Circuit.OPEN or now < self._probe_at:
            return False
        self._state = Circuit.HALF_OPEN
        return True
