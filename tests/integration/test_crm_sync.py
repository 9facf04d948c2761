"""A CRM's events into PostgreSQL, repeated and in any order, and the list that tells what was withheld."""

from __future__ import annotations

import json
import os
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from pydantic import SecretStr

from blocks import HttpService, RecordsDatabase, connections, lookup
from flows.crm_event import DELETED
from flows.crm_reconcile import crm_reconcile
from flows.crm_sync import CRM_FIELDS, crm_sync
from flows.nodes import query_records
from receiver import DeliveriesFailed
from receiver.contract.envelope import render_batch
from receiver.contract.templates import compile_template
from tests.support.http_server import Answer, HttpServer
from tests.support.postgres import TestPostgres

EVENTS = int(os.environ.get("TEST_EVENTS", "300"))
PAYLOADS = Path(__file__).parents[1] / "payloads" / "crm_sync"
BATCH = compile_template({"batch": "{{$context}}"}, roots=frozenset({"context"}))
State = dict[str, dict[str, str]]


@pytest.fixture(autouse=True)
async def database(
    runs_in_process: Any, postgres: TestPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[None]:
    """The default database of records is an empty one on PostgreSQL."""
    monkeypatch.setenv("WEBHOOKS_HOME", str(tmp_path))
    lookup.forget()
    document = await RecordsDatabase(url=SecretStr(postgres.create_database())).asave("default", overwrite=True)
    yield
    async with get_client() as client:
        await client.delete_block_document(document)
    await connections.close()
    lookup.forget()


def made(count: int, randomly: random.Random) -> tuple[list[dict[str, Any]], State, dict[str, int]]:
    """Events as the CRM has them, what it has in the end, and when each record last changed (milliseconds)."""
    events: list[dict[str, Any]] = []
    state: State = {}
    changed: dict[str, int] = {}
    for number in range(count):
        record, at = str(randomly.randrange(count // 10)), 1_772_352_000_000 + number
        event = {"eventId": number, "objectId": int(record), "occurredAt": at}
        if randomly.random() < 0.05:
            deleted = randomly.random() < 0.7
            events.append({**event, "subscriptionType": f"contact.{'deletion' if deleted else 'creation'}"})
            state.setdefault(record, {})[DELETED] = str(deleted).lower()
        else:
            field, value = randomly.choice(["email", "phone", "owner"]), f"v{number}"
            change = {"propertyName": field, "propertyValue": value}
            events.append({**event, "subscriptionType": "contact.propertyChange", **change})
            state.setdefault(record, {})[field] = value
        changed[record] = at
    return events, state, changed


async def sync(events: list[Any]) -> None:
    """As the receiver would: a hundred deliveries in a run."""
    for start in range(0, len(events), 100):
        some = enumerate(events[start : start + 100], start)
        given = [({"v": 1, "data": event}, f"d{number}", 1, False) for number, event in some]
        flow: Any = crm_sync
        await flow(**render_batch(BATCH, given))


async def stored() -> State:
    state: State = {}
    for row in await query_records.fn(CRM_FIELDS, limit=10_000):
        state.setdefault(row["external_id"], {})[row["field"]] = row["value"]
    return state


async def test_events_in_random_order_with_duplicates_end_in_the_sources_state():
    randomly = random.Random(7)
    events, state, _ = made(EVENTS, randomly)
    sent = events + randomly.choices(events, k=EVENTS // 5)
    randomly.shuffle(sent)
    await sync(sent)
    assert await stored() == state


async def test_the_list_finds_and_repairs_what_was_withheld(prefect: PrefectClient):
    randomly = random.Random(11)
    events, state, changed = made(EVENTS, randomly)
    withheld = set(randomly.sample(range(EVENTS), 50))
    await sync([event for event in events if event["eventId"] not in withheld])
    assert await stored() != state
    listed = [
        {
            "id": record,
            "properties": {name: value for name, value in fields.items() if name != DELETED},
            "updatedAt": datetime.fromtimestamp(changed[record] / 1000, UTC).isoformat(),
            "archived": fields.get(DELETED) == "true",
        }
        for record, fields in state.items()
    ]
    async with HttpServer() as crm:
        half = len(listed) // 2
        first = {"results": listed[:half], "paging": {"next": {"after": "h"}}}
        crm.answers = [Answer(body=json.dumps(first)), Answer(body=json.dumps({"results": listed[half:]}))]
        await HttpService(base_url=crm.url, allow_networks=["127.0.0.0/8"]).asave("crm", overwrite=True)
        told = await crm_reconcile()
        assert [each.target for each in crm.requests] == [
            "/crm/v3/objects/contacts?limit=100",
            "/crm/v3/objects/contacts?limit=100&after=h",
        ]
    assert told["listed"] == len(state) and told["repaired"] >= 1
    now = await stored()
    assert {record: {DELETED: "false", **fields} for record, fields in now.items()} == {
        record: {DELETED: "false", **fields} for record, fields in state.items()
    }
    [artifact] = await prefect.read_artifacts(
        artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["crm-reconcile-contact"]))
    )
    assert f"{told['repaired']} fields repaired" in (artifact.description or "")


async def test_an_event_that_cannot_be_read_fails_alone():
    events = json.loads((PAYLOADS / "events__two-contacts.json").read_text(encoding="utf-8"))
    with pytest.raises(DeliveriesFailed) as failed:
        await sync([*events, 7])
    assert failed.value.failed == ("d3",)
    assert (await stored())["512"] == {DELETED: "false", "email": "ada@example.com"}
