"""Store one record, or bring it up to date."""

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
    values: Mapping[str, object],
    *,
    key: Sequence[str],
    version: str | None = None,
    dialect: str = "sqlite",
) -> Insert:
    """The one statement that inserts `values` or updates the record with the same key.

    >>> from sqlalchemy import Column, MetaData, String
    >>> from sqlalchemy.dialects import sqlite
    >>> prices = Table("prices", MetaData(), Column("sku", String, primary_key=True), Column("price", String))
    >>> print(plan(prices, {"sku": "a-1", "price": "9.90"}, key=["sku"]).compile(dialect=sqlite.dialect()))
    INSERT INTO prices (sku, price) VALUES (?, ?) ON CONFLICT (sku) DO UPDATE SET price = excluded.price
    RETURNING sku, price, ...
    """
    [statement] = upsert_rows(table, [values], key=key, version=version, dialect=dialect)
    return statement


@node("upsert a record in {table}", timeout=60)
async def upsert_record(
    table: AnyTable,
    values: Mapping[str, Any],
    *,
    key: Sequence[str],
    version: str | None = None,
    database: str = "default",
) -> dict[str, Any]:
    """Store a record, or bring the one with the same key up to date, in one statement.

    ```python
    customer = await upsert_record("customers", {"email": "ada@example.com", "name": "Ada"}, key=["email"])
    if customer["created"]:
        await send_email(customer["record"]["email"], "Welcome", "We have got your message.")
    ```

    Args:
        table: As for `create_record`.
        values: Values by column, those of the key among them. A column that is left out keeps what it has.
        key: Columns that together identify the record; the table says that they are unique. It is an ordinary table:
            on SQLite not WITHOUT ROWID, on PostgreSQL not partitioned.
        version: A column that grows with each version of the record, a number or a time. Values with a lower one than
            the stored record's change nothing, so that an update that comes late never overwrites a newer one.
        database: The block `records-database/<database>`.

    Returns:
        `{"record": {...}, "created": true, "stale": false}`: the row as the database has it now, as `create_record`
        gives it, whether it is new, and whether it was newer than what was given and therefore stayed. An attempt
        after a connection that was lost while storing may find its own row, which is then not new.

    Raises:
        UnknownTable, UnknownColumn, InvalidInput, Failed, TryAgain: As `create_record`.
    """
    records = await RecordsDatabase.named(database)
    target = await records.table(table, values)
    statement = plan(target, values, key=key, version=version, dialect=runs_on(records.dialect))
    given = newest(target, [values], key=key, version=version)
    [answer] = told(target, await records.run(statement, repeatable=True), given, key=key, version=version)
    return answer
