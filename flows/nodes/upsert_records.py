"""Store many records, or bring them up to date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy.sql.dml import Insert

from blocks import RecordsDatabase
from blocks.records_database import AnyTable
from flows.nodes._node import node
from flows.nodes._upserts import newest, runs_on, told, upsert_rows


def plan(
    table: Table,
    rows: Sequence[Mapping[str, object]],
    *,
    key: Sequence[str],
    version: str | None = None,
    dialect: str = "sqlite",
) -> list[Insert]:
    """The statements that upsert `rows`, 200 each.

    >>> from sqlalchemy import Column, Integer, MetaData
    >>> stock = Table("stock", MetaData(), Column("sku", Integer, primary_key=True), Column("pieces", Integer))
    >>> len(plan(stock, [{"sku": number, "pieces": 1} for number in range(450)], key=["sku"]))
    3
    """
    # In the order of their keys: two batches that share rows then wait for each other, and never deadlock.
    in_order = sorted(rows, key=lambda row: str([row.get(name) for name in key]))
    return upsert_rows(table, in_order, key=key, version=version, dialect=dialect) if rows else []


@node("upsert {rows} in {table}", timeout=120)
async def upsert_records(
    table: AnyTable,
    rows: Sequence[Mapping[str, Any]],
    *,
    key: Sequence[str],
    version: str | None = None,
    database: str = "default",
) -> list[dict[str, Any]]:
    """Store many records of one table, or bring them up to date, in one transaction: all of them or none.

    ```python
    await upsert_records("stock", [{"sku": "a-1", "pieces": 4}, {"sku": "b-2", "pieces": 0}], key=["sku"])
    ```

    Args:
        table: As for `create_record`.
        rows: Values by column, each row with the same columns. Of rows with the same key the newest by
            `version` stands, without it the last one. An empty list is no work.
        key: As for `upsert_record`.
        version: As for `upsert_record`; every row needs a value for it.
        database: The block `records-database/<database>`.

    Returns:
        For each key what `upsert_record` returns, in the database's order. `stale` says that the stored record was
        newer than every row given for it, and stayed.

    Raises:
        UnknownTable, UnknownColumn, InvalidInput, Failed, TryAgain: As `create_record`.
    """
    records = await RecordsDatabase.named(database)
    target = await records.table(table, rows[0] if rows else ())
    if not rows:
        return []
    statements = plan(target, rows, key=key, version=version, dialect=runs_on(records.dialect))
    given = newest(target, rows, key=key, version=version)
    async with records.transaction(repeatable=True) as execute:
        returned = [row for statement in statements for row in await execute(statement)]
        return told(target, returned, given, key=key, version=version)
