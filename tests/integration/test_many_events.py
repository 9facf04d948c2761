"""Split requests, batches and order, from the request to each delivery's end, on a real Prefect server."""

from __future__ import annotations

from typing import Any

from prefect import Flow, flow
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun
from prefect.flow_engine import run_flow_async
from prefect.states import Pending

from receiver import Batch, Context, DeliveriesFailed, webhook
from tests.integration.test_typed_flows import bind, deploy
from tests.support.prefect import PrefectServer
from tests.support.receiver import RunningReceiver
from tests.support.waiting import eventually

OPEN: dict[str, Any] = {"verification": {"scheme": "none"}}
BATCH = {"max_size": 10, "max_wait": "1s"}
SEEN: list[int] = []


@webhook("many-split", split="{{$context.data.events}}", batch={"max_size": 100, "max_wait": "10s"}, **OPEN)
@flow
async def one_by_one(context: Context) -> None:
    if context.data["n"] == 42:
        raise ValueError("a poisoned event")


@webhook("many-at-once", batch=BATCH, ordering_key="{{$context.data.key}}", **OPEN)
@flow
async def all_at_once(context: Batch) -> None:
    SEEN.extend(each.data["n"] for each in context)
    if bad := [each for each in context if each.data.get("bad")]:
        raise DeliveriesFailed(bad)


async def run_batch(prefect: PrefectClient, key: str, it: Flow[Any, Any]) -> FlowRun:
    """Be the worker of the webhook's next batch."""

    async def handed_over() -> FlowRun | None:
        tagged = FlowRunFilter(tags=FlowRunFilterTags(all_=[f"webhook:{key}"]))
        runs = await prefect.read_flow_runs(flow_run_filter=tagged)
        return next((run for run in runs if run.state_name == "Scheduled"), None)

    run = await eventually(handed_over, 60, what=f"a run for {key}")
    assert run is not None
    await prefect.set_flow_run_state(run.id, Pending(), force=True)
    await run_flow_async(it, flow_run=run, parameters=run.parameters, return_type="state")
    return run


async def ended(receiver: RunningReceiver, key: str, count: int, **filters: Any) -> list[dict[str, Any]]:
    async def all_of_them() -> list[dict[str, Any]] | None:
        rows = await receiver.deliveries(webhook=key, limit=200, **filters)
        waiting = [row for row in rows if row["status"] in {"queued", "dispatched", "running"}]
        return rows if len(rows) >= count and not waiting else None

    rows = await eventually(all_of_them, 60, what=f"every delivery of {key} has ended")
    assert rows is not None
    return rows


async def test_a_split_request_of_100_with_one_poisoned_is_one_run_with_99_completed_and_one_failed(
    receiver: RunningReceiver, prefect: PrefectClient, runs_in_process: PrefectServer
):
    await bind(receiver, one_by_one, await deploy(prefect, one_by_one))
    events = {"events": [{"n": number} for number in range(100)]}
    answer = await receiver.http.post("/api/webhooks/many-split", json=events)
    assert answer.status_code == 202, answer.text
    run = await run_batch(prefect, "many-split", one_by_one)
    assert run.name.startswith("many-split 100 deliveries ")

    request = answer.headers["webhook-delivery-id"]
    parts = await ended(receiver, "many-split", 100, parent=request)
    statuses = [row["status"] for row in parts]
    assert (len(parts), statuses.count("completed"), statuses.count("failed")) == (100, 99, 1)
    [failed] = [row for row in parts if row["status"] == "failed"]
    body = await receiver.admin.get(f"/api/admin/deliveries/{failed['id']}/body")
    assert body.json() == {"n": 42}
    assert {row["flow_run_id"] for row in parts} == {str(run.id)}
    whole = await receiver.delivery(request)
    assert (whole["status"], whole["detail"], whole["attempt"]) == ("split", "into 100", 0)
    refused = await receiver.admin.post(f"/api/admin/deliveries/{request}/replay")
    assert refused.status_code == 409 and "--parent" in refused.text

    replayed = await receiver.admin.post(f"/api/admin/deliveries/{failed['id']}/replay")
    assert replayed.status_code < 300, replayed.text
    again = await run_batch(prefect, "many-split", one_by_one)
    assert [each["delivery_id"] for each in again.parameters["context"]["batch"]] == [failed["id"]]


async def test_a_flow_that_takes_them_all_says_which_failed_and_a_key_keeps_its_order_from_batch_to_batch(
    receiver: RunningReceiver, prefect: PrefectClient, runs_in_process: PrefectServer
):
    await bind(receiver, all_at_once, await deploy(prefect, all_at_once))
    for number in range(12):
        data = {"n": number, "key": "hot", "bad": number == 3}
        assert (await receiver.http.post("/api/webhooks/many-at-once", json=data)).status_code == 202
    await run_batch(prefect, "many-at-once", all_at_once)
    await run_batch(prefect, "many-at-once", all_at_once)
    rows = await ended(receiver, "many-at-once", 12)
    assert list(range(12)) == SEEN
    assert sorted(row["status"] for row in rows) == ["completed"] * 11 + ["failed"]
    assert {row["ordering_key"] for row in rows} == {"hot"}
