"""Room for so many bytes at the same time, given in the order of asking. Plain integers."""

from __future__ import annotations

import asyncio
from collections import deque

from receiver.contract.errors import WebhooksError


class NoRoom(WebhooksError):
    """There was no room in time, or too many wait for it already."""


class Room:
    """`size` bytes, of which `held` are taken. At most `most_waiting` wait for some, each no longer than `seconds`."""

    def __init__(self, size: int, *, seconds: float, most_waiting: int) -> None:
        self.size = size
        self.held = 0
        self._seconds = seconds
        self._most_waiting = most_waiting
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def enter(self, size: int, *, more: int | None = None, patient: bool = False) -> int:
        """Take room for `size` bytes, or for `more` where the rest of them is counted already.

        Returns how many are to be given back: all the room where it would be more. Raises NoRoom, but never to who is
        `patient`: such a caller waits for as long as it takes, and there are few of them.
        """
        more = min(size, self.size) if more is None else more
        if not self._waiting and self.held + more <= self.size:
            self.held += more
            return more
        if len(self._waiting) >= self._most_waiting and not patient:
            raise NoRoom(f"no room for {size} bytes, and many wait for it")
        place = asyncio.get_running_loop().create_future()
        self._waiting.append((more, place))
        try:
            async with asyncio.timeout(None if patient else self._seconds):
                await place
        except TimeoutError:
            if place.cancelled():
                raise NoRoom(f"no room for {size} bytes within {self._seconds:g} s") from None
        except asyncio.CancelledError:
            if not place.cancelled():
                self.leave(more)
            raise
        finally:
            self._grant()
        return more

    def leave(self, size: int) -> None:
        """Give room back."""
        self.held -= size
        if self._waiting:
            self._grant()

    def _grant(self) -> None:
        while self._waiting:
            size, place = self._waiting[0]
            if not place.done():
                if self.held + size > self.size:
                    return
                self.held += size
                place.set_result(None)
            self._waiting.popleft()
