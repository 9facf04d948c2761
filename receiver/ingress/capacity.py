"""What the receiver holds at the same time: requests in progress, and bytes of their bodies. Plain integers."""

from __future__ import annotations

from receiver.bodies import NoRoom, Room
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
        self._max_requests = max_requests
        self._budget = body_budget
        self._large = Room(body_budget * 3 // 4, seconds=WAIT_SECONDS, most_waiting=MOST_WAITING)

    @property
    def held(self) -> int:
        """Bytes that are taken, those of small bodies too."""
        return self._large.held

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
        self._large.held += size
        return size

    async def reserve(self, size: int, held: int) -> int:
        """Room for a body of `size` bytes of which `held` are here and counted, in order of arrival.

        Returns the further bytes to be released: what is left for large ones where it would be more. Raises Refused
        when there is no room within `WAIT_SECONDS`, or when too many wait already.
        """
        try:
            return await self._large.enter(size, more=max(0, min(size, self._large.size) - held))
        except NoRoom as error:
            raise Refused(Reason.OVERLOADED, str(error)) from None

    def release(self, size: int) -> None:
        """Give room back."""
        self._large.leave(size)
