"""Delete one record."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table

from blocks import RecordsDatabase
from blocks.records_database import AnyTable
from flows.nodes._changes import OneDelete, one_delete
from flows.nodes._node import node
from flows.nodes._where import Where, columns_of


def plan(table: Table, where: Where, *, version: str | None = None) -> OneDelete:
    """The statement that deletes the one record, and what it takes to tell what became of it.

    >>> from sqlalchemy import Column, Integer, MetaData
    >>> stock = Table("stock", MetaData(), Column("sku", Integer, primary_key=True), Column("revision", Integer))
    >>> print(plan(stock, {"sku": 7, "revision": 3}, version="revision").statement)
    DELETE FROM stock
    WHERE stock.sku = :sku_1 AND (stock.revision IS NULL OR stock.revision <= :param_1) AND ...
    """
    return one_delete(table, where, version)


@node("delete a record of {table}", timeout=60)
async def delete_record(
    table: AnyTable, where: Where, *, version: str | None = None, database: str = "default"
) -> dict[str, Any]:
    """Delete a record. That it is not there is an answer, no error.

    ```python
    event = {"id": 7, "updated_at": "2026-03-01T10:00:00Z"}
    told = await delete_record("contacts", event, version="updated_at")
    ```

    Args:
        table: As for `create_record`.
        where: Which record: conditions as for `query_records`; never empty, and none may lack a value.
        version: A column that grows with each version of the record. Its value in `where` is then the version of the
            deletion and no condition: a record that is newer stays, so that a deletion that comes late never takes a
            record that was made again. A late update may still bring a deleted record back; see the tombstones in
            docs/nodes.md.
        database: The block `records-database/<database>`.

    Returns:
        `{"record": {...}, "deleted": true, "stale": false}`: the row that was deleted, or the newer one that stayed,
        or None; whether it was deleted; whether it was newer and stayed. An attempt after a connection that was lost
        while storing may find the record gone already.

    Raises:
        InvalidInput: Also where several records match; none is deleted then.
        UnknownTable, UnknownColumn, Failed, TryAgain: As `create_record`.
    """
    records = await RecordsDatabase.named(database)
    target = await records.table(table, columns_of(where))
    change = plan(target, where, version=version)
    async with records.transaction(repeatable=True) as execute:
        return await change.perform(execute)
