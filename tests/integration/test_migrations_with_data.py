"""A database of every earlier revision, with rows in each of its tables, is brought up to date and read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, Table, insert, inspect, select

from receiver.deliveries.lifecycle import Status
from receiver.deliveries.records import DeliveryFilter
from receiver.deliveries.store import DeliveryStore
from receiver.storage import Database, migrations
from receiver.storage.address import Address, find_address
from receiver.storage.connections import writer_engine
from receiver.storage.tables import VERSION_TABLE
from receiver.webhooks.audit import Action, AuditFilter, AuditLog
from receiver.webhooks.definitions import DefinitionStore
from receiver.webhooks.keys import KeyStore

FOLDER = str(Path(str(migrations.__file__)).parent)
REVISIONS = sorted(each.revision for each in ScriptDirectory(FOLDER).walk_revisions())[:-1]
AT = 1_772_366_400_000_000
DONE, WAITS = "019ca7a0-0000-7000-8000-000000000001", "019ca7a0-0000-7000-8000-000000000002"
DEFINITION = '{"deployment":"a/b","verification":{"scheme":"none"}}'
OF_DONE = {"delivery_id": DONE, "number": 1, "status": "failed", "flow_run_id": "run-1", "ended_at": AT, "tries": 1}
OF_WAITS = {"delivery_id": WAITS, "number": 1, "status": "queued", "due_at": AT, "tries": 0}
SENT = {"headers": '{"x-a":"b"}', "query": "{}", "params": "{}", "verification": "{}", "notes": "{}", "body": b"[1]"}
ROWS: dict[str, list[dict[str, Any]]] = {
    "webhook": [
        {"key": "orders", "definition": '{"deployment":"a/b","verification":{"scheme":"none"}}', "state": "enabled"}
    ],
    "webhook_revision": [{"key": "orders", "revision": 1, "definition": DEFINITION}],
    "delivery": [
        {"id": DONE, "status": "failed", "attempt": 1, "body_size": 3, "received_at": AT, "event_id": "evt_1"},
        {"id": WAITS, "status": "queued", "attempt": 1, "body_size": 3, "received_at": AT + 1},
    ],
    "payload": [{"delivery_id": DONE, **SENT}, {"delivery_id": WAITS, **SENT}],
    "attempt": [OF_DONE, OF_WAITS],
    "status_change": [{"delivery_id": DONE, "attempt": 1, "at": AT, "from_status": "queued", "to_status": "failed"}],
    "meta": [{"name": "instance", "number": 0, "text": "f" * 64}, {"name": "catalog", "number": 1, "text": ""}],
    "reply": [{"delivery_id": DONE, "attempt": 1, "wire": '{"v":1,"status":200,"headers":{},"body":7}'}],
    "replay": [{"delivery_id": DONE, "attempt": 1, "actor": "ann", "body": b"[2]", "content_type": "application/json"}],
    "api_key": [{"name": "ci", "scope": "read"}],
    "audit": [{"action": "delivery.replay", "object": DONE, "origin": "api", "changes": "[]"}],
}
"""What matters of a row; whatever else its columns want is filled in."""


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres").create_database()


def upgraded(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", FOLDER)
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def filled(table: Table) -> list[dict[str, Any]]:
    """Rows for a table: ours, with something in every column that must have a value."""
    rows = []
    for given in ROWS.get(table.name, [{}]):
        row = {name: value for name, value in given.items() if name in table.c}
        for column in table.c:
            if column.name not in row and not column.nullable and column.server_default is None:
                row[column.name] = _some(column.type.python_type, column.name)
        rows.append(row)
    return rows


def _some(kind: type, name: str) -> Any:
    if kind is str:
        return "orders" if name == "webhook" else f"{name}-1"
    return {int: 1, float: 1.5, bytes: b"\x01" * 32}[kind]


def rows_of(connection: Connection) -> dict[str, tuple[list[str], list[Any]]]:
    """What every table holds, in the columns that it has now."""
    found = {}
    for name in sorted(set(inspect(connection).get_table_names()) - {VERSION_TABLE}):
        table = Table(name, MetaData(), autoload_with=connection)
        order = list(table.primary_key.columns)
        found[name] = (list(table.c.keys()), [tuple(row) for row in connection.execute(select(table).order_by(*order))])
    return found


def made(address: Address, revision: str) -> dict[str, tuple[list[str], list[Any]]]:
    """A database at that revision with rows in every table; what they are."""
    engine = writer_engine(address)
    try:
        with engine.begin() as connection:
            upgraded(connection, revision)
            for name in sorted(set(inspect(connection).get_table_names()) - {VERSION_TABLE}):
                table = Table(name, MetaData(), autoload_with=connection)
                for row in filled(table):
                    connection.execute(insert(table).values(**row))
            return rows_of(connection)
    finally:
        engine.dispose()


@pytest.mark.parametrize("revision", REVISIONS)
async def test_every_row_of_an_earlier_revision_is_there_and_read(revision: str, url: str, tmp_path: Path) -> None:
    before = made(find_address(url, tmp_path), revision)
    assert all(rows for _, rows in before.values())
    db = Database.open(url or None, tmp_path)
    try:
        after = await db.read(rows_of)
        for name, (columns, rows) in before.items():
            now_columns, now_rows = after[name]
            places = [now_columns.index(column) for column in columns]
            assert [tuple(row[place] for place in places) for row in now_rows] == rows, name

        store = DeliveryStore(db)
        record, request = await store.get(DONE), await store.request(DONE)
        assert record is not None and request is not None
        assert (record.status, record.attempts[0].flow_run_id, record.headers) == (Status.FAILED, "run-1", {"x-a": "b"})
        assert request.body == b"[1]"
        assert [change.after for change in record.changes] == [Status.FAILED]
        assert [item.id for item in (await store.list(DeliveryFilter(webhook="orders"), 10))[0]] == [WAITS, DONE]
        claimed = await store.claim(10, 60, datetime.now(UTC), "tests")
        assert [(each.delivery_id, each.revision) for each in claimed] == [(WAITS, 1)]
        assert [row.key for row in await DefinitionStore(db).all()] == ["orders"]
        assert [key.name for key in await KeyStore(db).list()] == ["ci"]
        if "reply" in before:
            assert (await store.replies(DONE))[1].wire["body"] == 7
        if "replay" in before:
            edited = await store.request(DONE, 1)
            assert edited is not None and (edited.body, record.attempts[0].actor) == (b"[2]", "ann")
        if "audit" in before:
            entries, _ = await AuditLog(db).list(AuditFilter(), 10)
            assert [entry.action for entry in entries] == [Action.DELIVERY_REPLAY]
    finally:
        await db.close()
