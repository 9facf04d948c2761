"""The UPDATE and DELETE of the nodes that change records: planned without I/O, then performed in a transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Delete, Table, Update, and_, case, delete, func, literal, select, update
from sqlalchemy.sql.dml import ReturningDelete, ReturningUpdate

from blocks.connections import Execute
from blocks.errors import InvalidInput
from flows.nodes._inserts import converted
from flows.nodes._upserts import check_version, is_current
from flows.nodes._values import as_json, column, for_column
from flows.nodes._where import Where, conditions

STALE = "change_stale_"
"""The column that tells of each updated row whether it was newer than what was given, and stayed."""


@dataclass(frozen=True, kw_only=True)
class OneUpdate:
    """The change of one record."""

    table: Table
    statement: ReturningUpdate[Any]
    which: ColumnElement[bool]

    async def perform(self, execute: Execute) -> dict[str, Any]:
        """`{"record", "found", "stale"}`; raises `InvalidInput` where several records match, and changes none."""
        rows = await execute(self.statement)
        if not rows:
            await _refuse_several(execute, self.table, self.which, "update_records changes")
            return {"record": None, "found": False, "stale": False}
        record = dict(rows[0])
        stale = bool(record.pop(STALE))
        return {"record": as_json(self.table, record), "found": True, "stale": stale}


@dataclass(frozen=True, kw_only=True)
class OneDelete:
    """The deletion of one record."""

    table: Table
    statement: ReturningDelete[Any]
    which: ColumnElement[bool]
    newer: ColumnElement[bool] | None

    async def perform(self, execute: Execute) -> dict[str, Any]:
        """`{"record", "deleted", "stale"}`; raises `InvalidInput` where several records match, and deletes none."""
        rows = await execute(self.statement)
        if rows:
            return {"record": as_json(self.table, rows[0]), "deleted": True, "stale": False}
        await _refuse_several(execute, self.table, self.which, "delete_records deletes")
        stays = [] if self.newer is None else await execute(select(self.table).where(self.newer).limit(1))
        record = as_json(self.table, stays[0]) if stays else None
        return {"record": record, "deleted": False, "stale": bool(stays)}


def one_update(
    table: Table, values: Mapping[str, object], key: Sequence[str], where: Where | None, version: str | None
) -> OneUpdate:
    """The change of the record that `key` names among the values, or that `where` finds."""
    if bool(key) == (where is not None):
        raise InvalidInput("say which record you mean by `key` (columns among the values) or by `where`: one of them")
    if missing := [name for name in key if values.get(name) is None]:
        raise InvalidInput(f"`key` names {missing[0]!r}, so the values need one for it")
    found = {name: {"eq": values[name]} for name in key} if where is None else where
    statement, stale = update_matching(
        table, {name: value for name, value in values.items() if name not in key}, found, version
    )
    which = and_(*conditions(table, found, changing=True))
    alone = statement.where(_is_one(table, which)).returning(table, stale.label(STALE))
    return OneUpdate(table=table, statement=alone, which=which)


def one_delete(table: Table, where: Where, version: str | None) -> OneDelete:
    """The deletion of the record that `where` finds."""
    statement, which, newer = delete_matching(table, where, version)
    alone = statement.where(_is_one(table, which)).returning(table)
    return OneDelete(table=table, statement=alone, which=which, newer=newer)


def update_matching(
    table: Table, values: Mapping[str, object], where: Where, version: str | None
) -> tuple[Update, ColumnElement[bool]]:
    """The UPDATE of all that `where` finds, and what tells of a row that it was newer and stayed.

    Raises `UnknownColumn` and `InvalidInput`.
    """
    [given] = converted(table, [values])
    changed: dict[str, Any] = given
    stale: ColumnElement[bool] = literal(False)
    if version is not None:
        check_version(table, version, given)
        stored = column(table, version)
        current = is_current(stored, literal(given[version], stored.type))
        changed = {
            name: case((current, literal(value, table.c[name].type)), else_=table.c[name])
            for name, value in given.items()
        }
        # The row as it is afterwards: it has the given version unless it was newer. Null is what it had without one.
        stale = func.coalesce(stored > literal(given[version], stored.type), literal(False))
    return update(table).where(*conditions(table, where, changing=True)).values(changed), stale


def delete_matching(
    table: Table, where: Where, version: str | None
) -> tuple[Delete, ColumnElement[bool], ColumnElement[bool] | None]:
    """The DELETE of all that `where` finds, the condition of those, and that of the newer ones among them.

    With `version`, `where` holds the version of the deletion: records that are newer stay. Raises `UnknownColumn` and
    `InvalidInput`.
    """
    which = and_(*conditions(table, {name: value for name, value in where.items() if name != version}, changing=True))
    if version is None:
        return delete(table).where(which), which, None
    check_version(table, version, where)
    stored = column(table, version)
    given = literal(for_column(stored, where[version]), stored.type)
    return delete(table).where(which, is_current(stored, given)), which, and_(which, stored > given)


def _is_one(table: Table, which: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether one record matches and no second: asked by the statement itself, which then changes nothing else."""
    two = select(literal(1).label("one")).select_from(table).where(which).limit(2).subquery()
    return select(func.count()).select_from(two).scalar_subquery() == 1


async def _refuse_several(execute: Execute, table: Table, which: ColumnElement[bool], instead: str) -> None:
    two = await execute(select(literal(1).label("one")).select_from(table).where(which).limit(2))
    if len(two) > 1:
        raise InvalidInput(f"`where` finds several records of {table.name!r}, and one was meant: {instead} them all")
