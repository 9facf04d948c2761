"""A big body on its way in: on disk while it comes, in memory while it is judged, a few of them at a time."""

from __future__ import annotations

from dataclasses import dataclass

from receiver.bodies import NoRoom, Room, Spool, SpoolFile
from receiver.contract.errors import Refused
from receiver.contract.reasons import Reason


@dataclass(frozen=True, kw_only=True)
class Uploads:
    """What big bodies share: those over `inline` bytes. `disk` and `bench` are the room on disk and in memory."""

    inline: int
    spool: Spool
    disk: Room
    bench: Room


class Upload:
    """One big body. `end()` it, whatever happens."""

    def __init__(self, uploads: Uploads, room: int, file: SpoolFile) -> None:
        self._uploads = uploads
        self._room = room
        self._file: SpoolFile | None = file
        self._place = 0

    @classmethod
    async def begin(cls, uploads: Uploads, announced: int) -> Upload:
        """Room on disk for a body of at most so many bytes. Raises Refused, StoreUnavailable."""
        room = await _enter(uploads.disk, announced)
        try:
            return cls(uploads, room, await uploads.spool.begin())
        except BaseException:
            uploads.disk.leave(room)
            raise

    async def write(self, piece: bytes) -> None:
        """Take bytes in. Raises StoreUnavailable."""
        assert self._file is not None, "it has not ended"
        await self._file.write(piece)

    async def whole(self) -> bytes:
        """The body, when there is a place for it, which it has until `let_go`. Raises Refused, StoreUnavailable."""
        assert self._file is not None, "it has not ended"
        self._place = await _enter(self._uploads.bench, self._file.size)
        body = self._file.whole()
        self._leave_disk()
        return body

    def let_go(self) -> None:
        """Nobody has the body in memory any more."""
        self._uploads.bench.leave(self._place)
        self._place = 0

    def end(self) -> None:
        """It is done with, or was broken off."""
        self._leave_disk()
        self.let_go()

    def _leave_disk(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            self._uploads.disk.leave(self._room)


async def _enter(room: Room, size: int) -> int:
    try:
        return await room.enter(size)
    except NoRoom as error:
        raise Refused(Reason.OVERLOADED, f"big bodies: {error}") from None
