"""Bytes on their way out, of which never more than a piece has to be in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from receiver.bodies.door import Bodies
from receiver.bodies.spool import SpoolFile


class Content(Protocol):
    """`size` bytes that can be read once or again, from anywhere."""

    @property
    def size(self) -> int: ...

    def pieces(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """The bytes from `start` to before `stop`. Raises BodyGone, StoreUnavailable."""

    def close(self) -> None:
        """It is not read any more."""


class InMemory:
    """Content that is here."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = len(content)

    async def pieces(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """All at once."""
        if start < stop:
            yield self._content[start:stop]

    def close(self) -> None:
        """Nothing is open."""


class Kept:
    """A body where it is kept, or the part of it from `start` on that is `size` bytes long."""

    def __init__(self, bodies: Bodies, where: str, size: int, start: int = 0) -> None:
        self._bodies = bodies
        self._where = where
        self._start = start
        self.size = size

    def pieces(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """Read from the storage, a piece at a time."""
        return self._bodies.pieces(self._where, self._start + start, self._start + stop)

    def close(self) -> None:
        """Nothing is open."""


class OnDisk:
    """Content of a file without a name, which ends with it."""

    def __init__(self, file: SpoolFile) -> None:
        self._file = file
        self.size = file.size

    def pieces(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """Read from the file, a piece at a time."""
        return self._file.pieces(start, stop)

    def close(self) -> None:
        """Let the file go."""
        self._file.close()
