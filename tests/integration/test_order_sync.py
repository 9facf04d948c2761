"""The order sync's workflow on a real Prefect server, with its records on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from pydantic import SecretStr

from blocks import RecordsDatabase, connections, lookup
from flows.nodes import query_records
from flows.order_sync import ORDER_LINES, ORDERS, order_sync
from receiver import Context, Reply

PAYLOADS = Path(__file__).parents[1] / "payloads" / "order_sync"


@pytest.fixture(params=["sqlite", "postgresql"], autouse=True)
async def database(
    request: pytest.FixtureRequest, runs_in_process: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[None]:
    """The default database of records: the file in the folder of state, or a saved block."""
    monkeypatch.setenv("WEBHOOKS_HOME", str(tmp_path))
    lookup.forget()
    if request.param == "sqlite":
        yield
    else:
        url = request.getfixturevalue("postgres").create_database()
        document = await RecordsDatabase(url=SecretStr(url)).asave("default", overwrite=True)
        yield
        async with get_client() as client:
            await client.delete_block_document(document)
    await connections.close()
    lookup.forget()


def payload(name: str, **changes: Any) -> dict[str, Any]:
    return {**json.loads((PAYLOADS / f"{name}.json").read_text(encoding="utf-8")), **changes}


async def sync(data: Any) -> Reply:
    return await order_sync(Context.from_document({"data": data, "delivery_id": "d"}))


async def lines() -> list[tuple[Any, ...]]:
    rows = await query_records.fn(ORDER_LINES, order_by=["order_id", "number"])
    return [(row["number"], row["sku"], row["quantity"], row["price"]) for row in rows]


async def test_an_order_is_created_then_changed_and_an_older_version_is_stale():
    created = await sync(payload("order__first"))
    first = await lines()
    updated = await sync(payload("order__changed"))
    stale = await sync(payload("order__first"))

    assert created == Reply(status=201, body={"id": 1, "lines": 3, "outcome": "created"})
    assert first == [
        (1, "lamp-7", "2.0000", "19.9000"),
        (2, "bulb-e27", "10.0000", "0.1000"),
        (3, "cable", "2.5000", "4.0000"),
    ]
    assert updated == Reply(status=200, body={"id": 1, "lines": 2, "outcome": "updated"})
    assert stale == Reply(status=200, body={"id": 1, "lines": 2, "outcome": "stale"})
    assert await lines() == [(1, "lamp-7", "3.0000", "19.9000"), (4, "shade", "1.0000", "12.3456")]
    [order] = await query_records.fn(ORDERS)
    assert (order["status"], order["updated_at"]) == ("paid", "2026-03-01T09:30:00+00:00")


async def test_an_order_without_lines_keeps_none_and_others_keep_theirs():
    await sync(payload("order__first"))
    other = await sync(payload("order__erp-numbers"))
    emptied = await sync(payload("order__cancelled-without-lines"))

    assert (other.status, other.body["lines"]) == (201, 1)
    assert (emptied.status, emptied.body["lines"]) == (200, 0)
    assert await lines() == [(10, "730015", "1.0000", "99999999999999.0000")]


async def test_versions_that_arrive_together_leave_the_newest():
    versions = [
        payload("order__first", version=number, lines=payload("order__first")["lines"][:number]) for number in (2, 3, 1)
    ]
    replies = await asyncio.gather(*(sync(version) for version in versions), sync(versions[1]))

    [order] = await query_records.fn(ORDERS)
    assert (order["revision"], len(await lines())) == (3, 3)
    assert sorted(reply.status for reply in replies) == [200, 200, 200, 201]


@pytest.mark.parametrize("name", ["refused__two-lines-with-one-number", "refused__no-age"])
async def test_an_order_that_cannot_be_used_is_answered_with_what_is_wrong(name: str):
    reply = await sync(payload(name))

    assert (reply.status, len(reply.body["problems"])) == (422, 1)
