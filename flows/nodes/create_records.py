"""Store many records at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy.sql.dml import ReturningInsert

from blocks import RecordsDatabase
from blocks.records_database import AnyTable
from flows.nodes._inserts import insert_rows
from flows.nodes._node import node
from flows.nodes._values import as_json_rows

_PER_STATEMENT = 200


def plan(
    table: Table, rows: Sequence[Mapping[str, object]], *, unique: Sequence[str] = (), dialect: str = "sqlite"
) -> list[ReturningInsert[Any]]:
    """The statements that store `rows`, 200 each.

    >>> from sqlalchemy import Column, Integer, MetaData
    >>> readings = Table("readings", MetaData(), Column("celsius", Integer))
    >>> len(plan(readings, [{"celsius": number} for number in range(450)]))
    3
    """
    return [
        insert_rows(table, rows[start : start + _PER_STATEMENT], unique=unique, dialect=dialect)
        for start in range(0, len(rows), _PER_STATEMENT)
    ]


@node("create {rows} in {table}", timeout=120)
async def create_records(
    table: AnyTable,
    rows: Sequence[Mapping[str, Any]],
    *,
    unique: Sequence[str] = (),
    database: str = "default",
) -> list[dict[str, Any]]:
    """Store many records of one table in one transaction: all of them or none.

    ```python
    await create_records("readings", [{"sensor": "a", "celsius": 21}, {"sensor": "b", "celsius": 19}])
    ```

    Args:
        table: As for `create_record`.
        rows: Values by column, each row with the same columns. An empty list is no work.
        unique: As for `create_record`; a row that is given twice is stored once.
        database: The block `records-database/<database>`.

    Returns:
        The rows as the database has them, in its order.

    Raises:
        UnknownTable, UnknownColumn, InvalidInput, Failed, TryAgain: As `create_record`.
    """
    records = await RecordsDatabase.named(database)
    target = await records.table(table, rows[0] if rows else ())
    statements = plan(target, rows, unique=unique, dialect=records.dialect)
    return as_json_rows(target, await records.run(*statements, repeatable=bool(unique)))
