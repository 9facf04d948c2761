"""The synchronous workflows through the whole receiver: verified, stored, run, and answered with the run's reply."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect import Flow
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.flow_engine import run_flow_async

from blocks import WebhookSecret, connections, lookup
from blocks.bootstrap import make_example_secrets
from flows.contact_form import contact_form
from flows.order_sync import order_sync
from receiver.contract.definition import get_definition
from tests.support.deployments import runs_of
from tests.support.receiver import RunningReceiver, running_receiver, settings_for
from tests.support.waiting import eventually

PAYLOADS = Path(__file__).parents[1] / "payloads"
pytestmark = pytest.mark.usefixtures("runs_in_process")


@pytest.fixture
async def receiver(
    runs_in_process: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RunningReceiver]:
    """A receiver with both webhooks as their code defines them, and their secrets made as at the first start."""
    monkeypatch.setenv("WEBHOOKS_HOME", str(tmp_path))
    lookup.forget()
    made = await make_example_secrets()
    async with running_receiver(settings_for(tmp_path)) as running:
        async with get_client() as prefect:
            for flow in (contact_form, order_sync):
                definition = get_definition(flow)
                assert definition is not None
                await prefect.create_deployment(await prefect.create_flow(flow), "sync-in-tests", paused=False)
                fields = {**definition.to_json(), "deployment": f"{flow.name}/sync-in-tests", "timeout": 60.0}
                await running.define(**fields)
        yield running
    for name in made:  # the server is shared with tests of the first start
        await WebhookSecret.adelete(name)
    lookup.forget()
    await connections.close()


async def secret_of(name: str) -> str:
    return (await lookup.get(WebhookSecret, name)).current.get_secret_value()


async def work(prefect: PrefectClient, receiver: RunningReceiver, flow: Flow[Any, Any], number: int) -> None:
    """Be the worker of the webhook's delivery of that number, in this process."""

    async def scheduled() -> FlowRun | None:
        rows = await receiver.deliveries(webhook=flow.name)
        if len(rows) != number or not rows[0]["flow_run_id"]:
            return None
        return next(iter(await runs_of(prefect, rows[0]["id"])), None)

    run = await eventually(scheduled, 60, what=f"run {number} of {flow.name}")
    assert run is not None
    await run_flow_async(flow, flow_run=run, parameters=run.parameters)


async def call(
    receiver: RunningReceiver, flow: Flow[Any, Any], body: bytes, *, number: int = 1, **headers: str
) -> httpx.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with get_client() as prefect, asyncio.TaskGroup() as group:
        answer = group.create_task(
            receiver.http.post(f"/api/webhooks/{flow.name}", content=body, headers=sent, timeout=90)
        )
        group.create_task(work(prefect, receiver, flow, number))
    return answer.result()


async def test_a_contact_form_is_answered_with_the_customer(receiver: RunningReceiver, tmp_path: Path):
    key = await secret_of("contact-form")
    whole = (PAYLOADS / "contact_form" / "form__whole.json").read_bytes()
    form = (PAYLOADS / "contact_form" / "form__urlencoded.txt").read_bytes()
    urlencoded = "application/x-www-form-urlencoded"

    by_json = await call(receiver, contact_form, whole, X_API_Key=key, Content_Type="application/json")
    by_form = await call(receiver, contact_form, form, number=2, X_API_Key=key, Content_Type=urlencoded)
    unusable = await call(receiver, contact_form, b"email=eve", number=3, X_API_Key=key, Content_Type=urlencoded)

    assert (by_json.status_code, by_json.json()) == (201, {"id": 1, "owner": "sales-ua@example.com"})
    assert (by_form.status_code, by_form.json()) == (201, {"id": 2, "owner": "billing@example.com"})
    assert unusable.status_code == 422
    assert unusable.headers["content-type"] == "application/problem+json"
    assert unusable.json()["problems"] == [{"path": "/email", "problem": "is not an e-mail address"}]
    assert len(list((tmp_path / "mail").glob("*.eml"))) == 2


async def test_what_is_not_a_form_or_shows_no_key_makes_no_run(receiver: RunningReceiver):
    key = {"X-API-Key": await secret_of("contact-form")}

    stranger = await receiver.http.post("/api/webhooks/contact-form", json={"name": "Ada"})
    shapeless = await receiver.http.post("/api/webhooks/contact-form", json={"name": ["a", "b"]}, headers=key)

    assert stranger.status_code == 401
    assert (shapeless.status_code, shapeless.json()["problems"][0]["path"]) == (422, "/name")
    assert {row["flow_run_id"] for row in await receiver.deliveries()} == {None}


async def test_an_order_is_answered_with_what_became_of_it(receiver: RunningReceiver):
    secret = await secret_of("order-sync")
    answers = []
    for number, name in enumerate(("order__first", "order__changed", "order__first"), 1):
        body = (PAYLOADS / "order_sync" / f"{name}.json").read_bytes()
        signature = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        answers.append(await call(receiver, order_sync, body, number=number, X_Signature_256=signature))

    assert [(answer.status_code, answer.json()) for answer in answers] == [
        (201, {"id": 1, "lines": 3, "outcome": "created"}),
        (200, {"id": 1, "lines": 2, "outcome": "updated"}),
        (200, {"id": 1, "lines": 2, "outcome": "stale"}),
    ]
