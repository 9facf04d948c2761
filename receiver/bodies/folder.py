"""Bodies in a folder of this machine, one file each, readable by their owner alone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from receiver.bodies.storage import BodyGone, is_day, is_key
from receiver.storage import StoreUnavailable

T = TypeVar("T")


class FolderStorage:
    """A BodyStorage in `root`, which is made (mode 0700) with the first body."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def put(self, key: str, body: bytes) -> None:
        """File and folder are on disk when it returns."""
        await asyncio.to_thread(_work, lambda: self._put(key, body))

    async def read(self, key: str, start: int, stop: int) -> bytes:
        """The bytes from `start` to before `stop`. Raises BodyGone."""
        return await asyncio.to_thread(_work, lambda: self._read(key, start, stop))

    async def delete(self, key: str) -> None:
        """Delete a file, and its day's folder when it was the last."""
        await asyncio.to_thread(_work, lambda: self._delete(key))

    async def days(self) -> Sequence[str]:
        """The days of which there are files."""
        return await asyncio.to_thread(_work, lambda: sorted(filter(is_day, _names(self._root))))

    async def keys(self, day: str) -> Sequence[str]:
        """The keys of a day's files."""
        names = await asyncio.to_thread(_work, lambda: _names(self._root / day))
        return sorted(filter(is_key, (f"{day}/{name}" for name in names)))

    def _put(self, key: str, body: bytes) -> None:
        path = self._root / key
        self._make(self._root)
        self._make(path.parent)
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0) as file:
                left = memoryview(body)
                while left:
                    left = left[file.write(left) :]
                os.fsync(file.fileno())
            _sync(path.parent)
        except OSError:
            path.unlink(missing_ok=True)  # a full disk is not to be kept full by halves
            raise

    def _make(self, folder: Path) -> None:
        if not folder.is_dir():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sync(folder.parent)

    def _read(self, key: str, start: int, stop: int) -> bytes:
        try:
            with (self._root / key).open("rb", buffering=0) as file:
                file.seek(start)
                return file.read(stop - start)
        except FileNotFoundError:
            raise BodyGone(f"the file of a body is not there: {key}") from None

    def _delete(self, key: str) -> None:
        path = self._root / key
        path.unlink(missing_ok=True)
        try:
            path.parent.rmdir()
        except OSError:
            return  # others are in it


def _names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _work(work: Callable[[], T]) -> T:
    try:
        return work()
    except OSError as error:
        raise StoreUnavailable(f"the folder of bodies fails: {error.strerror or type(error).__name__}") from error
