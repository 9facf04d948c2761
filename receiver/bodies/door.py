"""The one door to big bodies: kept where it is set, found wherever they were kept before that was changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from receiver.bodies.room import NoRoom, Room
from receiver.bodies.spool import PIECE, Spool
from receiver.bodies.storage import At, BodyGone, BodyStorage, fresh_key
from receiver.storage import StoreUnavailable


class Bodies:
    """Keeps bodies over `inline` bytes in the storage called `place`; `storage` gives any storage by its name.

    `bench` is the room in memory for those that are looked at as a whole, `spool` the one on disk.
    """

    def __init__(
        self, *, place: str, storage: Callable[[str], BodyStorage], inline: int, bench: Room, spool: Spool
    ) -> None:
        self.place = place
        self.inline = inline
        self.bench = bench
        self.spool = spool
        self._storage = storage

    async def keep(self, body: bytes) -> str:
        """Keep a body that is in memory; where it is, as a row names it. Raises StoreUnavailable."""
        at = At(self.place, len(body), fresh_key(datetime.now(UTC)))
        await self._storage(at.place).put(at.key, body)
        return str(at)

    async def pieces(self, where: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """The bytes of a body from `start` to before `stop`, its end by default. Raises BodyGone, StoreUnavailable."""
        at = At.of(where)
        stop = at.size if stop is None else stop
        storage = self._storage(at.place)
        while start < stop:
            piece = await storage.read(at.key, start, min(start + PIECE * 4, stop))
            if not piece:
                raise BodyGone("a body is shorter than its row says")
            yield piece
            start += len(piece)

    @asynccontextmanager
    async def whole(self, where: str, *, patient: bool = False) -> AsyncIterator[bytes]:
        """A body in memory, for as long as there is room for it; `patient` waits for that.

        Raises BodyGone, and StoreUnavailable also while there is no room.
        """
        at = At.of(where)
        try:
            place = await self.bench.enter(at.size, patient=patient)
        except NoRoom as error:
            raise StoreUnavailable(f"too many big bodies are looked at: {error}") from None
        try:
            yield await self._together(where)
        finally:
            self.bench.leave(place)

    async def _together(self, where: str) -> bytes:
        # Piece by piece: the room of a large one that a thread made would stay in that thread's heap.
        body = bytearray()
        async for piece in self.pieces(where):
            body += piece
        return bytes(body)

    async def delete(self, where: str) -> None:
        """Delete a body. Raises StoreUnavailable."""
        try:
            at = At.of(where)
        except BodyGone:
            return
        await self._storage(at.place).delete(at.key)

    async def days(self) -> Sequence[str]:
        """The days of which the storage in use has bodies. Raises StoreUnavailable."""
        return await self._storage(self.place).days()

    async def keys(self, day: str) -> Sequence[str]:
        """The keys of a day's bodies in the storage in use. Raises StoreUnavailable."""
        return await self._storage(self.place).keys(day)

    async def delete_key(self, key: str) -> None:
        """Delete a body of the storage in use by its key. Raises StoreUnavailable."""
        await self._storage(self.place).delete(key)
