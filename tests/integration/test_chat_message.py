"""A chat asks for a deployment: through the receiver, until a person has decided, and what the chat hears."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId, FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow_async
from pydantic import SecretStr

from blocks import ChatRobot, HttpService, WebhookSecret
from blocks.bootstrap import make_example_secrets
from flows.chat_answer import CHAT_REQUESTS
from flows.chat_expiry import chat_expiry
from flows.chat_message import chat_message
from flows.chat_request import USAGE
from flows.deploy_site import deploy_site
from flows.nodes import query_records
from receiver import Context
from receiver.contract.definition import get_definition
from receiver.contract.fetch import AT_HAND
from tests.support.http_server import Answer, HttpServer
from tests.support.receiver import RunningReceiver
from tests.support.waiting import eventually

PAYLOADS = Path(__file__).parents[1] / "payloads" / "chat"
BASE = "http://receiver.test"
DEPLOYED = {"repository": "lantern-works/site", "commit": "5c0d3a9e"}


@dataclass
class Chat:
    """The webhooks in a receiver, their worker in this process, and one server in place of every chat's host."""

    receiver: RunningReceiver
    prefect: PrefectClient
    server: HttpServer
    home: Path
    deployments: dict[str, Any]

    async def send(self, key: str, name: str, content_type: str) -> tuple[FlowRun, dict[str, Any]]:
        """The run that a message of the payloads starts, and what the sender is answered at once."""
        body = base64.b64encode((PAYLOADS / name).read_bytes()).decode()
        sample = {"headers": [["Content-Type", content_type]], "body_base64": body}
        answer = (await self.receiver.admin.post(f"/api/admin/webhooks/{key}/send", json=sample)).json()
        tag = f"delivery:{answer['delivery_id']}"

        async def started() -> FlowRun | None:
            found = await self.prefect.read_flow_runs(flow_run_filter=FlowRunFilter(tags=FlowRunFilterTags(all_=[tag])))
            return found[0] if found else None

        run = await eventually(started, 60, what=f"the run of {key}")
        assert run is not None
        return run, answer

    async def work(self, run: FlowRun) -> dict[str, Any] | None:
        """Run it as a worker would; what it returned, None when it waits."""
        AT_HAND.set(lambda path, params: json.dumps({"url": BASE}).encode())
        run = await self.prefect.read_flow_run(run.id)
        try:
            return await run_flow_async(chat_message, flow_run=run, parameters=run.parameters)  # type: ignore[arg-type,return-value] # as the worker calls it
        except Pause:
            return None

    async def decide(self, decision: str, comment: str = "") -> None:
        """Follow the link in the latest mail to the approvers."""
        latest = max((self.home / "mail").glob("*.eml"), key=lambda file: file.stat().st_mtime_ns)
        text = message_from_bytes(latest.read_bytes(), policy=policy.default).get_content()
        link = re.search(rf"Decide here: {BASE}(\S+)", text)
        assert link is not None, text
        answer = await self.receiver.http.post(link[1], json={"decision": decision, "comment": comment})
        assert answer.status_code == 200, answer.text

    async def runs(self, name: str) -> list[FlowRun]:
        """Runs of one of the deployments."""
        of = DeploymentFilter(id=DeploymentFilterId(any_=[self.deployments[name]]))
        return await self.prefect.read_flow_runs(deployment_filter=of)

    def heard(self) -> list[tuple[str, Any]]:
        """Where on the chats' server something was said, and what."""
        return [(request.target, json.loads(request.body)) for request in self.server.requests]

    async def outcome(self) -> str:
        [request] = await query_records.fn(CHAT_REQUESTS)
        return str(request["outcome"])


