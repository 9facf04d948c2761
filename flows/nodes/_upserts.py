"""The INSERT that updates the record with the same key instead, and what its rows tell. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Table, case, literal_column, or_
from sqlalchemy.dialects import mysql
from sqlalchemy.sql.dml import Insert
from sqlalchemy.sql.elements import ColumnElement

from blocks.errors import InvalidInput
from flows.nodes._inserts import check_unique, converted, key_of, upsertable
from flows.nodes._values import as_json, column, for_column

_CREATED = "upsert_created_"

_IS_NEW = {
    # A row that ON CONFLICT updated was locked first, and carries the lock of its own transaction.
    "postgresql": "(xmax = 0)",
    # An update leaves last_insert_rowid() alone, and a connection is opened for each transaction: nothing else that
    # was inserted before can have this row's number. `change_records` asks first, for there something can.
    "sqlite": "(last_insert_rowid() = rowid)",
}

_MAX_VALUES = 30_000
"""Values in one statement; SQLite takes 32,766 and PostgreSQL 65,535."""


def upsert_rows(
    table: Table,
    rows: Sequence[Mapping[str, object]],
    *,
    key: Sequence[str],
    dialect: str,
    version: str | None = None,
    per_statement: int = 200,
) -> list[Insert]:
    """Statements that store every row, or bring the one with the same key up to date; see `told` for their rows.

    Of rows with the same key the newest by `version` stands, else the last. On `mysql` they return no rows. Raises
    `UnknownColumn` and `InvalidInput`.
    """
    once = newest(table, rows, key=key, version=version)
    step = max(1, min(per_statement, _MAX_VALUES // len(once[0])))
    return [_statement(table, once[start : start + step], key, dialect, version) for start in range(0, len(once), step)]


def runs_on(dialect: str) -> str:
    """`dialect`, where an upsert can tell what it did. Raises `InvalidInput` for another."""
    if dialect not in _IS_NEW:
        raise InvalidInput(f"an upsert runs on SQLite and PostgreSQL, not on {dialect}")
    return dialect


def newest(
    table: Table, rows: Sequence[Mapping[str, object]], *, key: Sequence[str], version: str | None = None
) -> list[dict[str, object]]:
    """The rows as the table takes them, of those with the same key the newest by `version`, else the last.

    Raises `UnknownColumn` and `InvalidInput`.
    """
    if not key:
        raise InvalidInput("`key` is empty: name the columns that together identify a record")
    values = converted(table, rows)
    check_unique(table, key, option="key")
    found: dict[tuple[object, ...], Any] = {}
    for row in values:
        if version is not None:
            check_version(table, version, row)
        name = key_of(row, key, option="key")
        if version is None or name not in found or row[version] >= found[name][version]:
            found[name] = row
    return list(found.values())


def check_version(table: Table, version: str, values: Mapping[str, object]) -> None:
    """Raise `UnknownColumn` or `InvalidInput` unless `values` tell their version."""
    column(table, version)
    if values.get(version) is None:
        raise InvalidInput(f"`version` names {version!r}, so the row needs a value for it")


def is_current(stored: Column[Any], given: Any) -> ColumnElement[bool]:
    """Whether the stored version is not newer than the given one."""
    return or_(stored.is_(None), stored <= given)


def told(
    table: Table,
    returned: Iterable[Mapping[str, object]],
    given: Sequence[Mapping[str, object]],
    *,
    key: Sequence[str],
    version: str | None = None,
) -> list[dict[str, Any]]:
    """`{"record", "created", "stale"}` for each row that such statements returned; `given` are the rows of `newest`.

    Raises `InvalidInput` when a key comes back otherwise than it was given, so that nobody can tell whose it is.
    """
    if version is None or len(given) == 1:
        return [_read_back(table, row, version, given[0]) for row in returned]
    by_key = {key_of(row, key): row for row in given}
    answers = []
    for row in returned:
        stored = {name: for_column(column(table, name), row[name]) for name in key}
        own = by_key.get(key_of(stored, key))
        if own is None:
            raise InvalidInput(
                f"table {table.name!r} keeps the key {', '.join(key)} otherwise than it was given (case or padding), "
                "so the rows cannot be told apart: give the key as it is stored"
            )
        answers.append(_read_back(table, row, version, own))
    return answers


def _read_back(
    table: Table, row: Mapping[str, object], version: str | None, given: Mapping[str, object]
) -> dict[str, Any]:
    record = {name: value for name, value in row.items() if name != _CREATED}
    stale = False
    if version is not None:
        stored: Any = for_column(column(table, version), row[version])
        # Text is ordered by the database's collation, not by Python's; what was stored just now is equal.
        stale = stored != given[version] if isinstance(stored, str) else stored > given[version]
    return {"record": as_json(table, record), "created": bool(row[_CREATED]), "stale": stale}


def _statement(
    table: Table, rows: list[dict[str, object]], key: Sequence[str], dialect: str, version: str | None
) -> Insert:
    # A row that is nothing but its key is updated to itself: DO NOTHING would return no row.
    names = [name for name in rows[0] if name not in key] or list(key)
    if dialect == "mysql":
        return _mysql(table, rows, names, version)
    statement = upsertable(table, rows, dialect)
    changed = _changed(table, names, statement.excluded, version)
    is_new: ColumnElement[bool] = literal_column(_IS_NEW[dialect])
    return statement.on_conflict_do_update(index_elements=list(key), set_=changed).returning(
        table, is_new.label(_CREATED)
    )


def _mysql(table: Table, rows: list[dict[str, object]], names: list[str], version: str | None) -> Insert:
    statement = mysql.insert(table).values(rows)
    # MySQL assigns one after the other: the version last, or the columns behind it would see the new one.
    names = sorted(names, key=lambda name: name == version)
    return statement.on_duplicate_key_update(list(_changed(table, names, statement.inserted, version).items()))


def _changed(table: Table, names: Sequence[str], given: Any, version: str | None) -> dict[str, Any]:
    if version is None:
        return {name: given[name] for name in names}
    current = is_current(column(table, version), given[version])
    return {name: case((current, given[name]), else_=table.c[name]) for name in names}
