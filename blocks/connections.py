"""One engine for each database and event loop of this process, opened when first used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from sqlalchemy import Connection, Executable, MetaData, Table, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, NoSuchTableError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from blocks.database_errors import DATABASE_ERRORS, explain
from blocks.errors import NotConfigured, UnknownColumn, UnknownTable
from blocks.home import private_folder

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
}
_CREATE_LOCK = 0x7765_6268_6F6F_6B73
"""The advisory lock under which tables are created: two runs may want the same one at the same moment."""

Rows = list[dict[str, Any]]

Execute = Callable[[Executable], Awaitable[Rows]]
"""Executes one statement and gives back the rows it returns."""


class Database:
    """A database with its open connections and the tables that were looked at."""

    def __init__(self, url: URL) -> None:
        self.engine = _open(url)
        self._reflected: dict[str, Table] = {}
        self._ensured: WeakSet[Table] = WeakSet()

    @property
    def dialect(self) -> str:
        """`sqlite`, `postgresql`, ..."""
        return self.engine.dialect.name

    async def ensure(self, table: Table) -> None:
        """Create the table, and those it refers to, where they are missing. Safe when several processes do so at once.

        Others of its metadata are left alone: all SQLModel classes of a process share one, whatever their database.
        Raises `UnknownColumn` when a table exists already and lacks a declared column: nothing is altered here.
        """
        if table in self._ensured:
            return
        async with self._translated(), self.engine.connect() as connection:
            if self.dialect == "sqlite":
                await connection.exec_driver_sql("BEGIN IMMEDIATE")
            elif self.dialect == "postgresql":
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CREATE_LOCK})
            await connection.run_sync(_create_missing, table)
            await connection.commit()
        self._ensured.add(table)

    async def table(self, name: str, columns: Sequence[str] = ()) -> Table:
        """The table of that name as the database has it. Looked at again when it seems to lack one of `columns`."""
        known = self._reflected.get(name)
        if known is None or any(column not in known.columns for column in columns):
            async with self._translated(), self.engine.connect() as connection:
                known = self._reflected[name] = await connection.run_sync(_reflect, name)
        return known

    async def run(self, statements: Sequence[Executable], *, repeatable: bool) -> Rows:
        """Execute the statements in one transaction and give back the rows they return, in order."""
        async with self.transaction(repeatable=repeatable) as execute:
            return [row for statement in statements for row in await execute(statement)]

    @asynccontextmanager
    async def transaction(self, *, repeatable: bool) -> AsyncIterator[Execute]:
        """A transaction in which a statement may depend on the rows of an earlier one; an exception undoes it whole."""
        async with self._translated(), self.engine.connect() as connection:

            async def execute(statement: Executable) -> Rows:
                result = await connection.execute(statement)
                return [dict(row) for row in result.mappings()] if result.returns_rows else []

            yield execute
            await _commit(connection, repeatable)

    @asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        try:
            yield
        except DATABASE_ERRORS as error:
            raise explain(error) from error


_databases: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Database]] = WeakKeyDictionary()


def connect(url: str) -> Database:
    """The database at `url`, shared by everything that runs in this event loop. Opens nothing yet.

    Raises `NotConfigured` when `url` is none. Connections belong to their loop, so a forked child has its own.
    """
    databases = _databases.setdefault(asyncio.get_running_loop(), {})
    if url not in databases:
        databases[url] = Database(_parsed(url))
    return databases[url]


async def close() -> None:
    """Close every connection that was opened in this event loop."""
    for database in _databases.pop(asyncio.get_running_loop(), {}).values():
        await database.engine.dispose()


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise NotConfigured("the records database's url is not one: `sqlite:///PATH` or `postgresql://...`") from None
    return parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))


def _open(url: URL) -> AsyncEngine:
    try:
        if url.get_backend_name() != "sqlite":
            return create_async_engine(url, hide_parameters=True, pool_pre_ping=True, pool_size=5, pool_timeout=20)
        if url.database in (None, "", ":memory:"):
            raise NotConfigured("a records database in memory is gone after each statement: name a file")
        # A connection costs a fraction of a millisecond here, and none is left behind when the process ends.
        engine = create_async_engine(url, hide_parameters=True, poolclass=NullPool, connect_args={"timeout": 20})
    except (NoSuchModuleError, ImportError) as error:
        raise NotConfigured(f"the records database's driver is missing: {error}") from error
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    private_folder(Path(url.database).parent)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


async def _commit(connection: AsyncConnection, repeatable: bool) -> None:
    try:
        await connection.commit()
    except DATABASE_ERRORS as error:
        raise explain(error, committing=True, repeatable=repeatable) from error


def _create_missing(connection: Connection, table: Table) -> None:
    needed = _with_referred(table)
    table.metadata.create_all(connection, needed, checkfirst=True)
    found = inspect(connection)
    for one in needed:
        existing = [column["name"] for column in found.get_columns(one.name, schema=one.schema)]
        for column in one.columns:
            if column.name not in existing:
                raise UnknownColumn(one.name, column.name, existing)


def _with_referred(table: Table) -> list[Table]:
    """The table and those its foreign keys need, directly or not."""
    needed = [table]
    for one in needed:
        needed += {key.column.table for key in one.foreign_keys}.difference(needed)
    return needed


def _reflect(connection: Connection, name: str) -> Table:
    schema, _, table = name.rpartition(".")
    try:
        return Table(table, MetaData(), schema=schema or None, autoload_with=connection, resolve_fks=False)
    except NoSuchTableError:
        found = inspect(connection)
        raise UnknownTable(name, found.get_table_names(schema=schema or None)) from None
