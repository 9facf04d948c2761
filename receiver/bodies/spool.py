"""Bytes that wait on disk, in files without a name: whatever ends the process, nothing is left of them."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Any, TypeVar

from receiver.storage import StoreUnavailable

T = TypeVar("T")
PIECE = 256 * 1024
"""Bytes of what is written or sent at once."""


class Spool:
    """A folder for files without a name; it is made, mode 0700, when the first one is begun."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def begin(self) -> SpoolFile:
        """An empty file; `close()` it. Raises StoreUnavailable."""
        return SpoolFile(await asyncio.to_thread(_on_disk, self._make))

    async def of(self, content: bytes) -> SpoolFile:
        """A file with this content; `close()` it. Raises StoreUnavailable."""
        file = await self.begin()
        try:
            await file.write(content)
        except BaseException:
            file.close()
            raise
        return file

    def _make(self) -> FileIO:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        made: Any = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115 (its taker closes it)
        file: FileIO = made
        return file


class SpoolFile:
    """One file, `size` bytes long. Each method but `close` raises StoreUnavailable where the disk fails."""

    def __init__(self, file: FileIO) -> None:
        self.size = 0
        self._file = file
        self._busy: asyncio.Future[Any] | None = None

    async def write(self, piece: bytes) -> None:
        """Append bytes."""
        await self._do(lambda: self._write(piece))
        self.size += len(piece)

    def whole(self) -> bytes:
        """All of it, in memory; nothing may be at it now."""
        # Not in a thread: what it has just written comes from memory, and each thread's own heap would keep the room.
        content = _on_disk(lambda: self._read(0, self.size))
        if len(content) != self.size:
            raise StoreUnavailable("the disk gave back less of a body than was written")
        return content

    async def pieces(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` to before `stop`, the file's end by default."""
        stop = self.size if stop is None else stop
        while start < stop:
            piece = await self._do(partial(self._read, start, min(PIECE, stop - start)))
            if not piece:
                raise StoreUnavailable("the disk gave back less of a body than was written")
            yield piece
            start += len(piece)

    def close(self) -> None:
        """Forget it, as soon as nothing is at it any more."""
        if self._busy is None or self._busy.done():
            self._file.close()
        else:
            # Closed under a thread that writes, its number might be another file's by then.
            self._busy.add_done_callback(lambda _done: self._file.close())

    async def _do(self, work: Callable[[], T]) -> T:
        self._busy = busy = asyncio.get_running_loop().run_in_executor(None, _on_disk, work)
        # Shielded: a caller that gives up does not end what a thread has begun.
        return await asyncio.shield(busy)

    def _write(self, piece: bytes) -> None:
        left = memoryview(piece)
        while left:
            left = left[self._file.write(left) :]

    def _read(self, start: int, size: int) -> bytes:
        self._file.seek(start)
        return self._file.read(size)


def _on_disk(work: Callable[[], T]) -> T:
    try:
        return work()
    except OSError as error:
        raise StoreUnavailable(f"a body cannot be put on disk: {error.strerror or type(error).__name__}") from error
