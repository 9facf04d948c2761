"""Flows with parameters of their own, from the request to the reply, on a real Prefect server."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import httpx
from prefect import Flow, flow
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.flow_engine import run_flow_async, run_flow_sync
from prefect.states import Pending
from prefect.utilities.callables import parameter_schema
from pydantic import BaseModel

from receiver import Reply, respond, webhook
from receiver.contract.definition import get_definition
from tests.support.deployments import runs_of
from tests.support.prefect import PrefectServer
from tests.support.receiver import RunningReceiver
from tests.support.waiting import eventually

OPEN: dict[str, Any] = {"verification": {"scheme": "none"}}


class Line(BaseModel):
    sku: str
    quantity: int


class Order(BaseModel):
    lines: list[Line]


FILLED = {"order": "{{$context.data}}", "shop": "{{$context.query.shop}}"}


@webhook("typed", mode="sync", timeout=110, parameters=FILLED, **OPEN)
@flow
async def typed(order: Order, shop: str) -> Reply:
    return Reply(status=201, body={"shop": shop, "pieces": sum(line.quantity for line in order.lines)})


@webhook("typed-early", mode="sync", timeout=110, parameters=FILLED, **OPEN)
@flow
def typed_early(order: Order, shop: str) -> None:
    respond(status=202, body=order.lines[0].sku)


@flow
def ordinary(number: int, words: str = "") -> str:
    return f"{number} {words}"


async def deploy(prefect: PrefectClient, it: Flow[Any, Any], schema: dict[str, Any] | None = None) -> str:
    """A deployment as `prefect deploy` makes one, which no worker serves; its name."""
    name = f"d{uuid.uuid4().hex[:8]}"
    flow_id = await prefect.create_flow(it)
    schema = schema or parameter_schema(it).model_dump()
    await prefect.create_deployment(
        flow_id=flow_id, name=name, enforce_parameter_schema=True, parameter_openapi_schema=schema
    )
    return f"{it.name}/{name}"


async def bind(receiver: RunningReceiver, it: Flow[Any, Any], deployment: str) -> None:
    definition = get_definition(it)
    assert definition
    await receiver.define(**{**definition.to_json(), "deployment": deployment})


async def run_next(receiver: RunningReceiver, prefect: PrefectClient, key: str, it: Flow[Any, Any]) -> FlowRun:
    """Be the worker of the webhook's next delivery: run the flow as Prefect's engine does."""

    async def handed_over() -> FlowRun | None:
        for row in await receiver.deliveries(webhook=key, status="dispatched"):
            if runs := await runs_of(prefect, row["id"]):
                return runs[0]
        return None

    run = await eventually(handed_over, 30, what=f"a run for {key}")
    assert run is not None
    await prefect.set_flow_run_state(run.id, Pending(), force=True)
    if it.isasync:
        await run_flow_async(it, flow_run=run, parameters=run.parameters, return_type="state")
    else:
        await asyncio.to_thread(run_flow_sync, it, run, run.parameters, return_type="state")
    return run


async def answered(
    receiver: RunningReceiver, prefect: PrefectClient, key: str, it: Flow[Any, Any], data: Any
) -> httpx.Response:
    async with asyncio.TaskGroup() as group:
        answer = group.create_task(receiver.http.post(f"/api/webhooks/{key}?shop=kyiv", json=data, timeout=110))
        group.create_task(run_next(receiver, prefect, key, it))
    return answer.result()


GOOD = {"lines": [{"sku": "a", "quantity": 2}, {"sku": "b", "quantity": 3}]}


async def test_a_flow_without_a_context_gets_its_model_and_answers_its_caller(
    receiver: RunningReceiver, prefect: PrefectClient, runs_in_process: PrefectServer
):
    await bind(receiver, typed, await deploy(prefect, typed))
    await bind(receiver, typed_early, await deploy(prefect, typed_early))

    answer = await answered(receiver, prefect, "typed", typed, GOOD)
    assert (answer.status_code, answer.json()) == (201, {"shop": "kyiv", "pieces": 5})
    answer = await answered(receiver, prefect, "typed-early", typed_early, GOOD)
    assert (answer.status_code, answer.text) == (202, "a")

    refused = await receiver.http.post("/api/webhooks/typed?shop=kyiv", json={"lines": [{"sku": "a", "quantity": "x"}]})
    assert refused.status_code == 422, refused.text
    assert refused.json()["problems"] == [{"path": "order.lines.0.quantity", "problem": "is not an integer"}]
    [row] = await receiver.deliveries(status="rejected")
    assert row["reason"] == "parameters_invalid"


async def test_any_deployment_may_be_bound_without_the_decorator(
    receiver: RunningReceiver, prefect: PrefectClient, runs_in_process: PrefectServer
):
    deployment = await deploy(prefect, ordinary)
    told = await receiver.define("unfit", deployment=deployment)
    assert any("The flow needs number" in warning for warning in told["warnings"]), told["warnings"]
    refused = await receiver.http.post("/api/webhooks/unfit", json={"n": 1})
    assert refused.json()["problems"] == [{"path": "number", "problem": "is missing"}]

    parameters = {"number": "{{$context.data.n}}", "words": "from {{$context.method}}"}
    held = await receiver.define("held", deployment=deployment, parameters=parameters, on_invalid="hold")
    assert held["warnings"] == []
    assert (await receiver.http.post("/api/webhooks/held", json={"n": "one"})).status_code == 202
    [row] = await receiver.deliveries(webhook="held")
    assert (row["status"], row["reason"]) == ("held", "parameters_invalid")

    await receiver.define("waiting", deployment=deployment, parameters=parameters, mode="sync", timeout=110)
    answer = await answered(receiver, prefect, "waiting", ordinary, {"n": 7})
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")


async def test_what_prefect_alone_can_judge_is_dead_with_the_place_and_without_the_value(
    receiver: RunningReceiver, prefect: PrefectClient
):
    # A look-ahead is beyond what is matched in linear time, so the receiver leaves it to Prefect.
    schema = {"type": "object", "properties": {"code": {"type": "string", "pattern": "^(?=a)"}}}
    deployment = await deploy(prefect, ordinary, schema)
    told = await receiver.define("coded", deployment=deployment, parameters={"code": "{{$context.data}}"})
    assert any("linear time" in warning for warning in told["warnings"])
    assert (await receiver.http.post("/api/webhooks/coded", json="hunter2")).status_code == 202

    async def dead() -> dict[str, Any] | None:
        rows = await receiver.deliveries(webhook="coded", status="dead")
        return rows[0] if rows else None

    row = await eventually(dead, 30, what="the delivery is dead")
    assert row is not None
    assert row["reason"] == "parameters_invalid"
    whole = await receiver.delivery(row["id"])
    assert "'code'" in json.dumps(whole["detail"]) and "hunter2" not in json.dumps(whole["detail"])
