"""Nodes inside runs: what is retried, how often things happen, and what Prefect's log shows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from prefect import flow, task
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import get_client
from sqlalchemy import Column, Integer, MetaData, String, Table

from blocks import AppriseChannel, ChatRobot, HttpService, RecordsDatabase, WebhookSecret, connections, lookup
from flows.hello import hello
from flows.nodes import (
    Failed,
    InvalidInput,
    NotConfigured,
    TryAgain,
    create_record,
    create_records,
    http_request,
    notify,
    query_records,
    send_email,
    start_deployment,
    when,
)
from tests.support.http_server import Answer, HttpServer

pytestmark = pytest.mark.usefixtures("runs_in_process")

CUSTOMERS = Table(
    "customers",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("email", String(100), unique=True),
    Column("visits", Integer),
)
call_at_once = http_request.with_options(retry_delay_seconds=0)


@pytest.fixture(autouse=True)
async def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    monkeypatch.setenv("WEBHOOKS_HOME", str(tmp_path))
    lookup.forget()
    yield tmp_path
    await connections.close()


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    async with HttpServer() as started:
        yield started


@flow
async def calls(url: str, method: str = "GET") -> Any:
    block = HttpService(base_url=url, allow_networks=["127.0.0.1"])
    return await call_at_once(method, "/", {"Authorization": "Bearer s3cret"}, service=block)


async def test_a_server_that_recovers_is_asked_until_it_answers(server: HttpServer):
    server.answers = [
        Answer(500),
        Answer(429, "", {"Retry-After": "0"}),
        Answer(drop=True),
        Answer(200, '{"ok": true}'),
    ]

    assert (await calls(server.url))["json"] == {"ok": True}
    assert len(server.requests) == 4


async def test_a_server_that_does_not_recover_is_asked_four_times(server: HttpServer):
    server.answers = [Answer(503)] * 10

    with pytest.raises(TryAgain):
        await calls(server.url)
    assert len(server.requests) == 4


@pytest.mark.parametrize("answer", [Answer(404), Answer(drop=True), Answer(429, "", {"Retry-After": "3600"})])
async def test_what_is_final_is_asked_once(server: HttpServer, answer: Answer):
    server.answers = [answer] * 5

    with pytest.raises(Failed):
        await calls(server.url, "POST")
    assert len(server.requests) == 1


async def test_inputs_and_outputs_are_logged_without_credentials(server: HttpServer, caplog: pytest.LogCaptureFixture):
    server.answers = [Answer(200, '{"token": "s3cret", "name": "Ada"}')]

    await calls(server.url)

    lines = [record.getMessage() for record in caplog.records if record.name == "prefect.task_runs"]
    given = json.loads(next(line for line in lines if line.startswith("input ")).removeprefix("input "))
    answered = json.loads(next(line for line in lines if line.startswith("output ")).removeprefix("output "))
    assert given["headers"] == {"Authorization": "********"}
    assert answered["json"] == {"token": "********", "name": "Ada"}
    assert "s3cret" not in "".join(lines)


@flow
async def stores_and_finds(database: str = "default") -> list[dict[str, Any]]:
    await create_records(
        CUSTOMERS,
        [{"email": f"{name}@example.com", "visits": visits} for name, visits in [("ada", 3), ("bob", 1), ("eve", 9)]],
        unique=["email"],
        database=database,
    )
    again = await create_record(
        "customers", {"email": "ada@example.com", "visits": 0}, unique=["email"], database=database
    )
    assert again["visits"] == 3, "the record that was there is given back unchanged"
    return await query_records("customers", {"visits": {"gte": 2}}, order_by="-visits", database=database)


async def test_records_are_stored_once_and_found_on_sqlite():
    await stores_and_finds()
    found = await stores_and_finds()

    assert [row["email"] for row in found] == ["eve@example.com", "ada@example.com"]
    assert [row["id"] for row in found] == [3, 1]


async def test_records_are_stored_once_and_found_on_postgresql(postgres):
    await RecordsDatabase(url=postgres.create_database()).asave("in-tests", overwrite=True)

    await stores_and_finds("in-tests")
    found = await stores_and_finds("in-tests")

    assert [row["email"] for row in found] == ["eve@example.com", "ada@example.com"]


@flow
async def stores(table: Any, values: dict[str, Any]) -> dict[str, Any]:
    return await create_record.with_options(retry_delay_seconds=0)(table, values)


async def test_a_value_the_database_refuses_is_told_without_the_statement():
    await stores(CUSTOMERS, {"email": "ada@example.com"})

    with pytest.raises(Failed, match=r"UNIQUE constraint failed: customers\.email$"):
        await stores(CUSTOMERS, {"email": "ada@example.com"})


async def test_an_unknown_table_or_column_is_told_once(caplog: pytest.LogCaptureFixture):
    await stores(CUSTOMERS, {"email": "ada@example.com"})

    with pytest.raises(InvalidInput, match="did you mean 'customers'"):
        await stores("custommers", {"email": "x"})
    with pytest.raises(InvalidInput, match="did you mean 'email'"):
        await stores("customers", {"mail": "x"})
    assert not [record for record in caplog.records if "will start" in record.getMessage()]


async def test_a_table_made_by_somebody_else_is_used_as_it_is(home: Path):
    with sqlite3.connect(home / "records.db") as connection:
        connection.execute(
            "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL DEFAULT 'empty', at DATETIME)"
        )
    connection.close()

    stored = await stores("notes", {"at": "2026-03-01T10:00:00"})

    assert stored == {"id": 1, "body": "empty", "at": "2026-03-01T10:00:00"}


@flow
async def starts(name: str, *keys: str) -> list[dict[str, Any]]:
    return [await start_deployment(name, {"context": {}}, key=key) for key in keys]


@pytest.fixture
async def deployment() -> str:
    async with get_client() as client:
        await client.create_deployment(await client.create_flow(hello), "started-in-tests")
    return "hello/started-in-tests"


async def test_the_same_start_in_one_run_is_one_start_and_a_key_tells_two_apart(deployment: str):
    first, again, second = await starts(deployment, "", "", "other")

    assert first["id"] == again["id"] != second["id"]
    assert first["state"] == "Scheduled"


async def test_another_run_starts_its_own(deployment: str):
    [one], [other] = await starts(deployment, ""), await starts(deployment, "")

    assert one["id"] != other["id"]


async def test_a_task_that_is_retried_after_it_started_a_run_has_started_one(deployment: str):
    started = []

    @flow
    async def unlucky() -> None:
        await node()

    original = start_deployment.fn

    async def loses_the_answer() -> dict[str, Any]:
        run = await original(deployment, {"context": {}})
        started.append(run["id"])
        if len(started) == 1:
            raise TryAgain("the answer was lost")
        return run

    node = task(retries=2)(loses_the_answer)
    await unlucky()

    assert len(started) == 2
    assert len(set(started)) == 1


async def test_a_deployment_that_does_not_exist_is_told():
    with pytest.raises(InvalidInput, match="there is no deployment 'hello/nowhere'"):
        await starts("hello/nowhere", "")


async def test_waiting_ends_with_the_time_allowed(deployment: str):
    @flow
    async def waits() -> None:
        await start_deployment(deployment, {"context": {}}, wait=True, timeout=0.5)

    with pytest.raises(Failed, match=r"is (Scheduled|Late), not completed"):
        await waits()


async def test_mail_from_one_task_keeps_its_message_id(home: Path):
    @flow
    async def writes() -> dict[str, Any]:
        return await send_email(["Ada <ada@example.com>", "bob@example.com"], "Привіт", "text", "<p>text</p>")

    sent = await writes()

    assert sent["recipients"] == ["ada@example.com", "bob@example.com"]
    [file] = (home / "mail").iterdir()
    assert sent["message_id"].strip("<>").partition("@")[0] in file.name


async def test_a_condition_in_python_has_the_name_of_its_function(caplog: pytest.LogCaptureFixture):
    def is_large(context: Any) -> bool:
        return bool(context["data"]["price"] > 100)

    @flow
    async def decides() -> bool:
        return await when(is_large, {"data": {"price": 120}})

    assert await decides() is True
    names = {getattr(record, "task_run_name", "") for record in caplog.records}
    assert "when is_large" in names


async def test_the_block_decides_the_channel(home: Path, server: HttpServer):
    @flow
    async def tells(*channels: str) -> list[dict[str, Any]]:
        return [await notify(channel, "Order 7", "large") for channel in channels]

    await CustomWebhookNotificationBlock(name="x", url=server.url, json_data={"text": "{{body}}"}).save(
        "in-tests", overwrite=True
    )
    url = f"{server.url}/robot"
    await ChatRobot(platform="wecom", url=url, allow_networks=["127.0.0.1"]).save("in-tests", overwrite=True)
    await AppriseChannel(url=url.replace("http", "json")).save("in-tests", overwrite=True)
    server.answers = [Answer(200), Answer(200, '{"errcode": 0}')]

    told = await tells("custom-webhook/in-tests", "chat-robot/in-tests", "apprise-channel/in-tests", "smtp/default")

    assert [request.target for request in server.requests] == ["/", "/robot", "/robot"]
    assert told[-1]["recipients"] == ["team@localhost"]
    await WebhookSecret(current="x").save("in-tests", overwrite=True)
    with pytest.raises(InvalidInput, match="is a WebhookSecret, which notifies nobody"):
        await tells("webhook-secret/in-tests")
    for missing in ("slack-webhook/missing", "chat-robot/missing", "no-such-type/missing"):
        with pytest.raises(NotConfigured, match=f"there is no block {missing}"):
            await tells(missing)
