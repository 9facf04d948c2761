"""Look records up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, Table, select

from blocks import RecordsDatabase
from blocks.errors import InvalidInput
from blocks.records_database import AnyTable
from flows.nodes._node import node
from flows.nodes._paging import follows
from flows.nodes._values import as_json_rows, column
from flows.nodes._where import OPERATORS, Where, columns_of, conditions

__all__ = ["OPERATORS", "plan", "query_records"]

MAX_LIMIT = 10_000


def plan(
    table: Table,
    where: Where | None = None,
    *,
    order_by: str | Sequence[str] = (),
    limit: int = 100,
    offset: int = 0,
    after: Mapping[str, Any] | None = None,
) -> Select[Any]:
    """The statement that looks records up; every value is a bound parameter.

    >>> from sqlalchemy import Column, Integer, MetaData
    >>> readings = Table("readings", MetaData(), Column("celsius", Integer))
    >>> print(plan(readings, {"celsius": {"gt": 30}}, order_by="-celsius").whereclause)
    readings.celsius > :celsius_1
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(f"limit is from 1 to {MAX_LIMIT}, not {limit}")
    if offset < 0:
        raise InvalidInput(f"offset is 0 or more, not {offset}")
    order = [order_by] if isinstance(order_by, str) else list(order_by)
    statement = select(table).where(*conditions(table, where or {})).limit(limit).offset(offset)
    if after is not None:
        statement = statement.where(follows(table, order, after, where or {}))
    for name in order:
        target = column(table, name.removeprefix("-"))
        statement = statement.order_by(target.desc() if name.startswith("-") else target.asc())
    return statement


@node("query records of {table}", timeout=60)
async def query_records(
    table: AnyTable,
    where: Where | None = None,
    *,
    order_by: str | Sequence[str] = (),
    limit: int = 100,
    offset: int = 0,
    after: Mapping[str, Any] | None = None,
    database: str = "default",
) -> list[dict[str, Any]]:
    """Look records up by conditions that all hold.

    ```python
    adults = await query_records("customers", where={"country": "UA", "age": {"gte": 18}}, order_by="-age", limit=10)
    ```

    Args:
        table: As for `create_record`.
        where: Conditions by column: a value it equals (null too), or `{operator: value}` with the operators eq, ne,
            lt, lte, gt, gte, between, in, not_in, like, contains, starts_with, ends_with (these three without regard
            to case), is_null. `"or": [{...}, {...}]` holds when one of them does, `"not": {...}` when it does not.
        order_by: A column or several; `-name` is descending.
        limit: At most this many, up to 10,000.
        offset: So many are left out first.
        after: The last row of the page before: this page starts behind it, however many rows came or went since.
            `order_by` has to end in what no two rows share, a unique column for instance.
        database: The block `records-database/<database>`.

    Returns:
        Rows as dicts that JSON can hold.

    Raises:
        UnknownTable, UnknownColumn, InvalidInput, Failed, TryAgain: As `create_record`.
    """
    records = await RecordsDatabase.named(database)
    target = await records.table(table, columns_of(where))
    statement = plan(target, where, order_by=order_by, limit=limit, offset=offset, after=after)
    return as_json_rows(target, await records.run(statement, repeatable=True))
