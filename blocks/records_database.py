"""Where records are stored and looked up."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any

from prefect.blocks.core import Block
from pydantic import Field, SecretStr
from sqlalchemy import Executable, Table

from blocks import connections, lookup
from blocks.errors import InvalidInput
from blocks.home import find_home

AnyTable = str | Table | type[Any]
"""A table's name (`schema.name` too), a declared SQLAlchemy `Table`, or a SQLModel class with `table=True`."""


class RecordsDatabase(Block):
    """The database in which workflows keep records.

    Where nobody has saved `records-database/default`, it is the SQLite file `records.db` in the folder of state, so
    that workflows run with no set-up. A workflow that brings its own tables declares them as SQLAlchemy tables or
    SQLModel classes and passes those: what is missing is created at first use.

    Examples:
        ```python
        from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select

        from blocks import RecordsDatabase

        await RecordsDatabase(url="sqlite:///example.db").save("example")
        database = await RecordsDatabase.named("example")
        customers = Table("customers", MetaData(), Column("id", Integer, primary_key=True), Column("name", String))
        await database.table(customers)
        await database.run(insert(customers).values(name="Ada"))
        assert {"name": "Ada"} in await database.run(select(customers.c.name))
        ```
    """

    _block_type_name = "Records Database"
    _block_type_slug = "records-database"
    _description = "The database in which workflows keep records: SQLite or PostgreSQL."

    url: SecretStr = Field(
        description="Where the database is, as `sqlite:////folder/records.db` or `postgresql://user:password@host/name`."
    )

    @classmethod
    async def named(cls, name: str = "default") -> RecordsDatabase:
        """The saved block of that name; for `default` without one, SQLite in the folder of state.

        Raises `NotConfigured` when there is neither.
        """
        if name != "default":
            return await lookup.get(cls, name)
        if saved := await lookup.find(cls, name):
            return saved
        return cls(url=SecretStr(f"sqlite:///{find_home() / 'records.db'}"))

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._database.dialect

    async def table(self, table: AnyTable, columns: Iterable[str] = ()) -> Table:
        """The table to use: a declared one, created when it is missing, or the existing one of that name.

        Raises `UnknownTable` naming near ones, `UnknownColumn` when a declared column is missing in the database,
        `InvalidInput` for a class that is none, `TryAgain` and `Failed`. Naming the `columns` you need makes a table
        that has grown be looked at again.
        """
        if isinstance(table, str):
            return await self._database.table(table, tuple(columns))
        declared = getattr(table, "__table__", table)
        if not isinstance(declared, Table):
            raise InvalidInput(
                f"{table!r} is no table: pass a table's name, a SQLAlchemy Table or a SQLModel class with table=True"
            )
        await self._database.ensure(declared)
        return declared

    async def run(self, *statements: Executable, repeatable: bool = False) -> connections.Rows:
        """Execute statements in one transaction; the rows they return, each a dict by column name.

        `repeatable` says that doing it twice equals doing it once, so that a lost connection may be tried again.
        Raises `TryAgain` and `Failed`.
        """
        return await self._database.run(statements, repeatable=repeatable)

    def transaction(self, *, repeatable: bool = False) -> AbstractAsyncContextManager[connections.Execute]:
        """`async with` it for statements that depend on each other's rows; it stores when the block ends well.

        Gives a function that executes one statement and returns its rows. `repeatable` and what it raises as for
        `run`; an exception inside undoes everything.
        """
        return self._database.transaction(repeatable=repeatable)

    @property
    def _database(self) -> connections.Database:
        return connections.connect(self.url.get_secret_value())
