"""What the receiver holds at the same time: requests in progress, and bytes of their bodies. Plain integers."""

from __future__ import annotations

import asyncio
from collections import deque

from receiver.contract.errors import Refused
from receiver.contract.reasons import Reason

WAIT_SECONDS, MOST_WAITING = 2.0, 64
"""How long a large body waits for room before its sender is told to come again, and how many of them do."""


class Capacity:
    """Bounds of one receiver process, and what of them is taken.

    `body_budget` is in bytes. A large body, one that does not arrive in one piece, gets its room before it is read, and
    only of the first three quarters: there is always some left for small ones. `body_seconds` is how long a body has to
    arrive.
    """

    def __init__(self, *, max_requests: int = 2000, body_budget: int = 256 * 2**20, body_seconds: float = 30.0) -> None:
        self.body_seconds = body_seconds
        self.requests = 0
        self.held = 0
        self._max_requests = max_requests
        self._budget = body_budget
        self._for_large = body_budget * 3 // 4
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def enter(self) -> bool:
        """Count a request in; False, and not counted, where as many are in progress as may be."""
        if self.requests >= self._max_requests:
            return False
        self.requests += 1
        return True

    def leave(self) -> None:
        """Count a request out that was counted in."""
        self.requests -= 1

    def hold(self, size: int) -> int:
        """Count bytes that are here already; they are to be released. Raises Refused where they do not fit."""
        if self.held + size > self._budget:
            raise Refused(Reason.OVERLOADED, "no room for one more body")
        self.held += size
        return size

    async def reserve(self, size: int, held: int) -> int:
        """Room for a body of `size` bytes of which `held` are here and counted, in order of arrival.

        Returns the further bytes to be released: what is left for large ones where it would be more. Raises Refused
        when there is no room within `WAIT_SECONDS`, or when too many wait already.
        """
        more = max(0, min(size, self._for_large) - held)
        if not self._waiting and self.held + more <= self._for_large:
            self.held += more
            return more
        if len(self._waiting) >= MOST_WAITING:
            raise Refused(Reason.OVERLOADED, f"no room for {size} bytes, and many wait for it")
        place = asyncio.get_running_loop().create_future()
        self._waiting.append((more, place))
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await place
        except TimeoutError:
            if place.cancelled():
                raise Refused(Reason.OVERLOADED, f"no room for {size} bytes within {WAIT_SECONDS:g} s") from None
        except asyncio.CancelledError:
            if not place.cancelled():
                self.release(more)
            raise
        finally:
            self._grant()
        return more

    def release(self, size: int) -> None:
        """Give room back."""
        self.held -= size
        if self._waiting:
            self._grant()

    def _grant(self) -> None:
        while self._waiting:
            size, place = self._waiting[0]
            if not place.done():
                if self.held + size > self._for_large:
                    return
                self.held += size
                place.set_result(None)
            self._waiting.popleft()
