"""Change all records that match."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Table
from sqlalchemy.sql.dml import ReturningUpdate

from blocks import RecordsDatabase
from blocks.records_database import AnyTable
from flows.nodes._changes import STALE, update_matching
from flows.nodes._node import node
from flows.nodes._where import Where, columns_of


def plan(
    table: Table, values: Mapping[str, object], where: Where, *, version: str | None = None
) -> ReturningUpdate[Any]:
    """The statement that changes every record that matches.

    >>> from sqlalchemy import Column, Integer, MetaData
    >>> stock = Table("stock", MetaData(), Column("sku", Integer, primary_key=True), Column("pieces", Integer))
    >>> print(plan(stock, {"pieces": 0}, {"sku": {"lt": 100}}))
    UPDATE stock SET pieces=:pieces WHERE stock.sku < :sku_1 RETURNING ...
    """
    statement, stale = update_matching(table, values, where, version)
    return statement.returning(stale.label(STALE))


@node("update records of {table}", timeout=120)
async def update_records(
    table: AnyTable,
    values: Mapping[str, Any],
    where: Where,
    *,
    version: str | None = None,
    database: str = "default",
) -> dict[str, int]:
    """Give the same values to every record that matches, in one statement.

    ```python
    told = await update_records("orders", {"status": "overdue"}, {"status": "open", "due": {"lt": "2026-03-01"}})
    ```

    Args:
        table: As for `create_record`.
        values: Values by column. Different values for each record are `upsert_records` or `change_records`.
        where: Conditions as for `query_records`; never empty, and none may lack a value.
        version: As for `upsert_record`.
        database: The block `records-database/<database>`.

    Returns:
        `{"updated": 3, "stale": 0}`: how many were changed, and how many were newer and stayed.

    Raises:
        UnknownTable, UnknownColumn, InvalidInput, Failed, TryAgain: As `create_record`.
    """
    records = await RecordsDatabase.named(database)
    target = await records.table(table, [*values, *columns_of(where)])
    rows = await records.run(plan(target, values, where, version=version), repeatable=True)
    stale = sum(bool(row[STALE]) for row in rows)
    return {"updated": len(rows) - stale, "stale": stale}
