"""Bodies in any file system that fsspec speaks to, as a Prefect block names it: S3, GCS, Azure, SFTP, ..."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from receiver.bodies.storage import BodyGone, is_day, is_key
from receiver.storage import StoreUnavailable

T = TypeVar("T")
ReadBlock = Callable[[str, str], Awaitable[Mapping[str, Any] | None]]
BLOCK_TYPE = "remote-file-system"
_SECONDS = 60.0
_FRESH_SECONDS = 60.0
_AT_ONCE = 8


class FilesystemStorage:
    """A BodyStorage at the `basepath` of the Prefect block `remote-file-system/<name>`, with its `settings`.

    The block is read when it is first needed and once a minute from then on; the last one counts while Prefect is down.
    What keeps the bytes safe there is that system's affair.
    """

    def __init__(self, name: str, read_block: ReadBlock) -> None:
        self._name = name
        self._read_block = read_block
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="bodies")
        self._block: Mapping[str, Any] | None = None
        self._opened: tuple[Any, str] | None = None
        self._looked = float("-inf")

    async def put(self, key: str, body: bytes) -> None:
        """It is there, and as long as it was, when this returns."""
        await self._do(lambda fs, root: _put(fs, f"{root}/{key}", body))

    async def read(self, key: str, start: int, stop: int) -> bytes:
        """The bytes from `start` to before `stop`. Raises BodyGone."""
        return await self._do(lambda fs, root: bytes(fs.cat_file(f"{root}/{key}", start=start, end=stop)))

    async def delete(self, key: str) -> None:
        """Delete a body; one that is not there is deleted."""
        try:
            await self._do(lambda fs, root: fs.rm_file(f"{root}/{key}"))
        except BodyGone:
            return

    async def days(self) -> Sequence[str]:
        """The days of which there are bodies."""
        return sorted(filter(is_day, await self._names("")))

    async def keys(self, day: str) -> Sequence[str]:
        """The keys of a day's bodies."""
        return sorted(filter(is_key, (f"{day}/{name}" for name in await self._names(f"/{day}"))))

    async def _names(self, below: str) -> list[str]:
        try:
            paths = await self._do(lambda fs, root: _listed(fs, f"{root}{below}"))
        except BodyGone:
            return []
        return [path.rstrip("/").rpartition("/")[2] for path in paths]

    async def _do(self, work: Callable[[Any, str], T]) -> T:
        fs, root = await self._open()
        try:
            async with asyncio.timeout(_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(self._threads, work, fs, root)
        except FileNotFoundError:
            raise BodyGone(f"a body is not in {BLOCK_TYPE}/{self._name}") from None
        except Exception as error:  # noqa: BLE001 (drivers raise whatever they like, and its text may tell what it holds)
            raise StoreUnavailable(f"{BLOCK_TYPE}/{self._name} fails ({type(error).__name__})") from None

    async def _open(self) -> tuple[Any, str]:
        if self._opened is None or time.monotonic() - self._looked > _FRESH_SECONDS:
            await self._look()
        assert self._opened is not None
        return self._opened

    async def _look(self) -> None:
        self._looked = time.monotonic()
        try:
            block = await self._read_block(BLOCK_TYPE, self._name)
        except Exception as error:
            if self._opened is not None:
                return
            raise StoreUnavailable(f"Prefect does not give the block {BLOCK_TYPE}/{self._name}") from error
        if block is None or not isinstance(block.get("basepath"), str):
            raise StoreUnavailable(f"make the block {BLOCK_TYPE}/{self._name} in Prefect, with a basepath")
        if self._opened is None or block != self._block:
            self._opened = await asyncio.to_thread(self._made, block)
            self._block = block

    def _made(self, block: Mapping[str, Any]) -> tuple[Any, str]:
        import fsspec  # type: ignore[import-untyped] # it has no types of its own

        try:
            fs, root = fsspec.core.url_to_fs(block["basepath"], **(block.get("settings") or {}))
        except Exception as error:  # noqa: BLE001 (the same)
            # An ImportError names the driver that has to be installed beside the receiver.
            words = str(error) if isinstance(error, ImportError) else type(error).__name__
            raise StoreUnavailable(f"the block {BLOCK_TYPE}/{self._name} cannot be used: {words}") from None
        return fs, str(root).rstrip("/")


def _put(fs: Any, path: str, body: bytes) -> None:
    fs.makedirs(path.rpartition("/")[0], exist_ok=True)
    fs.pipe_file(path, body)
    if fs.info(path)["size"] != len(body):
        raise OSError("what is there is not as long as what was sent")


def _listed(fs: Any, path: str) -> list[str]:
    fs.invalidate_cache()
    return [str(each) for each in fs.ls(path, detail=False)]
