"""How many requests are taken in a time: moving windows in this process's memory. Pure; time is an argument."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Protocol

from receiver.deliveries.accept import counted_address

MOST_KEYS = 10_000
"""Windows that are kept; the one that was not asked for longest goes first."""


@dataclass(frozen=True)
class Rate:
    """At most `count` requests in any `seconds`."""

    count: int
    seconds: int


class RateLimits(Protocol):
    """Where the requests of webhooks are counted."""

    async def take(self, key: str, rate: Rate) -> float:
        """Count a request: 0 when there was room for it, else the seconds until there is, and it is not counted."""


class Windows:
    """The times of the latest requests, by key. No window holds more of them than its rate allows."""

    def __init__(self, most: int = MOST_KEYS) -> None:
        self._most = most
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def take(self, key: str, rate: Rate, now: float) -> float:
        """Count one: 0 when there was room for it, else the seconds until there is, and it is not counted."""
        if wait := self.wait(key, rate, now):
            return wait
        times = self._times.get(key)
        if times is None or times.maxlen != rate.count:
            times = self._times[key] = deque(times or (), maxlen=rate.count)
        times.append(now)
        self._times.move_to_end(key)
        if len(self._times) > self._most:
            self._times.popitem(last=False)
        return 0.0

    def wait(self, key: str, rate: Rate, now: float) -> float:
        """The seconds until there is room for one more; 0 where there is."""
        times = self._times.get(key)
        if times is None or len(times) < rate.count:
            return 0.0
        # Where the rate was lowered, more are remembered than are allowed now.
        return max(times[-rate.count] + rate.seconds - now, 0.0)


class Failures:
    """Requests whose source could not be verified, by address (IPv6: by its /64). Verified ones are never counted."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self._windows = Windows()

    def count(self, ip: str, now: float) -> None:
        """One more."""
        self._windows.take(counted_address(ip), self.rate, now)

    def wait(self, ip: str, now: float) -> float:
        """The seconds until requests of this address are looked at again; 0 where they are."""
        return self._windows.wait(counted_address(ip), self.rate, now)
