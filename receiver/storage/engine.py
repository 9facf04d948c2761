"""The database as every store sees it: write an operation, read with a function. SQLite or PostgreSQL behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar, cast

from sqlalchemy import Connection, Engine

from receiver.storage.address import Address, find_address, make_file
from receiver.storage.connections import READERS, reader_engine, writer_engine
from receiver.storage.errors import StoreUnavailable, StoreUnusable
from receiver.storage.faults import describe, is_unavailable
from receiver.storage.lock import FileLock
from receiver.storage.migrate import migrate_address
from receiver.storage.writer import Writer

T = TypeVar("T")
Item = TypeVar("Item")


class Database:
    """An open database. `Database.open()` it, `await close()` it at the end. Usable from any event loop."""

    def __init__(self, address: Address, lock: FileLock | None, instance_token: str) -> None:
        self.address = address
        self.instance_token = instance_token
        """64 hex digits, random, made once per database and the same in every process that uses it. A secret."""
        self._lock = lock
        self._closed = False
        self._reading: Engine = reader_engine(address)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="inbox reader")
        self._writing: Engine = writer_engine(address)
        self._writer = Writer(self._writing, shared=lock is None)
        self._writer.start()

    @classmethod
    def open(cls, url: str | None, home: Path) -> Database:
        """Open the PostgreSQL of `url`, else SQLite in `home/receiver.db`, and bring its tables up to date. Blocks.

        Raises StoreUnusable with the next step: another process has the SQLite file, the home is not writable, the
        database cannot be reached or is newer than this program.
        """
        address = find_address(url, home)
        lock = _lock(address.file) if address.file else None
        try:
            return cls(address, lock, migrate_address(address))
        except BaseException:
            if lock is not None:
                lock.release()
            raise

    @property
    def is_ours_alone(self) -> bool:
        """Whether no other process can have this database open: SQLite, by its lock."""
        return self._lock is not None

    async def write(self, operation: Callable[[Connection], T]) -> T:
        """Run an operation in a transaction and return its result once that is on disk.

        Operations that wait at the same time share a commit; one that raises fails alone, and its exception is
        raised here. It may be run twice (the first time rolled back), so it does nothing but speak to the
        database. Raises StoreUnavailable when nothing can be written now.
        """
        return cast("T", await self._writer.submit(operation, None, batched=False))

    async def write_batched(
        self, handler: Callable[[Connection, list[Item]], Sequence[T]], item: Item, *, size: int = 0
    ) -> T:
        """As `write`, but the items that wait for the same handler are given to it in one list.

        `handler` is a function that lives as long as the process and returns one result per item, in order. `size` is
        about how many bytes the item keeps in memory.
        """
        return cast("T", await self._writer.submit(handler, item, batched=True, size=size))

    async def read(self, function: Callable[[Connection], T]) -> T:
        """Run a function that only reads, in a thread, on a consistent view. Raises StoreUnavailable."""
        if self._closed:
            raise StoreUnavailable("the inbox is closed")
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, function)

    def _read(self, function: Callable[[Connection], T]) -> T:
        try:
            with self._reading.connect() as connection:
                return function(connection)
        except Exception as error:
            if is_unavailable(error):
                raise StoreUnavailable(f"the inbox cannot be read: {describe(error)}") from error
            raise

    async def close(self) -> None:
        """Take no more writes, commit those that were taken, and close. A second call does nothing."""
        self._closed = True
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._writer.stop()
        self._readers.shutdown(wait=True)
        self._reading.dispose()
        self._writing.dispose()
        if self._lock is not None:
            self._lock.release()


def _lock(file: Path) -> FileLock:
    make_file(file)
    lock = FileLock(file.with_name(file.name + ".lock"))
    if not lock.acquire(wait=False):
        raise StoreUnusable(
            f"another receiver has {file} open, and SQLite serves one process. Stop that one, set WEBHOOKS_HOME to "
            "another folder, or set WEBHOOKS_DATABASE_URL to a PostgreSQL database for several receivers"
        )
    return lock
