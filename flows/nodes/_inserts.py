"""The INSERT of the nodes that create records. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table, UniqueConstraint, insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert

from blocks.errors import InvalidInput
from flows.nodes._values import column, for_column


def insert_rows(
    table: Table, rows: Sequence[Mapping[str, object]], *, unique: Sequence[str], dialect: str
) -> ReturningInsert[Any]:
    """One statement that stores every row and returns each, also those that `unique` says exist already.

    Raises `UnknownColumn` and `InvalidInput`.
    """
    if not rows or not rows[0]:
        raise InvalidInput(f"there is nothing to store in {table.name!r}: give at least one value")
    values = [_values(table, row, set(rows[0])) for row in rows]
    if not unique:
        return insert(table).values(values).returning(table)
    _check_unique(table, unique)
    return _upsert(table, _once(values, unique), unique, dialect)


def _upsert(table: Table, values: list[dict[str, object]], unique: Sequence[str], dialect: str) -> ReturningInsert[Any]:
    # An update that changes nothing, for DO NOTHING returns no row; the first value stands, whoever comes second.
    if dialect == "postgresql":
        on_postgresql = postgresql.insert(table).values(values)
        same = {name: on_postgresql.excluded[name] for name in unique}
        return on_postgresql.on_conflict_do_update(index_elements=list(unique), set_=same).returning(table)
    if dialect == "sqlite":
        on_sqlite = sqlite.insert(table).values(values)
        same = {name: on_sqlite.excluded[name] for name in unique}
        return on_sqlite.on_conflict_do_update(index_elements=list(unique), set_=same).returning(table)
    raise InvalidInput(f"`unique` works on SQLite and PostgreSQL, not on {dialect}")


def _values(table: Table, row: Mapping[str, object], names: set[str]) -> dict[str, object]:
    values = {name: for_column(column(table, name), value) for name, value in row.items()}
    if set(row) != names:
        differing = ", ".join(sorted(set(row) ^ names))
        raise InvalidInput(f"every row for {table.name!r} needs the same columns; they differ in {differing}")
    return values


def _once(rows: list[dict[str, object]], unique: Sequence[str]) -> list[dict[str, object]]:
    """The rows without those whose key an earlier one has: one statement cannot meet the same row twice."""
    first: dict[str, dict[str, object]] = {}
    for row in rows:
        if missing := [name for name in unique if row.get(name) is None]:
            raise InvalidInput(f"`unique` names {missing[0]!r}, so every row needs a value for it")
        first.setdefault(repr([row[name] for name in unique]), row)
    return list(first.values())


def _check_unique(table: Table, unique: Sequence[str]) -> None:
    for name in unique:
        column(table, name)
    wanted = set(unique)
    keys = [set(table.primary_key.columns.keys())]
    keys += [set(item.columns.keys()) for item in table.constraints if isinstance(item, UniqueConstraint)]
    keys += [set(index.columns.keys()) for index in table.indexes if index.unique]
    keys += [{item.name} for item in table.columns if item.unique]
    if wanted not in keys:
        raise InvalidInput(
            f"nothing in table {table.name!r} makes {', '.join(unique)} unique: "
            "add a unique constraint there, or leave `unique` out"
        )
