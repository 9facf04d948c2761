"""Change one record that is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table

from blocks import RecordsDatabase
from blocks.records_database import AnyTable
from flows.nodes._changes import OneUpdate, one_update
from flows.nodes._node import node
from flows.nodes._where import Where, columns_of


def plan(
    table: Table,
    values: Mapping[str, object],
    *,
    key: Sequence[str] = (),
    where: Where | None = None,
    version: str | None = None,
) -> OneUpdate:
    """The statement that changes the one record, and what it takes to tell what became of it.

    >>> from sqlalchemy import Column, Integer, MetaData
    >>> stock = Table("stock", MetaData(), Column("sku", Integer, primary_key=True), Column("pieces", Integer))
    >>> print(plan(stock, {"sku": 7, "pieces": 1}, key=["sku"]).statement)
    UPDATE stock SET pieces=:pieces WHERE stock.sku = :sku_1 AND (SELECT count(*) AS count_1 ...
    """
    return one_update(table, values, key, where, version)


@node("update a record in {table}", timeout=60)
async def update_record(
    table: AnyTable,
    values: Mapping[str, Any],
    *,
    key: Sequence[str] = (),
    where: Where | None = None,
    version: str | None = None,
    database: str = "default",
) -> dict[str, Any]:
    """Change a record that is there; none is made where there is none.

    ```python
    told = await update_record("customers", {"email": "ada@example.com", "name": "Ada"}, key=["email"])
    if not told["found"]:
        print("nobody has this address")
    ```

    Args:
        table: As for `create_record`.
        values: Values by column. A column that is left out keeps what it has.
        key: Columns among the values that say which record is meant; they are not changed.
        where: Instead of `key`, conditions as for `query_records`; never empty, and none may lack a value.
        version: As for `upsert_record`: a record whose stored version is higher than the one among the values stays.
        database: The block `records-database/<database>`.

    Returns:
        `{"record": {...}, "found": true, "stale": false}`: the row as it is now, None where none matched; whether one
        matched; whether it was newer and stayed.

    Raises:
        InvalidInput: Also where several records match; none is changed then.
        UnknownTable, UnknownColumn, Failed, TryAgain: As `create_record`.
    """
    records = await RecordsDatabase.named(database)
    target = await records.table(table, [*values, *columns_of(where)])
    change = plan(target, values, key=key, where=where, version=version)
    async with records.transaction(repeatable=True) as execute:
        return await change.perform(execute)
