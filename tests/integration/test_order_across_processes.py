"""Deliveries of one key follow each other, whichever receiver took them and whichever worker runs them."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.postgres import TestPostgres
from tests.support.prefect import PrefectServer
from tests.support.receiver import ADMIN_KEY
from tests.support.serving import two_receivers
from tests.support.waiting import eventually
from tests.support.workers import Pool, client_of, lines, make_pool, running_worker

DELIVERIES = int(os.environ.get("TEST_DELIVERIES", "60"))
"""`TEST_DELIVERIES=1000` takes some minutes."""
KEYS = [f"customer-{number}" for number in range(10)]
DEADLINE = 30 + DELIVERIES


@pytest.fixture
async def pool(prefect_server: PrefectServer, tmp_path: Path) -> AsyncIterator[Pool]:
    """A warm pool that two workers serve."""
    async with client_of(prefect_server) as client:
        made = await make_pool(client, prefect_server, "warm", children=2)
        with running_worker(made, tmp_path, "one"), running_worker(made, tmp_path, "other"):
            yield made


@pytest.fixture
def addresses(
    postgres: TestPostgres, prefect_server: PrefectServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[str]]:
    with two_receivers(postgres, prefect_server, tmp_path_factory) as found:
        yield found


async def test_runs_of_a_key_follow_each_other_over_two_receivers_and_two_workers(
    pool: Pool, addresses: list[str], tmp_path: Path
):
    notes = tmp_path / "notes"
    await pool.deployment("ordered.step")
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    async with contextlib.AsyncExitStack() as stack:
        receivers = [
            await stack.enter_async_context(httpx.AsyncClient(base_url=address, headers=headers, timeout=120))
            for address in addresses
        ]
        definition = {
            "key": "ordered",
            "deployment": f"step/{pool.name}",
            "verification": {"scheme": "none"},
            "ordering_key": "{{$context.data.key}}",
            "parameters": {
                "notes": str(notes),
                "key": "{{$context.data.key}}",
                "number": "{{$context.data.number}}",
            },
        }
        made = await receivers[0].post("/api/admin/webhooks", json=definition)
        assert made.status_code == 201, made.text

        async def send(key: str) -> None:
            for number in range(DELIVERIES // len(KEYS)):
                taken = await receivers[number % 2].post("/api/webhooks/ordered", json={"key": key, "number": number})
                assert taken.status_code == 202, taken.text

        await asyncio.gather(*(send(key) for key in KEYS))

        async def all_have_ended() -> bool:
            found = await receivers[1].get("/api/admin/webhooks/ordered")
            return bool(found.json()["stats"]["by_status"] == {"completed": DELIVERIES})

        await eventually(all_have_ended, DEADLINE, what=f"{DELIVERIES} deliveries are completed")
    by_key: dict[str, list[str]] = defaultdict(list)
    for line in lines(notes):
        key, _, rest = line.partition(" ")
        by_key[key].append(rest)
    expected = [f"{number} {what}" for number in range(DELIVERIES // len(KEYS)) for what in ("begins", "ends")]
    assert by_key == dict.fromkeys(KEYS, expected)
