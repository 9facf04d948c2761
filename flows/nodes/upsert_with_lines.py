"""Store a record together with its lines, or bring both up to date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Delete, Table, delete, func, select, tuple_
from sqlalchemy.sql.dml import Insert

from blocks import RecordsDatabase
from blocks.errors import InvalidInput
from blocks.records_database import AnyTable
from flows.nodes._inserts import converted
from flows.nodes._node import node
from flows.nodes._upserts import newest, runs_on, told, upsert_rows
from flows.nodes._values import column


def plan(
    lines_table: Table,
    lines: Sequence[Mapping[str, object]],
    *,
    line_key: Sequence[str],
    owner: Mapping[str, object],
    dialect: str = "sqlite",
) -> tuple[Delete, list[Insert]]:
    """The statements that make `lines` the lines of one record: the gone are deleted, the others upserted.

    `owner` are the values by which a line belongs to its record.

    >>> from sqlalchemy import Column, Integer, MetaData
    >>> lines = Table("lines", MetaData(), Column("order_id", Integer, primary_key=True),
    ...               Column("number", Integer, primary_key=True), Column("pieces", Integer))
    >>> gone, kept = plan(lines, [{"number": 1, "pieces": 4}], line_key=["number"], owner={"order_id": 7})
    >>> print(gone)
    DELETE FROM lines
    WHERE lines.order_id = :order_id_1 AND (lines.number NOT IN (__[POSTCOMPILE_number_1]))
    """
    gone = delete(lines_table).where(*(column(lines_table, name) == value for name, value in owner.items()))
    if not lines:
        return gone, []
    whole = [{**line, **owner} for line in lines]
    key = [*owner, *line_key]
    kept = upsert_rows(lines_table, whole, key=key, dialect=dialect)
    stays = [[line[name] for name in line_key] for line in converted(lines_table, whole)]
    if len(line_key) == 1:
        return gone.where(column(lines_table, line_key[0]).not_in([name for [name] in stays])), kept
    return gone.where(tuple_(*(column(lines_table, name) for name in line_key)).not_in(stays)), kept


@node("upsert a record and its lines in {table}", timeout=120)
async def upsert_with_lines(
    table: AnyTable,
    values: Mapping[str, Any],
    lines_table: AnyTable,
    lines: Sequence[Mapping[str, Any]],
    *,
    key: Sequence[str],
    line_key: Sequence[str],
    link: Mapping[str, str],
    version: str | None = None,
    database: str = "default",
) -> dict[str, Any]:
    """Store a record and its lines, or bring them up to date, in one transaction: an order and what was ordered.

    ```python
    order = await upsert_with_lines(
        "orders", {"source": "shop", "number": "1001", "version": 3},
        "order_lines", [{"number": 1, "sku": "a-1", "pieces": 4}],
        key=["source", "number"], line_key=["number"], link={"order_id": "id"}, version="version",
    )
    ```

    Args:
        table: The record's table, as for `create_record`.
        values: The record's values by column, as for `upsert_record`.
        lines_table: The lines' table.
        lines: Values by column, each line with the same columns. Stored lines that are not among them are deleted.
        key: Columns that identify the record, as for `upsert_record`.
        line_key: Columns that identify a line within its record; with those of `link` they are unique in the table.
        link: How a line names its record, `{column of the line: column of the record}`.
        version: As for `upsert_record`. Where the stored record is newer, its lines stay too.
        database: The block `records-database/<database>`.

    Returns:
        `{"record": {...}, "created": true, "stale": false, "lines": 1}` as `upsert_record` does, with the number of
        lines that are stored now.

    Raises:
        UnknownTable, UnknownColumn, InvalidInput, Failed, TryAgain: As `create_record`. Nothing was stored.
    """
    if not link or not line_key:
        raise InvalidInput("`link` and `line_key` say which lines belong to a record and tell them apart: give both")
    records = await RecordsDatabase.named(database)
    target = await records.table(table, values)
    lines_target = await records.table(lines_table, [*link, *(lines[0] if lines else ())])
    dialect = runs_on(records.dialect)
    [head] = upsert_rows(target, [values], key=key, version=version, dialect=dialect)
    given = newest(target, [values], key=key, version=version)
    async with records.transaction(repeatable=True) as execute:
        [row] = await execute(head)  # locks the record: another version of it waits here until this one is stored
        [stored] = told(target, [row], given, key=key, version=version)
        owner = {name: row[column(target, source).name] for name, source in link.items()}
        if not stored["stale"]:
            gone, kept = plan(lines_target, lines, line_key=line_key, owner=owner, dialect=dialect)
            for statement in (gone, *kept):
                await execute(statement)
        belongs = [lines_target.c[name] == value for name, value in owner.items()]
        [count] = await execute(select(func.count().label("lines")).select_from(lines_target).where(*belongs))
    return {**stored, "lines": count["lines"]}
