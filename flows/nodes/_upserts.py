"""The INSERT ... ON CONFLICT DO UPDATE of the nodes that upsert, and what its rows tell. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table, case, false, literal_column
from sqlalchemy.sql.dml import ReturningInsert
from sqlalchemy.sql.elements import ColumnElement

from blocks.errors import InvalidInput
from flows.nodes._inserts import check_unique, converted, key_of, upsertable
from flows.nodes._values import as_json, column

_CREATED, _STALE = "upsert_created_", "upsert_stale_"

_IS_NEW = {
    # A row that ON CONFLICT updated was locked first, and carries the lock of its own transaction.
    "postgresql": "(xmax = 0)",
    # An update leaves last_insert_rowid() alone, and a connection is opened for each transaction: nothing else that
    # was inserted before can have this row's number.
    "sqlite": "(last_insert_rowid() = rowid)",
}


def upsert_rows(
    table: Table,
    rows: Sequence[Mapping[str, object]],
    *,
    key: Sequence[str],
    dialect: str,
    version: str | None = None,
    per_statement: int = 200,
) -> list[ReturningInsert[Any]]:
    """Statements that store every row, or bring the one with the same key up to date; see `read_back` for their rows.

    Of rows with the same key the last one stands. Raises `UnknownColumn` and `InvalidInput`.
    """
    if not key:
        raise InvalidInput("`key` is empty: name the columns that together identify a record")
    values = converted(table, rows)
    check_unique(table, key, option="key")
    last = {key_of(row, key, option="key"): row for row in values}
    once = list(last.values())
    starts = range(0, len(once), per_statement)
    return [_statement(table, once[start : start + per_statement], key, dialect, version) for start in starts]


def read_back(table: Table, row: Mapping[str, object]) -> dict[str, Any]:
    """`{"record", "created", "stale"}` from a row that such a statement returned."""
    record = {name: value for name, value in row.items() if name not in {_CREATED, _STALE}}
    return {"record": as_json(table, record), "created": bool(row[_CREATED]), "stale": bool(row[_STALE])}


def _statement(
    table: Table, rows: list[dict[str, object]], key: Sequence[str], dialect: str, version: str | None
) -> ReturningInsert[Any]:
    statement = upsertable(table, rows, dialect)
    # A row that is nothing but its key is updated to itself: DO NOTHING would return no row.
    changed: dict[str, Any] = {name: statement.excluded[name] for name in [n for n in rows[0] if n not in key] or key}
    stale: ColumnElement[bool] = false()
    if version is not None:
        stored = column(table, version)
        given = rows[0].get(version)
        if len(rows) > 1 or given is None:
            raise InvalidInput(f"`version` names {version!r}, so the row needs a value for it")
        is_current = stored.is_(None) | (statement.excluded[version] >= stored)
        changed = {name: case((is_current, value), else_=table.c[name]) for name, value in changed.items()}
        stale = stored > given
    is_new: ColumnElement[bool] = literal_column(_IS_NEW[dialect])
    statement = statement.on_conflict_do_update(index_elements=list(key), set_=changed)
    return statement.returning(table, is_new.label(_CREATED), stale.label(_STALE))
