"""Synchronous webhooks on a real Prefect server: the caller waits, and the flow's reply is its answer."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.events import emit_event
from prefect.states import Completed, Crashed, Failed, Running, Suspended

from receiver.contract.reply import Reply
from tests.support.deployments import make_deployment, runs_of
from tests.support.receiver import RunningReceiver, running_receiver, settings_for
from tests.support.waiting import eventually

Behaviour = Callable[[PrefectClient, FlowRun], Awaitable[None]]


def send_reply(run: FlowRun, wire: dict[str, Any]) -> None:
    envelope = run.parameters["context"]
    payload = {**wire, "attempt": envelope["attempt"], "flow_run_id": str(run.id)}
    emit_event(
        "webhooks.reply", {"prefect.resource.id": f"webhooks.delivery.{envelope['delivery_id']}"}, payload=payload
    )


def replying(reply: Reply) -> Behaviour:
    async def behave(prefect: PrefectClient, run: FlowRun) -> None:
        await prefect.set_flow_run_state(run.id, Running(), force=True)
        send_reply(run, reply.to_wire())
        await prefect.set_flow_run_state(run.id, Completed(), force=True)

    return behave


async def failing(prefect: PrefectClient, run: FlowRun) -> None:
    await prefect.set_flow_run_state(run.id, Failed(message="a secret cause"), force=True)


async def silent(prefect: PrefectClient, run: FlowRun) -> None:
    await prefect.set_flow_run_state(run.id, Completed(), force=True)


async def work(prefect: PrefectClient, receiver: RunningReceiver, key: str, behave: Behaviour) -> None:
    """Be the worker of the next delivery of a webhook."""

    async def run() -> FlowRun | None:
        for row in await receiver.deliveries(webhook=key):
            if row["flow_run_id"] and (runs := await runs_of(prefect, row["id"])):
                return runs[0]
        return None

    found = await eventually(run, 30, what=f"a run for {key}")
    assert found is not None
    await behave(prefect, found)


async def call(
    prefect: PrefectClient, receiver: RunningReceiver, key: str, behave: Behaviour | None, **fields: Any
) -> httpx.Response:
    deployment = await make_deployment(prefect)
    await receiver.define(key, mode="sync", deployment=deployment, **fields)
    async with asyncio.TaskGroup() as group:
        answer = group.create_task(receiver.http.post(f"/api/webhooks/{key}", json={"n": 7}, timeout=300))
        if behave is not None:
            group.create_task(work(prefect, receiver, key, behave))
    return answer.result()


async def test_the_reply_of_the_flow_is_the_answer(receiver: RunningReceiver, prefect: PrefectClient):
    reply = Reply(status=201, body={"id": 7}, headers={"X-Kind": "customer"})
    answer = await call(prefect, receiver, "reply", replying(reply), timeout=110)
    assert (answer.status_code, answer.json(), answer.headers["x-kind"]) == (201, {"id": 7}, "customer")
    row = await receiver.delivery(answer.headers["webhook-delivery-id"])
    assert row["response_status"] == 201


async def test_a_plain_result_becomes_the_configured_response(receiver: RunningReceiver, prefect: PrefectClient):
    wire = {**Reply(body={"result": {"sum": 3}}).to_wire(), "status": None}

    async def behave(client: PrefectClient, run: FlowRun) -> None:
        send_reply(run, wire)
        await client.set_flow_run_state(run.id, Completed(), force=True)

    response = {"status": 203, "body": {"sum": "{{$result.sum}}", "n": "{{$context.data.n}}"}}
    answer = await call(prefect, receiver, "shaped", behave, timeout=110, response=response)
    assert (answer.status_code, answer.json()) == (203, {"sum": 3, "n": 7})


async def test_a_caller_goes_on_waiting_while_a_crashed_run_is_tried_again(
    receiver: RunningReceiver, prefect: PrefectClient
):
    async def crash_first(client: PrefectClient, run: FlowRun) -> None:
        await client.set_flow_run_state(run.id, Running(), force=True)
        await client.set_flow_run_state(run.id, Crashed(message="killed"), force=True)
        delivery_id = run.parameters["context"]["delivery_id"]

        async def next_run() -> FlowRun | None:
            return next((each for each in await runs_of(client, delivery_id) if each.id != run.id), None)

        await replying(Reply(status=201, body={"id": 8}))(client, await eventually(next_run, 30, what="a second run"))

    answer = await call(prefect, receiver, "crashes", crash_first, timeout=110, on_crash="retry")
    assert (answer.status_code, answer.json()) == (201, {"id": 8})
    row = await receiver.delivery(answer.headers["webhook-delivery-id"])
    assert [attempt["cause"] for attempt in row["attempts"]] == ["request", "crash"]


async def test_a_failed_run_is_500_without_its_cause(receiver: RunningReceiver, prefect: PrefectClient):
    answer = await call(prefect, receiver, "fails", failing, timeout=110)
    assert answer.status_code == 500 and "secret cause" not in answer.text
    assert answer.json()["delivery_id"] == answer.headers["webhook-delivery-id"]


async def test_a_flow_that_sends_no_reply_answers_with_its_end(receiver: RunningReceiver, prefect: PrefectClient):
    answer = await call(prefect, receiver, "silent", silent, timeout=110)
    assert answer.status_code == 200 and answer.json()["status"] == "completed"


async def test_a_deployment_that_is_missing_is_503(receiver: RunningReceiver):
    await receiver.define("missing", mode="sync", deployment=f"no/{uuid.uuid4().hex}", timeout=110)
    answer = await receiver.http.post("/api/webhooks/missing", json={}, timeout=300)
    assert answer.status_code == 503 and answer.headers["retry-after"]


@pytest.mark.parametrize(("on_timeout", "status"), [(202, 202), (504, 504)])
async def test_a_late_reply_is_kept_and_the_status_url_gives_it(
    receiver: RunningReceiver, prefect: PrefectClient, on_timeout: int, status: int
):
    key = f"late{on_timeout}"
    answer = await call(prefect, receiver, key, None, timeout=0.3, on_timeout=on_timeout)
    assert answer.status_code == status
    url = httpx.URL(answer.json()["status_url"]).raw_path.decode()
    await work(prefect, receiver, key, replying(Reply(status=201, body={"id": 1})))

    async def replied() -> dict[str, Any] | None:
        found: dict[str, Any] | None = (await receiver.http.get(url)).json().get("reply")
        return found

    assert await eventually(replied, 30) == {"status": 201, "headers": {}, "body": {"id": 1}}


async def test_a_run_that_waits_for_a_person_is_answered_at_once(receiver: RunningReceiver, prefect: PrefectClient):
    async def behave(client: PrefectClient, run: FlowRun) -> None:
        await client.set_flow_run_state(run.id, Running(), force=True)
        await client.set_flow_run_state(run.id, Suspended(timeout_seconds=3600), force=True)

    async with asyncio.timeout(60):  # long before the webhook's own time is over
        answer = await call(prefect, receiver, "suspends", behave, timeout=120, on_timeout=504)
    assert answer.status_code == 504 and answer.json()["status_url"]


async def test_a_reply_of_another_run_is_not_believed(receiver: RunningReceiver, prefect: PrefectClient):
    async def behave(client: PrefectClient, run: FlowRun) -> None:
        stranger = run.model_copy(update={"id": uuid.uuid4()})
        send_reply(stranger, Reply(status=299).to_wire())
        send_reply(run, Reply(status=201).to_wire())

    answer = await call(prefect, receiver, "stranger", behave, timeout=110)
    assert answer.status_code == 201


async def test_a_reply_that_cannot_be_sent_is_500(receiver: RunningReceiver, prefect: PrefectClient):
    async def behave(client: PrefectClient, run: FlowRun) -> None:
        send_reply(run, {"v": 1, "status": 200, "headers": {"Connection": "close"}, "body": None})

    answer = await call(prefect, receiver, "bad", behave, timeout=110)
    assert answer.status_code == 500 and "cannot be sent" in answer.text
    row = await receiver.delivery(answer.headers["webhook-delivery-id"])
    assert (row["reason"], row["response_status"]) == ("bad_reply", 500)
    assert (await receiver.logged())[-1]["reason"] == "bad_reply"


async def test_a_duplicate_waits_for_the_same_reply_and_a_later_one_gets_it(
    receiver: RunningReceiver, prefect: PrefectClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SYNC_TEST_KEY", "k")
    await receiver.define(
        "twice",
        mode="sync",
        timeout=110,
        deployment=await make_deployment(prefect),
        verification={"scheme": "api-key", "secret": "env:SYNC_TEST_KEY"},
        deduplicate={"key": "{{$context.headers.x-event-id}}"},
    )

    async def post() -> httpx.Response:
        headers = {"X-API-Key": "k", "X-Event-Id": "e1"}
        return await receiver.http.post("/api/webhooks/twice", json={}, headers=headers, timeout=300)

    async with asyncio.TaskGroup() as group:
        callers = [group.create_task(post()) for _ in range(3)]
        group.create_task(work(prefect, receiver, "twice", replying(Reply(status=201, body={"id": 5}))))
    answers = [caller.result() for caller in callers] + [await post()]
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, b'{"id":5}')}
    assert sum("webhook-duplicate-of" in answer.headers for answer in answers) == 3


async def test_any_receiver_hears_the_reply(
    tmp_path: Path, prefect: PrefectClient, postgres: Any, monkeypatch: pytest.MonkeyPatch
):
    url = postgres.create_database()
    async with (
        running_receiver(settings_for(tmp_path / "a", database_url=url)) as one,
        running_receiver(settings_for(tmp_path / "b", database_url=url)) as other,
    ):
        deployment = await make_deployment(prefect)
        for number in range(3):
            key = f"many{number}"
            await one.define(key, mode="sync", deployment=deployment, timeout=110)
            async with asyncio.TaskGroup() as group:
                answer = group.create_task(other.http.post(f"/api/webhooks/{key}", json={}, timeout=300))
                group.create_task(work(prefect, other, key, replying(Reply(body={"n": number}))))
            assert answer.result().json() == {"n": number}
