"""From the inbox to Prefect and back, on a real Prefect server: started once, followed to the end."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.states import Completed, Failed, Running

from tests.support.deployments import FLOW, make_deployment, runs_of
from tests.support.receiver import RunningReceiver, running_receiver, settings_for
from tests.support.waiting import eventually


async def send(receiver: RunningReceiver, key: str, **data: Any) -> str:
    answer = await receiver.http.post(f"/api/webhooks/{key}", json=data)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["delivery_id"])


async def reaches(receiver: RunningReceiver, delivery_id: str, status: str) -> dict[str, Any]:
    async def there() -> dict[str, Any] | None:
        row = await receiver.delivery(delivery_id)
        return row if row["status"] == status else None

    return await eventually(there, 30, what=f"{delivery_id} becomes {status}")


async def test_a_delivery_becomes_one_run_that_can_be_found_by_name_tag_and_key(
    receiver: RunningReceiver, prefect: PrefectClient
):
    await receiver.define("crm", deployment=await make_deployment(prefect))
    delivery_id = await send(receiver, "crm", name="Олена", ref={"$ref": "x", "__prefect_kind": "jinja"})
    row = await reaches(receiver, delivery_id, "dispatched")
    (run,) = await runs_of(prefect, delivery_id)
    assert row["attempts"][0]["flow_run_id"] == str(run.id)
    assert run.name == f"crm {delivery_id[-8:]}"
    assert {"webhooks", "webhook:crm", f"delivery:{delivery_id}"} <= set(run.tags)
    assert run.idempotency_key == f"{delivery_id}:1"
    envelope = run.parameters["context"]
    assert set(envelope) == {"v", "delivery_id", "attempt", "json"} and envelope["json"].isascii()
    assert json.loads(envelope["json"])["data"]["name"] == "Олена"


async def test_a_run_is_followed_to_its_end_and_back_when_someone_retries_it(
    receiver: RunningReceiver, prefect: PrefectClient
):
    await receiver.define("followed", deployment=await make_deployment(prefect))
    delivery_id = await send(receiver, "followed")
    row = await reaches(receiver, delivery_id, "dispatched")
    run_id = uuid.UUID(row["attempts"][0]["flow_run_id"])
    await prefect.set_flow_run_state(run_id, Running(), force=True)
    await reaches(receiver, delivery_id, "running")
    await prefect.set_flow_run_state(run_id, Failed(), force=True)
    await reaches(receiver, delivery_id, "failed")
    await prefect.set_flow_run_state(run_id, Running(), force=True)
    await reaches(receiver, delivery_id, "running")
    await prefect.set_flow_run_state(run_id, Completed(), force=True)
    row = await reaches(receiver, delivery_id, "completed")
    seen = [change["to"] for change in row["status_changes"]]
    assert seen[-4:] == ["running", "failed", "running", "completed"]


async def test_a_deployment_that_does_not_exist_is_dead_with_that_reason_and_runs_when_it_appears(
    receiver: RunningReceiver, prefect: PrefectClient, monkeypatch: pytest.MonkeyPatch
):
    name = f"late{uuid.uuid4().hex[:8]}"
    await receiver.define("late", deployment=f"{FLOW}/{name}")
    delivery_id = await send(receiver, "late")
    row = await reaches(receiver, delivery_id, "dead")
    assert row["reason"] == "deployment_missing"
    await make_deployment(prefect, name)
    await reaches(receiver, delivery_id, "dispatched")
    assert len(await runs_of(prefect, delivery_id)) == 1


async def test_what_an_earlier_process_stored_is_started_once_by_the_next(
    tmp_path: Path, prefect: PrefectClient, monkeypatch: pytest.MonkeyPatch
):
    deployment = await make_deployment(prefect)
    settings = settings_for(tmp_path)
    with monkeypatch.context() as patch:
        # A dispatcher that is killed before its first look is the same as one that never looks.
        patch.setattr("receiver.dispatch.dispatcher.Dispatcher._claim", _claims_nothing)
        async with running_receiver(settings) as first:
            await first.define("kept", deployment=deployment)
            delivery_id = await send(first, "kept", n=1)
            assert (await first.delivery(delivery_id))["status"] == "queued"
    async with running_receiver(settings) as second:
        await reaches(second, delivery_id, "dispatched")
    assert len(await runs_of(prefect, delivery_id)) == 1


async def test_what_a_killed_process_had_in_hand_is_taken_up_at_once(
    tmp_path: Path, prefect: PrefectClient, monkeypatch: pytest.MonkeyPatch
):
    deployment = await make_deployment(prefect)
    settings = settings_for(tmp_path)
    with monkeypatch.context() as patch:
        # Killed between its claim and the hand-over: the lease stays, with a minute to go.
        patch.setattr("receiver.dispatch.dispatcher.Dispatcher._hand_over", _never)
        patch.setattr("receiver.deliveries.store.DeliveryStore.release", _keeps_its_leases)
        async with running_receiver(settings) as first:
            await first.define("leased", deployment=deployment)
            delivery_id = await send(first, "leased")
            claimed = lambda: _is_claimed(first, delivery_id)  # noqa: E731 (one look)
            await eventually(claimed, 10, what="the delivery is claimed")
    async with running_receiver(settings) as second:
        await reaches(second, delivery_id, "dispatched")
    assert len(await runs_of(prefect, delivery_id)) == 1


async def _is_claimed(receiver: RunningReceiver, delivery_id: str) -> bool:
    return bool((await receiver.delivery(delivery_id))["attempts"][0]["tries"])


async def _never(self: object, claim: object) -> None:
    return None


async def _keeps_its_leases(self: object, owner: str, now: object) -> None:
    return None


async def _claims_nothing(self: object) -> list[Any]:
    return []


async def test_a_hand_over_whose_answer_was_lost_finds_its_run_again(receiver: RunningReceiver, prefect: PrefectClient):
    deployment_name = await make_deployment(prefect)
    deployment = await prefect.read_deployment_by_name(deployment_name)
    await receiver.define("lost", deployment=deployment_name, state="paused")
    delivery_id = await send(receiver, "lost")
    run = await prefect.create_flow_run_from_deployment(deployment.id, idempotency_key=f"{delivery_id}:1")
    answer = await receiver.admin.patch("/api/admin/webhooks/lost", json={"state": "enabled"})
    assert answer.status_code == 200, answer.text
    row = await reaches(receiver, delivery_id, "dispatched")
    assert row["attempts"][0]["flow_run_id"] == str(run.id)


async def test_a_large_body_travels_by_reference_and_its_context_is_served_whole(
    receiver: RunningReceiver, prefect: PrefectClient
):
    await receiver.define("large", deployment=await make_deployment(prefect))
    delivery_id = await send(receiver, "large", text="x" * 300_000)
    await reaches(receiver, delivery_id, "dispatched")
    (run,) = await runs_of(prefect, delivery_id)
    assert run.parameters["context"] == {"v": 1, "delivery_id": delivery_id, "attempt": 1, "ref": True}
    context = await receiver.admin.get(f"/api/admin/deliveries/{delivery_id}/context", params={"attempt": 1})
    assert len(context.json()["data"]["text"]) == 300_000


async def test_mapped_parameters_reach_the_run_with_their_types(receiver: RunningReceiver, prefect: PrefectClient):
    await receiver.define(
        "mapped",
        deployment=await make_deployment(prefect),
        parameters={"customer_id": "{{$context.data.id}}", "text": "Nr. {{$context.data.id}}"},
    )
    delivery_id = await send(receiver, "mapped", id=7)
    await reaches(receiver, delivery_id, "dispatched")
    (run,) = await runs_of(prefect, delivery_id)
    assert run.parameters == {"customer_id": 7, "text": "Nr. 7"}
    refused = await receiver.http.post("/api/webhooks/mapped", json={"id": {"$ref": "block"}})
    assert refused.status_code == 422


async def test_what_is_worthless_when_late_is_dead_when_prefect_comes_too_late_and_runs_when_asked_for_again(
    receiver: RunningReceiver, prefect: PrefectClient
):
    deployment = await make_deployment(prefect)
    await receiver.define("late", deployment=deployment, state="paused", expires="1s")
    delivery_id = await send(receiver, "late", n=1)
    received_at = datetime.fromisoformat((await receiver.delivery(delivery_id))["received_at"])
    await eventually(lambda: _past(received_at + timedelta(seconds=1.1)), 30, what="it is late")
    answer = await receiver.admin.patch("/api/admin/webhooks/late", json={"state": "enabled"})
    assert answer.status_code == 200, answer.text
    row = await reaches(receiver, delivery_id, "dead")
    assert row["reason"] == "expired"
    assert await runs_of(prefect, delivery_id) == []
    answer = await receiver.admin.post(f"/api/admin/deliveries/{delivery_id}/replay")
    assert answer.is_success, answer.text
    await reaches(receiver, delivery_id, "dispatched")
    [run] = await runs_of(prefect, delivery_id)
    assert "expires_at" not in json.loads(run.parameters["context"]["json"])


async def _past(moment: datetime) -> bool:
    return datetime.now(UTC) > moment
