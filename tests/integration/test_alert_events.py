"""Warnings in a real Prefect: the event, an automation that acts upon it, and when a block was changed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.client.schemas.objects import FlowRun
from pydantic import SecretStr

from blocks import WebhookSecret
from receiver.alert_settings import AlertSettings
from receiver.prefect_gateway import PrefectGateway
from tests.support.deployments import make_deployment
from tests.support.http_server import HttpServer
from tests.support.receiver import RunningReceiver, running_receiver, settings_for
from tests.support.waiting import eventually


async def test_an_automation_starts_a_deployment_with_the_warning_as_plain_data(
    receiver: RunningReceiver, prefect: PrefectClient
):
    deployment = await make_deployment(prefect)
    wanted = {"deployment": deployment}
    shown = await receiver.admin.put("/api/admin/alerts/automation", json={**wanted, "dry_run": True})
    assert shown.status_code == 200 and shown.json()["id"] is None, shown.text
    made = [await receiver.admin.put("/api/admin/alerts/automation", json=wanted) for _ in range(2)]
    assert made[0].json()["id"] == made[1].json()["id"], made[1].text  # replaced, not doubled
    runs: list[FlowRun] = []

    async def fired() -> bool:
        # The server takes up a new automation a moment after it was made.
        tried = await receiver.admin.post("/api/admin/alerts/test")
        assert tried.json() == {"results": [{"channel": "event", "problem": ""}]}, tried.text
        named = DeploymentFilter(name=DeploymentFilterName(any_=[deployment.partition("/")[2]]))
        runs[:] = await prefect.read_flow_runs(deployment_filter=named)
        return bool(runs)

    await eventually(fired, timeout=60, what="the automation starts the deployment")
    alert = runs[0].parameters["alert"]
    assert alert["kind"] == "test" and alert["resource"] == "webhooks.receiver"
    assert alert["text"].startswith("Test: a test of this channel")
    audit = (await receiver.admin.get("/api/admin/audit", params={"action": "alert.automation"})).json()["items"]
    assert [each["object"] for each in audit] == [made[0].json()["id"]] * 2


async def test_an_automation_sends_by_a_notification_block(receiver: RunningReceiver, prefect: PrefectClient):
    async with HttpServer() as server:
        block = CustomWebhookNotificationBlock(
            name="alerts", url=server.url, json_data={"text": "{{subject}}|{{body}}"}, secrets={}
        )
        await block.asave("alerts", overwrite=True)
        answer = await receiver.admin.put("/api/admin/alerts/automation", json={"notify": "custom-webhook/alerts"})
        assert answer.status_code == 200, answer.text

        async def told() -> bool:
            await receiver.admin.post("/api/admin/alerts/test")
            return bool(server.requests)

        await eventually(told, timeout=60, what="the block sends")
        subject, _, body = json.loads(server.requests[0].body)["text"].partition("|")
        assert subject == "Webhooks: Test: a test of this channel" and "somebody asked for it" in body
        await prefect._client.delete(f"/automations/{answer.json()['id']}")


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({"notify": "slack-webhook/nobody-s"}, 404),
        ({"deployment": "nobody/s"}, 404),
        ({}, 422),
        ({"notify": "a/b", "deployment": "a/b"}, 422),
        ({"notify": "no-slash"}, 422),
    ],
)
async def test_what_prefect_has_not_is_said(receiver: RunningReceiver, wanted: dict[str, Any], status: int):
    answer = await receiver.admin.put("/api/admin/alerts/automation", json=wanted)
    assert answer.status_code == status, answer.text


async def test_a_block_that_cannot_notify_is_refused_and_a_change_of_it_has_a_time(
    receiver: RunningReceiver, prefect: PrefectClient
):
    began = datetime.now(UTC)
    await WebhookSecret(current=SecretStr("one")).asave("alerts-test", overwrite=True)
    async with PrefectGateway() as gateway:
        first = await gateway.alerts.block_changed_at("webhook-secret", "alerts-test")
        await WebhookSecret(current=SecretStr("two")).asave("alerts-test", overwrite=True)
        second = await gateway.alerts.block_changed_at("webhook-secret", "alerts-test")
        assert first is not None and second is not None and began <= first < second
        assert await gateway.alerts.block_changed_at("webhook-secret", "nobody-s") is None
    answer = await receiver.admin.put("/api/admin/alerts/automation", json={"notify": "webhook-secret/alerts-test"})
    assert answer.status_code == 422 and "cannot notify" in answer.text


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({"properties": {"context": {}}, "required": ["context"]}, 422),
        ({"properties": {"alert": {}, "team": {}}, "required": ["alert", "team"]}, 422),
        ({"properties": {"alert": {}, "team": {}}, "required": ["alert"]}, 200),
    ],
)
async def test_a_deployment_that_could_not_be_started_with_a_warning_is_refused(
    receiver: RunningReceiver, prefect: PrefectClient, parameters: dict[str, Any], status: int
):
    flow_id = await prefect.create_flow_from_name("tell")
    schema = {"type": "object", **parameters}
    await prefect.create_deployment(
        flow_id=flow_id, name="tell", parameter_openapi_schema=schema, enforce_parameter_schema=True
    )
    wanted = {"deployment": "tell/tell", "dry_run": True}
    answer = await receiver.admin.put("/api/admin/alerts/automation", json=wanted)
    assert answer.status_code == status and ("alert: dict" in answer.text) is (status == 422), answer.text


async def test_a_test_says_which_channels_took_it(prefect: PrefectClient, tmp_path: Path):
    async with HttpServer() as server:
        alerts = AlertSettings(
            alert_url=SecretStr(f"{server.url}/T0/hidden"),
            alert_smtp_url=SecretStr("smtp://127.0.0.1:9"),
            alert_email_to=("ops@example.com",),
        )
        settings = settings_for(tmp_path).model_copy(update={"alerts": alerts})
        async with running_receiver(settings) as receiver:
            tried = (await receiver.admin.post("/api/admin/alerts/test")).json()["results"]
            assert [(each["channel"], each["problem"]) for each in tried] == [
                ("event", ""),
                ("email", "the mail server cannot be used: ConnectionRefusedError"),
                ("url", ""),
            ]
            [got] = server.requests
            assert json.loads(got.body)["type"] == "webhooks.alert.test"
            listed = (await receiver.admin.get("/api/admin/alerts")).json()
            assert [each["name"] for each in listed["channels"]] == ["event", "email", "url"]
            everything = json.dumps([tried, listed, (await receiver.admin.get("/api/admin/audit")).json()])
            assert "hidden" not in everything
            figures = (await receiver.admin.get("/metrics")).text
            assert 'webhooks_alerts_open{rule="prefect_away"} 0.0' in figures
