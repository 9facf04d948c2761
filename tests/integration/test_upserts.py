"""The nodes that upsert, on a real SQLite and a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

from blocks.errors import Failed, InvalidInput
from flows.nodes import create_record, query_records, upsert_record, upsert_records, upsert_with_lines

pytestmark = pytest.mark.usefixtures("prefect_settings")
START = datetime(2026, 3, 1, 10, tzinfo=UTC)


def tables() -> tuple[Table, Table]:
    metadata = MetaData()
    orders = Table(
        "orders",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("source", String(50), nullable=False),
        Column("number", String(50), nullable=False),
        Column("status", String(50)),
        Column("note", JSON),
        Column("created", Integer),  # named like what the node tells, and yet a column
        Column("updated_at", DateTime(timezone=True)),
        UniqueConstraint("source", "number"),
    )
    lines = Table(
        "order_lines",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("order_id", Integer, ForeignKey("orders.id"), nullable=False),
        Column("number", Integer, nullable=False),
        Column("pieces", Integer, CheckConstraint("pieces > 0"), nullable=False),
        UniqueConstraint("order_id", "number"),
    )
    return orders, lines


@pytest.fixture
def database(records: str) -> str:
    """The name of a block whose database is empty."""
    return records


async def put(database: str, number: str = "1", *, version: str | None = None, **values: Any) -> dict[str, Any]:
    orders, _ = tables()
    row = {"source": "shop", "number": number, **values}
    return await upsert_record.fn(orders, row, key=["source", "number"], version=version, database=database)


async def put_order(database: str, at: datetime, *numbers: int, pieces: int = 1, **values: Any) -> dict[str, Any]:
    orders, lines = tables()
    return await upsert_with_lines.fn(
        orders,
        {"source": "shop", "number": "1", "updated_at": at, **values},
        lines,
        [{"number": number, "pieces": pieces} for number in numbers],
        key=["source", "number"],
        line_key=["number"],
        link={"order_id": "id"},
        version="updated_at",
        database=database,
    )


async def stored(database: str, table: Table) -> list[dict[str, Any]]:
    return await query_records.fn(table, order_by="id", limit=1000, database=database)


async def test_a_record_is_new_once_and_then_brought_up_to_date(database: str):
    first = await put(database, status="open", note={"a": [1]}, created=7)
    other = await put(database, "2", status="open")
    again = await put(database, status="paid")

    assert [row["created"] for row in (first, other, again)] == [True, True, False]
    assert again["record"] == {**first["record"], "status": "paid"}, "what is left out keeps what it has"
    assert again["record"]["note"] == {"a": [1]} and again["record"]["created"] == 7
    assert (await stored(database, tables()[0]))[0] == again["record"]


async def test_a_table_made_by_somebody_else_is_upserted_by_its_name(database: str):
    orders, _ = tables()
    await create_record.fn(orders, {"source": "shop", "number": "1"}, database=database)

    values = {"source": "shop", "number": "1", "status": "paid"}
    told = await upsert_record.fn("orders", values, key=["number", "source"], database=database)

    assert (told["created"], told["record"]["status"]) == (False, "paid")


async def test_of_many_at_the_same_moment_one_made_the_record(database: str):
    told = await asyncio.gather(*(put(database, status=f"{number}") for number in range(15)))

    assert Counter(row["created"] for row in told) == {True: 1, False: 14}
    assert len(await stored(database, tables()[0])) == 1


async def test_an_older_version_changes_nothing_and_gives_the_newer_one_back(database: str):
    await put(database, version="updated_at", status="new", updated_at=START)
    older = await put(database, version="updated_at", status="old", updated_at="2026-03-01T11:59:59.999999+02:00")
    same = await put(database, version="updated_at", status="same", updated_at=START)

    assert (older["created"], older["stale"], older["record"]["status"]) == (False, True, "new")
    assert (same["created"], same["stale"], same["record"]["status"]) == (False, False, "same")


async def test_a_record_without_a_version_takes_the_first_that_has_one(database: str):
    await put(database, status="imported")
    told = await put(database, version="updated_at", status="new", updated_at=START)

    assert (told["stale"], told["record"]["status"]) == (False, "new")


async def test_many_records_are_upserted_in_one_go(database: str):
    orders, _ = tables()
    await put(database, "3", status="open")

    rows = [{"source": "shop", "number": f"{number % 250}", "status": f"{number}"} for number in range(255)]
    told = await upsert_records.fn(orders, rows, key=["source", "number"], database=database)

    assert [len(told), sum(row["created"] for row in told)] == [250, 249]
    assert {row["number"]: row["status"] for row in await stored(database, orders)}["3"] == "253"
    assert await upsert_records.fn(orders, [], key=["number"], database=database) == []


async def test_a_batch_is_stored_whole_or_not_at_all(database: str):
    _, lines = tables()
    order = (await put(database))["record"]["id"]
    rows = [{"order_id": order, "number": number, "pieces": 1} for number in range(250)]

    with pytest.raises(Failed, match="refused the values"):
        await upsert_records.fn(
            lines, [*rows, {**rows[0], "pieces": 0, "number": -1}], key=list(rows[0])[:2], database=database
        )
    assert await stored(database, lines) == []


async def test_lines_follow_their_record(database: str):
    orders, lines = tables()
    await put(database, "before", status="another order")
    first = await put_order(database, START, 1, 2, 3)
    kept = [line["id"] for line in await stored(database, lines)][1]

    changed = await put_order(database, START + timedelta(hours=1), 2, 4, pieces=5, status="paid")
    stale = await put_order(database, START, 1, 2, 3)

    told = [(row["created"], row["stale"], row["lines"]) for row in (first, changed, stale)]
    assert told == [(True, False, 3), (False, False, 2), (False, True, 2)]
    assert stale["record"] == changed["record"] == (await stored(database, orders))[1]
    assert [(line["number"], line["pieces"]) for line in await stored(database, lines)] == [(2, 5), (4, 5)]
    assert (await stored(database, lines))[0]["id"] == kept, "a line that stays keeps its id"

    assert (await put_order(database, START + timedelta(days=1)))["lines"] == 0
    assert await stored(database, lines) == []


async def test_lines_that_cannot_be_stored_leave_record_and_lines_as_they_were(database: str):
    orders, lines = tables()
    await put_order(database, START, 1, 2, status="open")
    before = await stored(database, orders), await stored(database, lines)

    with pytest.raises(Failed):
        await put_order(database, START + timedelta(hours=1), 3, pieces=0, status="paid")
    with pytest.raises(InvalidInput):
        await put_order(database, START + timedelta(hours=1), 3, pieces=2**63, status="paid")

    assert (await stored(database, orders), await stored(database, lines)) == before


async def test_versions_that_come_in_any_order_at_once_leave_the_newest_whole(database: str):
    _, lines = tables()
    order = [7, 2, 9, 1, 8, 3, 10, 5, 4, 6]
    told = await asyncio.gather(
        *(put_order(database, START + timedelta(minutes=n), *range(1, n + 1), pieces=n, status=f"{n}") for n in order)
    )

    [record] = await stored(database, tables()[0])
    assert record["status"] == "10"
    assert [line["pieces"] for line in await stored(database, lines)] == [10] * 10
    assert sum(row["created"] for row in told) == 1


async def test_a_link_has_to_be_given():
    orders, lines = tables()

    with pytest.raises(InvalidInput, match="`link` and `line_key`"):
        await upsert_with_lines.fn(orders, {"number": "1"}, lines, [], key=["number"], line_key=[], link={})
