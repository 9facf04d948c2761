"""Several changes of records in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import Executable, Table, and_, literal, select
from sqlalchemy.sql.dml import Insert

from blocks import RecordsDatabase
from blocks.connections import Execute
from blocks.errors import InvalidInput
from blocks.records_database import AnyTable
from flows.nodes._changes import one_delete, one_update
from flows.nodes._inserts import insert_rows
from flows.nodes._node import node
from flows.nodes._upserts import newest, runs_on, told, upsert_rows
from flows.nodes._values import as_json, column
from flows.nodes._where import Where, columns_of

MAX_CHANGES = 1_000


@dataclass(frozen=True, kw_only=True)
class Change:
    """One change, as `create`, `upsert`, `update` and `delete` make it."""

    kind: str
    table: AnyTable
    values: Mapping[str, Any] = field(default_factory=dict)
    key: Sequence[str] = ()
    where: Where | None = None
    version: str | None = None


class Step(Protocol):
    """A change that is planned: its statement, and the doing of it."""

    @property
    def statement(self) -> Executable:
        """What is executed first."""

    async def perform(self, execute: Execute) -> dict[str, Any]:
        """Do it, and tell what became of it."""


def create(table: AnyTable, values: Mapping[str, Any], *, unique: Sequence[str] = ()) -> Change:
    """For `change_records`: what `create_record` does."""
    return Change(kind="create", table=table, values=values, key=unique)


def upsert(table: AnyTable, values: Mapping[str, Any], *, key: Sequence[str], version: str | None = None) -> Change:
    """For `change_records`: what `upsert_record` does."""
    return Change(kind="upsert", table=table, values=values, key=key, version=version)


def update(
    table: AnyTable,
    values: Mapping[str, Any],
    *,
    key: Sequence[str] = (),
    where: Where | None = None,
    version: str | None = None,
) -> Change:
    """For `change_records`: what `update_record` does."""
    return Change(kind="update", table=table, values=values, key=key, where=where, version=version)


def delete(table: AnyTable, where: Where, *, version: str | None = None) -> Change:
    """For `change_records`: what `delete_record` does."""
    return Change(kind="delete", table=table, where=where, version=version)


def plan(changes: Sequence[tuple[Change, Table]], *, dialect: str = "sqlite") -> list[Step]:
    """The steps that do the changes, each in its table.

    >>> from sqlalchemy import Column, Integer, MetaData
    >>> stock = Table("stock", MetaData(), Column("sku", Integer, primary_key=True), Column("pieces", Integer))
    >>> steps = plan([(create("stock", {"sku": 1}), stock), (delete("stock", {"sku": 2}), stock)])
    >>> [type(step.statement).__name__ for step in steps]
    ['Insert', 'Delete']
    """
    return [_step(change, table, dialect) for change, table in changes]


@node("change records", timeout=120)
async def change_records(changes: Sequence[Change], *, database: str = "default") -> list[dict[str, Any]]:
    """Make several changes, also of different tables, in one transaction: all of them or none.

    ```python
    await change_records([
        create("payments", {"order_id": 7, "amount": "9.90"}),
        update("orders", {"id": 7, "status": "paid"}, key=["id"]),
        delete("reminders", {"order_id": 7}),
    ])
    ```

    Args:
        changes: Up to 1,000, made by `create`, `upsert`, `update` and `delete`; done one after the other. An empty
            list is no work.
        database: The block `records-database/<database>`.

    Returns:
        For each change, in their order, what the node of that name returns: `create` the row, `upsert`
        `{"record", "created", "stale"}`, `update` `{"record", "found", "stale"}`, `delete`
        `{"record", "deleted", "stale"}`. A record that is not found, or stale, undoes nothing.

    Raises:
        UnknownTable, UnknownColumn, InvalidInput, Failed, TryAgain: As `create_record`. Nothing was stored.
    """
    if not all(isinstance(change, Change) for change in changes):
        raise InvalidInput("`changes` is a list of what `create`, `upsert`, `update` and `delete` of flows.nodes give")
    if len(changes) > MAX_CHANGES:
        raise InvalidInput(f"{len(changes)} changes are too many for one transaction: give up to {MAX_CHANGES}")
    records = await RecordsDatabase.named(database)
    tables = [await records.table(change.table, [*change.values, *columns_of(change.where)]) for change in changes]
    steps = plan(list(zip(changes, tables, strict=True)), dialect=records.dialect)
    repeatable = all(change.kind != "create" or change.key for change in changes)
    async with records.transaction(repeatable=repeatable) as execute:
        return [await step.perform(execute) for step in steps]


@dataclass(frozen=True, kw_only=True)
class _Create:
    table: Table
    statement: Insert

    async def perform(self, execute: Execute) -> dict[str, Any]:
        [row] = await execute(self.statement)
        return as_json(self.table, row)


@dataclass(frozen=True, kw_only=True)
class _Upsert:
    table: Table
    statement: Insert
    change: Change
    given: list[dict[str, object]]

    async def perform(self, execute: Execute) -> dict[str, Any]:
        # What was inserted before in this transaction could be taken for this row by SQLite's last_insert_rowid().
        same = and_(*(column(self.table, name) == self.given[0][name] for name in self.change.key))
        before = await execute(select(literal(1).label("one")).select_from(self.table).where(same))
        [row] = await execute(self.statement)
        [answer] = told(self.table, [row], self.given, key=self.change.key, version=self.change.version)
        return {**answer, "created": answer["created"] and not before}


def _step(change: Change, table: Table, dialect: str) -> Step:
    if change.kind == "create":
        return _Create(table=table, statement=insert_rows(table, [change.values], unique=change.key, dialect=dialect))
    if change.kind == "upsert":
        given = newest(table, [change.values], key=change.key, version=change.version)
        [statement] = upsert_rows(
            table, [change.values], key=change.key, version=change.version, dialect=runs_on(dialect)
        )
        return _Upsert(table=table, statement=statement, change=change, given=given)
    if change.kind == "update":
        return one_update(table, change.values, change.key, change.where, change.version)
    return one_delete(table, change.where or {}, change.version)