@pytest.fixture
async def chat(receiver: RunningReceiver, prefect: PrefectClient, default_records: Path) -> AsyncIterator[Chat]:
    made = await make_example_secrets(["slack"])
    name, definition = f"chat-{default_records.name}", get_definition(chat_message)
    assert definition is not None
    async with HttpServer() as server:
        await HttpService(base_url=server.url, allow_networks=["127.0.0.1"]).asave("chat-in-tests", overwrite=True)
        robot = SecretStr(f"{server.url}/robot")
        await ChatRobot(platform="wecom", url=robot, allow_networks=["127.0.0.1"]).asave("ops", overwrite=True)
        parameters = {
            "deployment": f"deploy-site/{name}",
            "expiry": f"chat-expiry/{name}",
            "room": "chat-robot/ops",
            "relay": "chat-in-tests",
        }
        deployments = {
            flow.name: await prefect.create_deployment(await prefect.create_flow(flow), name, parameters=given)
            for flow, given in ((chat_message, parameters), (chat_expiry, {}), (deploy_site, {}))
        }
        await receiver.define(**{**definition.to_json(), "deployment": f"chat-message/{name}"})
        for key in ("chat-dingtalk", "chat-wecom"):
            await receiver.define(key, deployment=f"chat-message/{name}")
        yield Chat(receiver, prefect, server, default_records, deployments)
    for secret in made:  # the server is shared with tests of the first start
        await WebhookSecret.adelete(secret)


async def test_a_slash_command_is_answered_at_once_approved_later_and_then_deployed(chat: Chat):
    run, answer = await chat.send("chat-message", "slack__command.txt", "application/x-www-form-urlencoded")
    assert (answer["status"], json.loads(answer["body"])["response_type"]) == (200, "ephemeral")

    assert await chat.work(run) is None
    assert (await chat.prefect.read_flow_run(run.id)).state_name == "Suspended"
    assert (chat.heard(), await chat.runs("deploy-site")) == ([], [])

    await chat.decide("approve", "go & <win>")
    assert await chat.work(run) == {"outcome": "approved", "told": "chat"}
    [started] = await chat.runs("deploy-site")
    assert started.parameters == DEPLOYED
    [(target, said)] = chat.heard()
    assert target == "/commands/T0LANTERN/71/not-a-real-address"
    assert said["text"] == (
        f"oksana: the deployment of lantern-works/site at 5c0d3a9e was approved. It has started as {started.name}. "
        "go &amp; &lt;win&gt;"
    )
    [expiry] = await chat.runs("chat-expiry")
    assert await chat_expiry(**expiry.parameters) == {"outcome": "decided", "told": "nobody"}


async def test_what_is_refused_starts_nothing_and_an_answer_the_chat_does_not_take_is_said_in_the_room(chat: Chat):
    help_wanted = {"command": "/ops", "user_id": "U1", "text": "help", "response_url": "https://hooks.slack.com/x"}
    told = await chat_message(Context.from_document({"data": help_wanted}), relay="chat-in-tests")
    assert told == {"outcome": "not understood", "told": "chat"}
    assert chat.heard() == [("/x", {"response_type": "in_channel", "text": USAGE})]

    run, _ = await chat.send("chat-dingtalk", "dingtalk__message.json", "application/json")
    assert await chat.work(run) is None
    await chat.decide("reject")
    chat.server.answers = [Answer(body='{"errcode": 300001}'), Answer(body='{"errcode": 0}')]
    assert await chat.work(run) == {"outcome": "refused", "told": "room"}
    assert await chat.runs("deploy-site") == []
    _, (refused, _), (target, said) = chat.heard()
    assert (refused, target) == ("/robot/sendBySession?session=not-a-real-session", "/robot")
    assert said["text"]["content"].endswith("Оксана: the deployment of lantern-works/site at 5c0d3a9e was refused.")


async def test_when_nobody_decides_the_chat_is_told_and_who_decides_after_that_starts_nothing(chat: Chat):
    run, _ = await chat.send("chat-wecom", "wecom__message.xml", "application/xml")
    assert await chat.work(run) is None
    [expiry] = await chat.runs("chat-expiry")
    assert expiry.expected_start_time is not None
    assert expiry.expected_start_time > datetime.now(UTC) + timedelta(hours=23)

    chat.server.answers = [Answer(body='{"errcode": 0}')]
    assert await chat_expiry(**expiry.parameters) == {"outcome": "expired", "told": "room"}
    assert "was not decided in time" in chat.heard()[0][1]["text"]["content"]

    await chat.decide("approve")
    assert await chat.work(run) == {"outcome": "expired", "told": "approvers"}
    assert (await chat.outcome(), await chat.runs("deploy-site"), len(chat.heard())) == ("expired", [], 1)
