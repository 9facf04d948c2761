"""How many requests this process could not take of late."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from receiver.contract.reasons import Reason

_SECONDS = 300.0
_MOST = 10_000
_FOR_WANT = frozenset({Reason.STORE_UNAVAILABLE.value, Reason.OVERLOADED.value})


class Tally:
    """Requests answered 503 for want of storage or room, within five minutes; counted up to 10,000."""

    def __init__(self) -> None:
        self._moments: deque[float] = deque(maxlen=_MOST)

    def count(self, line: dict[str, Any]) -> None:
        """Count a request by the fields of its line in the log."""
        if line.get("reason") in _FOR_WANT:
            self._moments.append(time.monotonic())

    def refused(self) -> int:
        """How many there were."""
        oldest = time.monotonic() - _SECONDS
        while self._moments and self._moments[0] < oldest:
            self._moments.popleft()
        return len(self._moments)
