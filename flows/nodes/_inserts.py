"""The INSERT of the nodes that create records, and what it shares with the upsert. No I/O."""

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
    values = converted(table, rows)
    if not unique:
        return insert(table).values(values).returning(table)
    check_unique(table, unique)
    first: dict[tuple[object, ...], dict[str, object]] = {}
    for row in values:
        first.setdefault(key_of(row, unique), row)
    # An update that changes nothing, for DO NOTHING returns no row; the first value stands, whoever comes second.
    statement = upsertable(table, list(first.values()), dialect)
    same = {name: statement.excluded[name] for name in unique}
    return statement.on_conflict_do_update(index_elements=list(unique), set_=same).returning(table)


def upsertable(table: Table, values: Sequence[dict[str, object]], dialect: str) -> postgresql.Insert | sqlite.Insert:
    """The INSERT of a database that knows ON CONFLICT. Raises `InvalidInput` for another."""
    # SQLAlchemy compiles a list of rows each time, and one row once for all.
    given = values if len(values) > 1 else values[0]
    if dialect == "postgresql":
        return postgresql.insert(table).values(given)
    if dialect == "sqlite":
        return sqlite.insert(table).values(given)
    raise InvalidInput(f"`unique` and `key` work on SQLite and PostgreSQL, not on {dialect}")


def converted(table: Table, rows: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """The rows as the table's columns take them. Raises `UnknownColumn` and `InvalidInput`."""
    if not rows or not rows[0]:
        raise InvalidInput(f"there is nothing to store in {table.name!r}: give at least one value")
    for row in rows:
        if differing := set(row) ^ set(rows[0]):
            names = ", ".join(sorted(differing))
            raise InvalidInput(f"every row for {table.name!r} needs the same columns; they differ in {names}")
    return [{name: for_column(column(table, name), value) for name, value in row.items()} for row in rows]


def key_of(row: Mapping[str, object], unique: Sequence[str], *, option: str = "unique") -> tuple[object, ...]:
    """Tells two rows apart: one statement cannot meet the same row twice. Raises `InvalidInput` for half a key."""
    if missing := [name for name in unique if row.get(name) is None]:
        raise InvalidInput(f"`{option}` names {missing[0]!r}, so every row needs a value for it")
    return tuple(row[name] for name in unique)


def check_unique(table: Table, unique: Sequence[str], *, option: str = "unique") -> None:
    """Raise `InvalidInput` unless something in the table makes these columns unique together."""
    for name in unique:
        column(table, name)
    if set(unique) not in unique_keys(table):
        raise InvalidInput(
            f"nothing in table {table.name!r} makes {', '.join(unique)} unique: "
            f"add a unique constraint there, or leave `{option}` out"
        )


def unique_keys(table: Table) -> list[set[str]]:
    """The sets of columns that no two rows share."""
    keys = [set(table.primary_key.columns.keys())]
    keys += [set(item.columns.keys()) for item in table.constraints if isinstance(item, UniqueConstraint)]
    keys += [set(index.columns.keys()) for index in table.indexes if index.unique]
    keys += [{item.name} for item in table.columns if item.unique]
    return [key for key in keys if key]
