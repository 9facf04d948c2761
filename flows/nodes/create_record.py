"""Store one record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy.sql.dml import ReturningInsert

from blocks import RecordsDatabase
from blocks.records_database import AnyTable
from flows.nodes._inserts import insert_rows
from flows.nodes._node import node
from flows.nodes._values import as_json


def plan(
    table: Table, values: Mapping[str, object], *, unique: Sequence[str] = (), dialect: str = "sqlite"
) -> ReturningInsert[Any]:
    """The statement that stores `values` and returns the row.

    >>> from sqlalchemy import Column, Integer, MetaData, String
    >>> customers = Table("customers", MetaData(), Column("id", Integer, primary_key=True), Column("name", String))
    >>> print(plan(customers, {"name": "Ada"}))
    INSERT INTO customers (name) VALUES (:name_m0) RETURNING customers.id, customers.name
    """
    return insert_rows(table, [values], unique=unique, dialect=dialect)


@node("create a record in {table}", timeout=60)
async def create_record(
    table: AnyTable,
    values: Mapping[str, Any],
    *,
    unique: Sequence[str] = (),
    database: str = "default",
) -> dict[str, Any]:
    """Store a record and give it back as the database has it, with its generated id.

    ```python
    customer = await create_record("customers", {"name": "Ada", "email": "ada@example.com"}, unique=["email"])
    ```

    Args:
        table: The name of an existing table (`schema.name` too), or one that the workflow declares: a SQLAlchemy
            `Table`, or a SQLModel class with `table=True`. A declared one is created when it is missing.
        values: Values by column. ISO dates, UUIDs and decimals may be text.
        unique: Columns that together identify the record (the table says so too). When it exists already it is given
            back unchanged, so that a workflow that runs twice stores it once.
        database: The block `records-database/<database>`.

    Returns:
        The row as a dict that JSON can hold: dates in ISO form, decimals and UUIDs as text.

    Raises:
        UnknownTable, UnknownColumn: Names near ones.
        InvalidInput: A value that the column cannot take.
        Failed: The database refused it, for instance a constraint.
        TryAgain: The database could not be used, after the last retry.
    """
    records = await RecordsDatabase.named(database)
    target = await records.table(table, values)
    statement = plan(target, values, unique=unique, dialect=records.dialect)
    [row] = await records.run(statement, repeatable=bool(unique))
    return as_json(target, row)
