"""Look records up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Column as TableColumn
from sqlalchemy import ColumnElement, Select, Table, select

from blocks import RecordsDatabase
from blocks.errors import InvalidInput
from flows.nodes._node import node
from flows.nodes._values import as_json_rows, column, for_column

MAX_LIMIT = 10_000

Where = Mapping[str, Any]
"""`{"email": "ada@example.com", "age": {"gte": 18, "lt": 65}}`: every condition holds. See `OPERATORS`."""

OPERATORS: dict[str, Callable[[TableColumn[Any], Any], ColumnElement[bool]]] = {
    "eq": lambda target, value: target.is_(None) if value is None else target == for_column(target, value),
    "ne": lambda target, value: target.is_not(None) if value is None else target != for_column(target, value),
    "lt": lambda target, value: target < for_column(target, value),
    "lte": lambda target, value: target <= for_column(target, value),
    "gt": lambda target, value: target > for_column(target, value),
    "gte": lambda target, value: target >= for_column(target, value),
    "in": lambda target, value: target.in_([for_column(target, item) for item in value]),
    "like": lambda target, value: target.like(value),
    "is_null": lambda target, value: target.is_(None) if value else target.is_not(None),
}
"""Comparisons by name. `like` takes `%` and `_` as SQL does; `is_null` takes true or false."""


def plan(
    table: Table,
    where: Where | None = None,
    *,
    order_by: str | Sequence[str] = (),
    limit: int = 100,
    offset: int = 0,
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
    statement = select(table).limit(limit).offset(offset)
    for name, condition in (where or {}).items():
        statement = statement.where(*_conditions(column(table, name), condition))
    for name in [order_by] if isinstance(order_by, str) else order_by:
        target = column(table, name.removeprefix("-"))
        statement = statement.order_by(target.desc() if name.startswith("-") else target.asc())
    return statement


@node("query records of {table}", timeout=60)
async def query_records(
    table: str | Table,
    where: Where | None = None,
    *,
    order_by: str | Sequence[str] = (),
    limit: int = 100,
    offset: int = 0,
    database: str = "default",
) -> list[dict[str, Any]]:
    """Look records up by conditions that all hold.

    ```python
    adults = await query_records("customers", where={"country": "UA", "age": {"gte": 18}}, order_by="-age", limit=10)
    ```

    Args:
        table: As for `create_record`.
        where: Conditions by column: a value it equals (null too), or `{operator: value}` with the operators eq, ne,
            lt, lte, gt, gte, in, like, is_null.
        order_by: A column or several; `-name` is descending.
        limit: At most this many, up to 10,000.
        offset: So many are left out first.
        database: The block `records-database/<database>`.

    Returns:
        Rows as dicts that JSON can hold.

    Raises:
        UnknownTable, UnknownColumn, InvalidInput, Failed, TryAgain: As `create_record`.
    """
    records = await RecordsDatabase.named(database)
    target = await records.table(table, where or ())
    statement = plan(target, where, order_by=order_by, limit=limit, offset=offset)
    return as_json_rows(target, await records.run(statement, repeatable=True))


def _conditions(target: TableColumn[Any], condition: object) -> list[ColumnElement[bool]]:
    comparisons = condition if isinstance(condition, Mapping) else {"eq": condition}
    conditions = []
    for operator, value in comparisons.items():
        if operator not in OPERATORS:
            raise InvalidInput(f"{operator!r} is no comparison for {target.name!r}: use {', '.join(OPERATORS)}")
        if operator == "in" and (isinstance(value, str) or not isinstance(value, Sequence)):
            raise InvalidInput(f"`in` for {target.name!r} takes a list")
        conditions.append(OPERATORS[operator](target, value))
    return conditions
