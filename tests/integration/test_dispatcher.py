"""The dispatcher's rules on a real store, with an orchestrator that fails as it is told."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import uuid_utils

from receiver.contract.errors import Unusable
from receiver.contract.reasons import Reason
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.records import Claim, NewDelivery
from receiver.deliveries.store import DeliveryStore
from receiver.dispatch.deployments import Deployments
from receiver.dispatch.dispatcher import Dispatcher
from receiver.dispatch.orchestrator import RecordingOrchestrator
from receiver.dispatch.reach import Reach
from receiver.prefect_gateway import DeploymentRef, Handover, Outcome
from receiver.storage import Database
from tests.support.waiting import eventually

LATER = Handover(outcome=Outcome.RETRY_LATER, detail="Prefect answered 503")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[DeliveryStore]:
    database = await asyncio.to_thread(Database.open, None, tmp_path)
    yield DeliveryStore(database)
    await database.close()


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("receiver.dispatch.policy._FIRST_WAIT", 0.001)
    monkeypatch.setattr("receiver.dispatch.policy._LONGEST_WAIT", 0.01)
    monkeypatch.setattr("receiver.dispatch.dispatcher._IDLE_SECONDS", 0.02)
    monkeypatch.setattr("receiver.dispatch.breaker._LONGEST_WAIT", 0.01)


def orchestrator(**more: Any) -> RecordingOrchestrator:
    known = DeploymentRef(name="f/d", id=str(uuid.uuid4()), flow_id=str(uuid.uuid4()))
    return RecordingOrchestrator(deployments={"f/d": known}, **more)


async def put(store: DeliveryStore) -> str:
    now = datetime.now(UTC)
    new = NewDelivery(
        id=str(uuid_utils.uuid7()),
        webhook="w",
        revision=1,
        status=Status.QUEUED,
        method="POST",
        path="/api/webhooks/w",
        headers={},
        query={},
        params={},
        client_ip="127.0.0.1",
        deployment="f/d",
        received_at=now,
    )
    return (await store.accept(new, now)).id


@contextlib.asynccontextmanager
async def dispatching(
    store: DeliveryStore, prefect: RecordingOrchestrator, *, late_from: int = 1000
) -> AsyncIterator[list[str]]:
    """`late_from` is the number of the hand-over for which everything has expired."""
    started: list[str] = []

    async def parameters(claim: Claim) -> dict[str, Any]:
        if claim.tries >= late_from:
            raise Unusable(Reason.EXPIRED, "it was to begin by then")
        return {"n": claim.attempt}

    async def on_started(flow_run_id: str) -> None:
        started.append(flow_run_id)

    dispatcher = Dispatcher(
        store,
        prefect,
        Deployments(prefect, lambda _ref: None),
        parameters,
        owner="me",
        concurrency=4,
        lease_seconds=60,
        reach=Reach(),
        on_started=on_started,
    )
    task = asyncio.create_task(dispatcher.run())
    try:
        yield started
    finally:
        dispatcher.notify()  # something is stored while it is stopped
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=20)
        assert done, "the dispatcher does not stop"


async def becomes(store: DeliveryStore, delivery_id: str, status: Status) -> None:
    async def there() -> bool:
        row = await store.get(delivery_id)
        return row is not None and row.status == status

    await eventually(there, 20, what=f"{delivery_id} becomes {status}")


async def test_every_hand_over_of_an_attempt_uses_the_same_key_and_the_same_deployment(store: DeliveryStore):
    delivery_id = await put(store)
    prefect = orchestrator(
        answers={f"{delivery_id}:1": [LATER, LATER, Handover(outcome=Outcome.CREATED, flow_run_id="r1")]}
    )
    async with dispatching(store, prefect) as started:
        await becomes(store, delivery_id, Status.DISPATCHED)
    assert started == ["r1"]
    assert len({(call["idempotency_key"], call["deployment_id"]) for call in prefect.asked}) == 1


async def test_what_expired_while_its_hand_over_failed_is_dead_unless_a_lost_answer_left_its_run(
    store: DeliveryStore,
):
    late, lost = [await put(store) for _ in range(2)]
    prefect = orchestrator(answers={f"{each}:1": [LATER] for each in (late, lost)}, found={f"{lost}:1": "r-lost"})
    async with dispatching(store, prefect, late_from=2) as started:
        await becomes(store, late, Status.DEAD)
        await becomes(store, lost, Status.DISPATCHED)
    assert started == ["r-lost"]
    row = await store.get(late)
    assert row is not None and row.reason is Reason.EXPIRED


async def test_one_poisonous_delivery_dies_and_holds_up_no_other(store: DeliveryStore):
    poison = await put(store)
    prefect = orchestrator(answers={f"{poison}:1": [LATER]})
    others = [await put(store) for _ in range(20)]
    async with dispatching(store, prefect) as started:
        for other in others:
            await becomes(store, other, Status.DISPATCHED)
        await becomes(store, poison, Status.DEAD)
    assert len(started) == len(others)


async def test_an_outage_kills_nothing_and_everything_runs_once_it_is_over(store: DeliveryStore):
    ids = [await put(store) for _ in range(5)]
    prefect = orchestrator(answers={f"{i}:1": [LATER] for i in ids}, is_healthy=False)
    async with dispatching(store, prefect) as started:
        await eventually(lambda: _probed(prefect, 30), 20, what="Prefect was asked often")
        assert not started and len(prefect.asked) <= 4
        prefect.answers.clear()
        prefect.is_healthy = True
        for delivery_id in ids:
            await becomes(store, delivery_id, Status.DISPATCHED)
    assert len(started) == len(ids)


async def test_the_first_failure_after_a_long_outage_kills_nothing(store: DeliveryStore):
    delivery_id = await put(store)
    prefect = orchestrator(answers={f"{delivery_id}:1": [LATER]}, is_healthy=False)
    async with dispatching(store, prefect) as started:
        await eventually(lambda: _probed(prefect, 20), 20, what="Prefect was asked often")
        # It answers again, and is still too busy for a while.
        prefect.answers[f"{delivery_id}:1"] = [LATER, LATER, Handover(outcome=Outcome.CREATED, flow_run_id="r1")]
        prefect.is_healthy = True
        await becomes(store, delivery_id, Status.DISPATCHED)
    assert started == ["r1"]


async def test_what_fails_in_an_unforeseen_way_dies_as_well_and_holds_up_no_other(store: DeliveryStore):
    poison = await put(store)
    prefect = orchestrator(answers={f"{poison}:1": [ValueError("a lone surrogate")]})
    other = await put(store)
    async with dispatching(store, prefect):
        await becomes(store, other, Status.DISPATCHED)
        await becomes(store, poison, Status.DEAD)
    row = await store.get(poison)
    assert row is not None and "ValueError" in row.detail and "surrogate" not in row.detail


async def test_a_long_queue_is_not_gone_through_while_prefect_is_away(
    store: DeliveryStore, monkeypatch: pytest.MonkeyPatch
):
    ids = [await put(store) for _ in range(30)]
    prefect = orchestrator(answers={f"{i}:1": [LATER] for i in ids}, is_healthy=False)
    monkeypatch.setattr("receiver.dispatch.dispatcher._IDLE_SECONDS", 3600)
    async with dispatching(store, prefect):
        await eventually(lambda: _asked(prefect, 4), 20, what="the first four failed")
        with pytest.raises(AssertionError, match="not within"):
            await eventually(lambda: _asked(prefect, len(ids)), 1)


async def test_a_stop_that_comes_with_a_wake_up_ends_the_dispatcher(
    store: DeliveryStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("receiver.dispatch.dispatcher._IDLE_SECONDS", 3600)
    delivery_id = await put(store)
    async with dispatching(store, orchestrator()):
        await becomes(store, delivery_id, Status.DISPATCHED)
        await store.backlog(datetime.now(UTC))  # by then it waits for the next delivery


async def test_after_an_outage_the_queue_goes_on_in_its_order(store: DeliveryStore):
    ids = [await put(store) for _ in range(12)]
    prefect = orchestrator(answers={f"{i}:1": [LATER] for i in ids}, is_healthy=False)
    async with dispatching(store, prefect) as started:
        await eventually(lambda: _probed(prefect, 5), 20, what="Prefect was asked often")
        assert await store.behind(datetime.now(UTC)) > 0
        prefect.answers.clear()
        asked = len(prefect.asked)
        prefect.is_healthy = True
        await becomes(store, ids[-1], Status.DISPATCHED)
    assert [call["idempotency_key"] for call in prefect.asked[asked:]] == [f"{i}:1" for i in ids]
    assert len(started) == len(ids)


async def _probed(prefect: RecordingOrchestrator, count: int) -> bool:
    return prefect.probes >= count


async def _asked(prefect: RecordingOrchestrator, count: int) -> bool:
    return len(prefect.asked) >= count
