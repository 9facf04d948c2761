"""Count records, and sum up their columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Float, Select, Table, cast, func, select
from sqlalchemy import Column as TableColumn

from blocks import RecordsDatabase
from blocks.errors import InvalidInput, UnknownColumn
from blocks.records_database import AnyTable
from flows.nodes._node import node
from flows.nodes._values import as_json_rows, column, for_column, kind_of
from flows.nodes._where import Where, columns_of, conditions
from flows.nodes.query_records import MAX_LIMIT

FIGURES: dict[str, Callable[[TableColumn[Any]], ColumnElement[Any]]] = {
    "count": lambda source: func.count(source),
    "distinct": lambda source: func.count(source.distinct()),
    "sum": lambda source: _sum(source),
    "avg": lambda source: func.avg(source, type_=source.type if kind_of(source) is Decimal else Float()),
    "min": lambda source: func.min(source),
    "max": lambda source: func.max(source),
}
"""What can be told of a column. Rows without a value do not count."""


def plan(
    table: Table,
    figures: Mapping[str, Mapping[str, str]] | None = None,
    *,
    where: Where | None = None,
    group_by: str | Sequence[str] = (),
    order_by: str | Sequence[str] = (),
    limit: int = 1000,
) -> Select[Any]:
    """The statement that sums up.

    >>> from sqlalchemy import Column, Integer, MetaData
    >>> stock = Table("stock", MetaData(), Column("shelf", Integer), Column("pieces", Integer))
    >>> print(plan(stock, {"most": {"max": "pieces"}}, group_by="shelf"))
    SELECT stock.shelf, count(*) AS count, max(stock.pieces) AS most
    FROM stock GROUP BY stock.shelf ORDER BY stock.shelf ASC
    LIMIT :param_1
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(f"limit is from 1 to {MAX_LIMIT}, not {limit}")
    groups = [column(table, name) for name in ([group_by] if isinstance(group_by, str) else group_by)]
    told: dict[str, ColumnElement[Any]] = {group.name: group for group in groups}
    named = {"count": func.count(), **{name: _figure(table, name, figure) for name, figure in (figures or {}).items()}}
    if taken := set(told) & set(named):
        raise InvalidInput(f"{min(taken)!r} is a column of `group_by`: give the figure another name")
    told |= {name: figure.label(name) for name, figure in named.items()}
    # Named, since a count alone names no column of the table.
    statement = select(*told.values()).select_from(table).where(*conditions(table, where or {}))
    statement = statement.group_by(*groups).limit(limit)
    for name in ([order_by] if isinstance(order_by, str) else order_by) or [group.name for group in groups]:
        if name.removeprefix("-") not in told:
            raise UnknownColumn(f"the summary of {table.name}", name.removeprefix("-"), told)
        target = told[name.removeprefix("-")]
        statement = statement.order_by(target.desc() if name.startswith("-") else target.asc())
    return statement


@node("sum up records of {table}", timeout=60)
async def summarize_records(
    table: AnyTable,
    figures: Mapping[str, Mapping[str, str]] | None = None,
    *,
    where: Where | None = None,
    group_by: str | Sequence[str] = (),
    order_by: str | Sequence[str] = (),
    limit: int = 1000,
    database: str = "default",
) -> list[dict[str, Any]]:
    """Count records and sum up their columns, by group where wanted.

    ```python
    revenue = await summarize_records("orders", {"revenue": {"sum": "total"}}, group_by="country", order_by="-revenue")
    ```

    Args:
        table: As for `create_record`.
        figures: What to tell besides the count, `{name: {figure: column}}` with the figures count (rows that have a
            value), distinct (different values), sum, avg, min, max.
        where: Conditions as for `query_records`.
        group_by: A column or several; a row for each of their values. Without it there is one row.
        order_by: Names of the result, `-name` is descending; default the columns of `group_by`.
        limit: At most this many groups, up to 10,000.
        database: The block `records-database/<database>`.

    Returns:
        Rows `{"country": "UA", "count": 3, "revenue": "30.50"}` as JSON holds them. The sum of nothing is 0, its other
        figures are None.

    Raises:
        UnknownTable, UnknownColumn, InvalidInput, Failed, TryAgain: As `create_record`.
    """
    records = await RecordsDatabase.named(database)
    named = [name for figure in (figures or {}).values() if isinstance(figure, Mapping) for name in figure.values()]
    target = await records.table(table, [*columns_of(where), *named])
    statement = plan(target, figures, where=where, group_by=group_by, order_by=order_by, limit=limit)
    ends = {name: column(target, source) for name, figure in (figures or {}).items() for source in figure.values()}
    rows = await records.run(statement, repeatable=True)
    return as_json_rows(target, ({name: _zoned(ends.get(name), value) for name, value in row.items()} for row in rows))


def _figure(table: Table, name: str, figure: object) -> ColumnElement[Any]:
    if not isinstance(figure, Mapping) or len(figure) != 1 or not set(figure) <= set(FIGURES):
        raise InvalidInput(f"figure {name!r} is {{FIGURE: column}} with one of {', '.join(FIGURES)}")
    [(what, source_name)] = figure.items()
    source = column(table, source_name)
    if what in ("sum", "avg") and kind_of(source) not in (int, float, Decimal):
        raise InvalidInput(f"figure {name!r}: column {source_name!r} holds no numbers")
    return FIGURES[what](source)


def _zoned(source: TableColumn[Any] | None, value: object) -> object:
    # SQLite gives the first or last time of a column back without its zone.
    return for_column(source, value) if source is not None and isinstance(value, datetime) else value


def _sum(source: TableColumn[Any]) -> ColumnElement[Any]:
    total = func.coalesce(func.sum(source), 0, type_=source.type)
    # PostgreSQL sums whole numbers up to a numeric, which would come back as text.
    return cast(total, BigInteger) if kind_of(source) is int else total
