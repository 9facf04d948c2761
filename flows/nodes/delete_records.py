"""Delete all records that match."""

from __future__ import annotations

from sqlalchemy import Delete, Table, func, literal, select

from blocks import RecordsDatabase
from blocks.records_database import AnyTable
from flows.nodes._changes import delete_matching
from flows.nodes._node import node
from flows.nodes._where import Where, columns_of


def plan(table: Table, where: Where, *, version: str | None = None) -> Delete:
    """The statement that deletes every record that matches.

    >>> from sqlalchemy import Column, Integer, MetaData
    >>> stock = Table("stock", MetaData(), Column("sku", Integer, primary_key=True), Column("pieces", Integer))
    >>> print(plan(stock, {"pieces": 0}))
    DELETE FROM stock WHERE stock.pieces = :pieces_1
    """
    return delete_matching(table, where, version)[0]


@node("delete records of {table}", timeout=120)
async def delete_records(
    table: AnyTable, where: Where, *, version: str | None = None, database: str = "default"
) -> dict[str, int]:
    """Delete every record that matches, in one statement. None is an answer, no error.

    ```python
    told = await delete_records("contacts", {"id": {"in": [7, 8, 9]}})
    ```

    Args:
        table: As for `create_record`.
        where: Conditions as for `query_records`; never empty, and none may lack a value.
        version: As for `delete_record`.
        database: The block `records-database/<database>`.

    Returns:
        `{"deleted": 3, "stale": 0}`: how many were deleted, and how many were newer and stayed.

    Raises:
        UnknownTable, UnknownColumn, InvalidInput, Failed, TryAgain: As `create_record`.
    """
    records = await RecordsDatabase.named(database)
    target = await records.table(table, columns_of(where))
    _, _, newer = delete_matching(target, where, version)
    async with records.transaction(repeatable=True) as execute:
        gone = await execute(plan(target, where, version=version).returning(literal(1).label("one")))
        if newer is None:
            return {"deleted": len(gone), "stale": 0}
        [stays] = await execute(select(func.count().label("rows")).select_from(target).where(newer))
    return {"deleted": len(gone), "stale": stays["rows"]}
