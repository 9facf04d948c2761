"""Replays and retries as Prefect sees them, on a real server whose worker is the test."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.states import Completed, Failed, Running

from receiver.deliveries.lifecycle import Status
from receiver.deliveries.records import Followed, RunState
from receiver.dispatch.look_back import LookBack
from receiver.prefect_gateway import PrefectGateway
from tests.support.deployments import make_deployment, runs_of
from tests.support.receiver import RunningReceiver
from tests.support.waiting import eventually


async def reaches(receiver: RunningReceiver, delivery_id: str, status: str, attempt: int) -> dict[str, Any]:
    async def there() -> dict[str, Any] | None:
        row = await receiver.delivery(delivery_id)
        return row if (row["status"], row["attempt"]) == (status, attempt) else None

    return await eventually(there, 30, what=f"attempt {attempt} of {delivery_id} becomes {status}")


async def test_what_was_held_runs_once_its_cause_is_mended_then_edited_and_elsewhere(
    receiver: RunningReceiver, prefect: PrefectClient
):
    deployment, other = await make_deployment(prefect), await make_deployment(prefect)
    schema = {"type": "object", "required": ["email"]}
    definition = {"deployment": deployment, "verification": {"scheme": "none"}, "on_invalid": "hold"}
    await receiver.define("mended", **definition, schema=schema)
    answer = await receiver.http.post("/api/webhooks/mended", json={"name": "Ann"})
    delivery_id = answer.json()["delivery_id"]
    replay = f"/api/admin/deliveries/{delivery_id}/replay"
    assert (await receiver.admin.post(replay)).status_code == 422
    mended = await receiver.admin.put("/api/admin/webhooks/mended", json=definition)
    assert mended.status_code == 200

    for number, body in enumerate(({}, {"data": {"name": "Bea"}}, {"deployment": other}), start=1):
        answer = await receiver.admin.post(replay, json=body)
        assert (answer.status_code, answer.json()["attempt"]) == (202, number), answer.text
        row = await reaches(receiver, delivery_id, "dispatched", number)
        run_id = uuid.UUID(row["flow_run_id"])
        await prefect.set_flow_run_state(run_id, Completed(), force=True)
        await reaches(receiver, delivery_id, "completed", number)

    runs = {run.idempotency_key: run for run in await runs_of(prefect, delivery_id)}
    assert sorted(runs, key=str) == [f"{delivery_id}:{number}" for number in (1, 2, 3)]
    names = {key: json.loads(run.parameters["context"]["json"])["data"]["name"] for key, run in runs.items()}
    assert [names[f"{delivery_id}:{number}"] for number in (1, 2, 3)] == ["Ann", "Bea", "Ann"]
    deployments = {run.deployment_id for run in runs.values()}
    assert len(deployments) == 2
    row = await receiver.delivery(delivery_id)
    assert [attempt["cause"] for attempt in row["attempts"]] == ["replay"] * 3
    assert [attempt["edited"] for attempt in row["attempts"]] == [False, True, False]
    assert row["attempts"][2]["deployment"] == other


class _Ended:
    """The inbox of a receiver that was away: it takes this run for failed."""

    def __init__(self, flow_run_id: str) -> None:
        self._known = Followed(delivery_id="d", attempt=1, flow_run_id=flow_run_id, status=Status.FAILED)
        self.followed: list[RunState] = []

    async def unhappy(self, since: datetime, limit: int) -> list[Followed]:
        return [self._known]

    async def follow(self, state: RunState, source: str) -> bool:
        self.followed.append(state)
        return True


async def test_a_retry_that_nobody_heard_of_is_found_by_a_look_at_what_ended_badly(prefect: PrefectClient):
    deployment = await prefect.read_deployment_by_name(await make_deployment(prefect))
    run = await prefect.create_flow_run_from_deployment(deployment.id)
    await prefect.set_flow_run_state(run.id, Failed(), force=True)
    inbox = _Ended(str(run.id))
    async with PrefectGateway() as gateway:
        look = LookBack(inbox, gateway).look
        assert await look(datetime.now(UTC)) == 0 and inbox.followed == []
        await prefect.set_flow_run_state(run.id, Running(), force=True)
        assert await look(datetime.now(UTC)) == 1
    assert [(state.flow_run_id, state.status) for state in inbox.followed] == [(str(run.id), Status.RUNNING)]
