"""How much disk the database takes, and giving back what it does not need, beside all who use it.

SQLite gives back in steps where its file was made so (`auto_vacuum`, since this program makes it), else only when the
whole file is written anew; PostgreSQL lets others use what is free, and gives back when a table is written anew.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, cast

import psycopg
from sqlalchemy import Connection

from receiver.storage.connections import writer_engine
from receiver.storage.engine import Database
from receiver.storage.errors import StoreUnavailable
from receiver.storage.faults import describe
from receiver.storage.tables import VERSION_TABLE, metadata

PAGES_AT_ONCE = 1_000
"""Pages of 4 KiB that SQLite moves in one transaction: some milliseconds."""
_PAGES = ("page_size", "freelist_count")
_INCREMENTAL = 2
_SQLITE_FIRST = ("PRAGMA temp_store=FILE",)  # the copy that VACUUM makes is as large as the database
_POSTGRES_FIRST = ("SET statement_timeout = 0",)
_TABLES = sorted({*metadata.tables, VERSION_TABLE})


@dataclass(frozen=True, kw_only=True)
class Size:
    """Bytes on disk, and how many of them hold nothing; `free` is None on PostgreSQL, which does not count them."""

    total: int
    free: int | None


class Space:
    """The disk that a database takes. Raises StoreUnavailable."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._address = db.address

    async def size(self) -> Size:
        """What it takes now."""
        return await self._db.read(self._size)

    def _size(self, connection: Connection) -> Size:
        file = self._address.file
        if file is None:
            query = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relname = ANY(%s)"
            return Size(total=int(connection.exec_driver_sql(query, (_TABLES,)).scalar_one() or 0), free=None)
        page, free = (int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()) for name in _PAGES)
        files = (file, file.with_name(file.name + "-wal"))
        return Size(total=sum(each.stat().st_size for each in files if each.exists()), free=page * free)

    async def parts(self) -> list[str]:
        """What `give_back` is to be called for, in order: SQLite's whole file, PostgreSQL's tables."""
        return ["main"] if self._address.file is not None else _TABLES

    async def give_back(self, part: str, *, whole: bool) -> bool:
        """Give back some of what is free in a part; whether there is more. Others go on meanwhile.

        With `whole` the part is written anew, at once: for as long, nothing can be stored.
        """
        if self._address.file is None:
            words = "VACUUM (FULL, ANALYZE)" if whole else "VACUUM (ANALYZE)"
            await self._alone([f'{words} "{part}"'])
            return False
        if whole:
            await self._alone(["PRAGMA auto_vacuum=INCREMENTAL", "VACUUM"])
            return False
        return await self._db.write(_step)

    async def write_back(self) -> None:
        """Have SQLite's log written into the file and emptied: it holds pages as they were before."""
        if self._address.file is not None:
            await self._alone(["PRAGMA wal_checkpoint(TRUNCATE)"])

    async def _alone(self, statements: Sequence[str]) -> None:
        """Run statements outside any transaction, on a connection of their own, for as long as they take."""
        await asyncio.to_thread(self._run, statements)

    def _run(self, statements: Sequence[str]) -> None:
        first = _SQLITE_FIRST if self._address.file is not None else _POSTGRES_FIRST
        engine = writer_engine(self._address)
        try:
            with closing(engine.raw_connection()) as connection:
                driver = cast("Any", connection.driver_connection)
                if self._address.file is None:
                    driver.autocommit = True  # SQLite's is so anyway
                for statement in (*first, *statements):
                    driver.execute(statement).fetchall() if self._address.file else driver.execute(statement)
        except (sqlite3.OperationalError, psycopg.OperationalError) as error:
            raise StoreUnavailable(f"the inbox cannot give back space now: {describe(error)}") from error
        finally:
            engine.dispose()


def _step(connection: Connection) -> bool:
    """Move what stands at the file's end to where there is room; whether there is more."""
    if connection.exec_driver_sql("PRAGMA auto_vacuum").scalar_one() != _INCREMENTAL:
        return False
    cursor = connection.connection.cursor()
    cursor.execute(f"PRAGMA incremental_vacuum({PAGES_AT_ONCE})")
    cursor.fetchall()  # a page a row: rows without columns, which SQLAlchemy does not ask for
    cursor.close()
    return bool(connection.exec_driver_sql("PRAGMA freelist_count").scalar_one())
