"""Two receivers on one PostgreSQL: what is changed through one is so in the other."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from itertools import count
from typing import Any

import httpx
import pytest

from tests.support.postgres import TestPostgres
from tests.support.prefect import PrefectServer
from tests.support.receiver import ADMIN_KEY
from tests.support.serving import two_receivers
from tests.support.waiting import eventually

TIMES = int(os.environ.get("TEST_TIMES", "200"))
"""How many webhooks are made and called; `TEST_TIMES=1000` takes a minute or more."""
AT_ONCE = 8
OPEN: dict[str, Any] = {"deployment": "none/none", "verification": {"scheme": "none"}}
PAUSED = {**OPEN, "state": "paused"}
"""Stored and answered all the same, and kept from Prefect, which has no such deployment."""


@pytest.fixture(scope="module")
def addresses(
    postgres: TestPostgres, prefect_server: PrefectServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[str]]:
    with two_receivers(postgres, prefect_server, tmp_path_factory) as found:
        yield found


@pytest.fixture
async def pair(addresses: list[str]) -> AsyncIterator[list[httpx.AsyncClient]]:
    """A client of each, with the administrator's key."""
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    async with contextlib.AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(httpx.AsyncClient(base_url=address, headers=headers, timeout=120))
            for address in addresses
        ]


async def test_what_is_made_through_one_is_served_by_the_other_at_once(pair: list[httpx.AsyncClient]) -> None:
    one, other = pair
    numbers = count()
    found: list[int] = []

    async def make_and_call() -> None:
        while (number := next(numbers)) < TIMES:
            key = f"made-{number}"
            made = await one.put(f"/api/admin/webhooks/{key}", json=PAUSED)
            assert made.status_code == 201, made.text
            found.append((await other.post(f"/api/webhooks/{key}", json={})).status_code)
            await one.delete(f"/api/admin/webhooks/{key}")

    await asyncio.gather(*(make_and_call() for _ in range(AT_ONCE)))
    assert found == [202] * TIMES


async def test_a_change_and_a_deletion_reach_the_other_soon(pair: list[httpx.AsyncClient]) -> None:
    one, other = pair

    async def answers(status: int) -> None:
        async def answered() -> bool:
            return (await other.post("/api/webhooks/orders", json={})).status_code == status

        await eventually(answered, what=f"the other answers {status}")

    await one.put("/api/admin/webhooks/orders", json=OPEN)
    await answers(202)
    await one.patch("/api/admin/webhooks/orders", json={"methods": ["PUT"]})
    await answers(405)
    await one.patch("/api/admin/webhooks/orders", json={"methods": ["POST"], "state": "disabled"})
    await answers(404)
    await one.patch("/api/admin/webhooks/orders", json={"state": "enabled"})
    await answers(202)
    await one.delete("/api/admin/webhooks/orders")
    await answers(404)


async def test_fields_changed_through_both_at_once_are_all_changed(pair: list[httpx.AsyncClient]) -> None:
    """A loser of the race is judged again by what the winner stored."""
    await pair[0].put("/api/admin/webhooks/shared", json=OPEN)
    changes: list[dict[str, Any]] = [{"methods": ["PUT"]}, {"filter": "true"}, {"max_body": 2048}, {"mode": "sync"}]
    answers = await asyncio.gather(
        *(pair[n % 2].patch("/api/admin/webhooks/shared", json=change) for n, change in enumerate(changes))
    )
    assert [answer.status_code for answer in answers] == [200] * 4
    stored = (await pair[1].get("/api/admin/webhooks/shared")).json()
    assert [stored[name] for change in changes for name in change] == [["PUT"], "true", 2048, "sync"]
    assert stored["revision"] == 5


async def test_a_key_and_a_path_that_both_define_at_once_are_the_one_ones(pair: list[httpx.AsyncClient]) -> None:
    key = await asyncio.gather(*(each.post("/api/admin/webhooks", json={**OPEN, "key": "twice"}) for each in pair))
    assert sorted(answer.status_code for answer in key) == [201, 409]
    path = await asyncio.gather(
        *(
            each.post("/api/admin/webhooks", json={**OPEN, "key": f"path-{n}", "path": f"shops/{{a{n}}}"})
            for n, each in enumerate(pair)
        )
    )
    assert sorted(answer.status_code for answer in path) == [201, 422]
