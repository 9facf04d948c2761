"""The nodes that change, delete, page through and sum up records, on a real SQLite and a real PostgreSQL."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

import pytest
from sqlmodel import Field, SQLModel

from blocks.errors import Failed, InvalidInput, UnknownColumn, UnknownTable
from flows.nodes import (
    change_records,
    create,
    create_records,
    delete,
    delete_record,
    delete_records,
    query_records,
    summarize_records,
    update,
    update_record,
    update_records,
    upsert,
    upsert_record,
    upsert_records,
)

START = datetime(2026, 3, 1, 10, tzinfo=UTC)


class Stage(Enum):
    lead = "a lead"
    customer = "a customer"


class Contact(SQLModel, table=True):
    """As a CRM has it; the others of SQLModel's metadata are nobody's business here."""

    __tablename__ = "crm_contacts"
    id: int = Field(primary_key=True)
    email: str = Field(unique=True)
    stage: Stage = Stage.lead
    spent: int = 0
    deleted: bool = False
    updated_at: datetime


def contact(number: int, *, hours: int = 0, **values: Any) -> dict[str, Any]:
    at = (START + timedelta(hours=hours)).isoformat()
    return {"id": number, "email": f"{number}@example.com", "stage": "lead", "spent": number, "deleted": False} | {
        "updated_at": at,
        **values,
    }


async def stored(database: str) -> dict[int, dict[str, Any]]:
    rows = await query_records.fn(Contact, order_by="id", limit=10_000, database=database)
    return {row["id"]: row for row in rows}


async def put(database: str, *numbers: int) -> None:
    await create_records.fn(Contact, [contact(number) for number in numbers], database=database)


async def test_one_record_is_changed_and_several_only_where_asked(records: str):
    await put(records, 1, 2, 3)

    one = await update_record.fn(Contact, {"id": 1, "stage": "a customer"}, key=["id"], database=records)
    none = await update_record.fn("crm_contacts", {"spent": 9}, where={"id": 7}, database=records)
    with pytest.raises(InvalidInput, match=r"several records of 'crm_contacts'.*update_records"):
        await update_record.fn(Contact, {"spent": 9}, where={"spent": {"gte": 2}}, database=records)
    with pytest.raises(InvalidInput, match="delete_records"):
        await delete_record.fn(Contact, {"spent": {"gte": 2}}, database=records)

    assert (one["found"], one["record"]["stage"]) == (True, "a customer")
    assert none == {"record": None, "found": False, "stale": False}
    assert [row["spent"] for row in (await stored(records)).values()] == [1, 2, 3], "refused is unchanged"
    told = await update_records.fn(Contact, {"spent": 9}, {"spent": {"gte": 2}}, database=records)
    assert told == {"updated": 2, "stale": 0}
    assert [row["spent"] for row in (await stored(records)).values()] == [1, 9, 9]


async def test_what_comes_late_changes_and_deletes_nothing_that_is_newer(records: str):
    await create_records.fn(Contact, [contact(1, hours=2), contact(2)], database=records)
    late = {"id": 1, "spent": 50, "updated_at": START + timedelta(hours=1)}

    changed = await update_record.fn(Contact, late, key=["id"], version="updated_at", database=records)
    both = {"spent": 50, "updated_at": late["updated_at"]}
    many = await update_records.fn(Contact, both, {"id": {"in": [1, 2]}}, version="updated_at", database=records)
    which = {"id": 1, "updated_at": late["updated_at"]}
    kept = await delete_record.fn(Contact, which, version="updated_at", database=records)

    assert (changed["stale"], changed["record"]["spent"]) == (True, 1)
    assert many == {"updated": 1, "stale": 1}
    assert (kept["deleted"], kept["stale"], kept["record"]["id"]) == (False, True, 1)
    all_of_them = {"id": {"in": [1, 2]}, "updated_at": late["updated_at"]}
    told = await delete_records.fn(Contact, all_of_them, version="updated_at", database=records)
    assert told == {"deleted": 1, "stale": 1}

    gone = await delete_record.fn(Contact, {"id": 1}, database=records)
    again = await delete_record.fn(Contact, {"id": 1}, database=records)
    assert (gone["deleted"], gone["record"]["spent"]) == (True, 1)
    assert again == {"record": None, "deleted": False, "stale": False}


async def test_a_tombstone_keeps_a_late_update_from_bringing_the_record_back(records: str):
    async def event(hours: int, **values: Any) -> dict[str, Any]:
        row = contact(1, hours=hours, **values)
        return await upsert_record.fn(Contact, row, key=["id"], version="updated_at", database=records)

    await event(2, deleted=True)  # before anybody heard of the record
    late = await event(1, spent=7)

    assert late["stale"] and late["record"]["deleted"]
    assert await query_records.fn(Contact, {"deleted": False}, database=records) == []


async def test_events_in_any_order_end_in_the_newest_of_each(records: str):
    newest = {number: contact(number, hours=9) for number in range(230)}
    events = [contact(number, hours=hours, spent=hours) for number in newest for hours in range(3)]
    events += [*newest.values(), *newest.values()]
    random.Random(7).shuffle(events)

    for start in range(0, len(events), 450):
        await upsert_records.fn(
            Contact, events[start : start + 450], key=["id"], version="updated_at", database=records
        )
    late = [contact(1), contact(230), contact(2, hours=9)]
    told = await upsert_records.fn(Contact, late, key=["id"], version="updated_at", database=records)

    assert {row["record"]["id"]: (row["created"], row["stale"]) for row in told} == {
        1: (False, True),
        2: (False, False),
        230: (True, False),
    }
    kept = await stored(records)
    assert {number: row["spent"] for number, row in kept.items()} == {number: number for number in range(231)}
    assert kept[1]["updated_at"] == newest[1]["updated_at"]


async def test_changes_of_several_kinds_are_done_together_or_not_at_all(records: str):
    await put(records, 1, 2)
    changes = [
        create(Contact, contact(3)),
        upsert("crm_contacts", contact(3, spent=30), key=["id"]),
        upsert(Contact, contact(4), key=["id"], version="updated_at"),
        update(Contact, {"id": 1, "spent": 10}, key=["id"]),
        delete(Contact, {"id": 2}),
        delete(Contact, {"id": 99}),
    ]
    with pytest.raises(Failed):
        await change_records.fn([*changes, create(Contact, contact(1))], database=records)
    with pytest.raises(InvalidInput):
        await change_records.fn([*changes, delete(Contact, {"spent": {"gte": 1}})], database=records)
    assert list(await stored(records)) == [1, 2]

    told = await change_records.fn(changes, database=records)

    assert told[0]["id"] == 3
    assert [row["created"] for row in told[1:3]] == [False, True]
    assert [told[3]["record"]["spent"], told[4]["deleted"], told[5]["deleted"]] == [10, True, False]
    assert {number: row["spent"] for number, row in (await stored(records)).items()} == {1: 10, 3: 30, 4: 4}


async def test_pages_neither_skip_nor_repeat_while_rows_come_and_go(records: str):
    await put(records, *range(10))
    options: dict[str, Any] = {"order_by": ["-updated_at", "id"], "limit": 4, "database": records}

    page = await query_records.fn(Contact, **options)
    await delete_record.fn(Contact, {"id": 0}, database=records)
    rest = await query_records.fn(Contact, after=page[-1], **options)

    assert [row["id"] for row in (*page, *rest)] == list(range(8))
    found = await query_records.fn(Contact, {"email": {"starts_with": "3@EXAMPLE"}}, database=records)
    assert [row["id"] for row in found] == [3]


async def test_records_are_summed_up_alike_on_every_database(records: str):
    await create_records.fn(
        Contact, [contact(n, hours=n, stage=["lead", "customer"][n % 2]) for n in range(5)], database=records
    )
    figures = {
        "total": {"sum": "spent"},
        "mean": {"avg": "spent"},
        "last": {"max": "updated_at"},
        "kinds": {"distinct": "stage"},
    }

    by_stage = await summarize_records.fn(
        Contact, figures, group_by="stage", order_by="-total", where={"id": {"gt": 0}}, database=records
    )
    nothing = await summarize_records.fn("crm_contacts", figures, where={"id": 99}, database=records)

    last = [datetime.fromisoformat(row.pop("last")) for row in by_stage]
    assert last == [START + timedelta(hours=4), START + timedelta(hours=3)]
    assert by_stage == [
        {"stage": "a lead", "count": 2, "total": 6, "mean": 3.0, "kinds": 1},
        {"stage": "a customer", "count": 2, "total": 4, "mean": 2.0, "kinds": 1},
    ]
    assert nothing == [{"count": 0, "total": 0, "mean": None, "last": None, "kinds": 0}]


async def test_what_is_unknown_or_no_table_is_told(records: str):
    await put(records, 1)

    with pytest.raises(UnknownTable, match="did you mean 'crm_contacts'"):
        await update_record.fn("crm_contact", {"spent": 1}, where={"id": 1}, database=records)
    with pytest.raises(UnknownTable, match="did you mean"):
        await change_records.fn([delete("crm_contact", {"id": 1})], database=records)
    with pytest.raises(UnknownColumn, match="did you mean 'email'"):
        await delete_records.fn("crm_contacts", {"or": [{"emial": "x"}]}, database=records)
    with pytest.raises(InvalidInput, match="SQLModel class with table=True"):
        await query_records.fn(Stage, database=records)
