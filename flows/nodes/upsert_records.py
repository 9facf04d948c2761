"""Store many records, or bring them up to date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy.sql.dml import ReturningInsert

from blocks import RecordsDatabase
from flows.nodes._node import node
from flows.nodes._upserts import read_back, upsert_rows


def plan(
    table: Table, rows: Sequence[Mapping[str, object]], *, key: Sequence[str], dialect: str = "sqlite"
) -> list[ReturningInsert[Any]]:
    """The statements that upsert `rows`, 200 each.

    >>> from sqlalchemy import Column, Integer, MetaData
    >>> stock = Table("stock", MetaData(), Column("sku", Integer, primary_key=True), Column("pieces", Integer))
    >>> len(plan(stock, [{"sku": number, "pieces": 1} for number in range(450)], key=["sku"]))
    3
    """
    return upsert_rows(table, rows, key=key, dialect=dialect) if rows else []


@node("upsert {rows} in {table}", timeout=120)
async def upsert_records(
    table: str | Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    key: Sequence[str],
    database: str = "default",
) -> list[dict[str, Any]]:
    """Store many records of one table, or bring them up to date, in one transaction: all of them or none.

    ```python
    await upsert_records("stock", [{"sku": "a-1", "pieces": 4}, {"sku": "b-2", "pieces": 0}], key=["sku"])
    ```

    Args:
        table: As for `create_record`.
        rows: Values by column, each row with the same columns. Of rows with the same key the last one stands. An
            empty list is no work.
        key: As for `upsert_record`.
        database: The block `records-database/<database>`.

    Returns:
        For each row what `upsert_record` returns, in the database's order; `stale` is always false.

    Raises:
        UnknownTable, UnknownColumn, InvalidInput, Failed, TryAgain: As `create_record`.
    """
    records = await RecordsDatabase.named(database)
    target = await records.table(table, rows[0] if rows else ())
    statements = plan(target, rows, key=key, dialect=records.dialect)
    return [read_back(target, row) for row in await records.run(*statements, repeatable=True)]
