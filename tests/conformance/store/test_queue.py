"""Attempts that wait for their hand-over: leased, retried, parked, given up and revived."""

import asyncio
from dataclasses import replace

from receiver.contract.reasons import Reason
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.store import DeliveryStore
from receiver.webhooks.definitions import DefinitionStore
from tests.support.inbox import BY, NOW, claim_one, later, new_delivery


async def stored(store: DeliveryStore, **fields: object) -> str:
    new = new_delivery(**fields)  # type: ignore[arg-type]  # whatever a test wants to differ
    await store.accept(new, new.received_at)
    return new.id


async def pause(definitions: DefinitionStore, webhook: str) -> None:
    await definitions.put({"key": webhook}, key=webhook, origin="api", by=BY, now=NOW)
    await definitions.set_state(webhook, "paused", BY, NOW)


async def test_an_attempt_is_claimed_with_what_its_hand_over_needs(store: DeliveryStore) -> None:
    new = new_delivery(revision=3, deployment_id="d", flow_id="f")
    await store.accept(new, NOW)
    claim = await claim_one(store, NOW)
    assert (claim.delivery_id, claim.attempt, claim.webhook, claim.revision) == (new.id, 1, "orders", 3)
    assert (claim.deployment, claim.deployment_id, claim.flow_id) == ("orders/main", "d", "f")
    assert (claim.tries, claim.received_at) == (1, NOW)


async def test_the_longest_due_come_first_up_to_the_limit(store: DeliveryStore) -> None:
    ids = [await stored(store, received_at=later(-seconds)) for seconds in (1, 3, 2)]
    claims = await store.claim(2, 60, NOW, "tests")
    assert [claim.delivery_id for claim in claims] == [ids[1], ids[2]]


async def test_what_is_leased_is_claimed_by_nobody_else_until_the_lease_ends(store: DeliveryStore) -> None:
    await stored(store)
    await store.claim(10, 60, NOW, "one")
    assert await store.claim(10, 60, later(59), "two") == []
    (again,) = await store.claim(10, 60, later(60), "two")
    assert again.tries == 2


async def test_processes_that_claim_at_once_share_the_queue(stores: list[DeliveryStore]) -> None:
    ids = [await stored(stores[0]) for _ in range(60)]
    claims = await asyncio.gather(*(stores[number % 2].claim(3, 60, NOW, f"process {number}") for number in range(40)))
    claimed = [claim.delivery_id for some in claims for claim in some]
    assert sorted(claimed) == sorted(ids)


async def test_a_clean_stop_gives_leases_back_but_only_its_own(store: DeliveryStore) -> None:
    mine = await stored(store, received_at=later(-1))
    await store.claim(1, 60, NOW, "one")
    await stored(store)
    await store.claim(1, 60, NOW, "two")
    await store.release("one", later(1))
    assert [claim.delivery_id for claim in await store.claim(10, 60, later(1), "three")] == [mine]


async def test_a_binding_is_stored_once(store: DeliveryStore) -> None:
    await stored(store)
    claim = await claim_one(store, NOW)
    await store.bind(claim, "d-1", "f-1")
    await store.bind(claim, "d-2", "f-2")
    (again,) = await store.claim(1, 60, later(60), "tests")
    assert (again.deployment_id, again.flow_id) == ("d-1", "f-1")


async def test_a_hand_over_makes_it_dispatched_and_takes_it_off_the_queue(store: DeliveryStore) -> None:
    delivery_id = await stored(store, reason=Reason.PAUSED)
    await store.handed_over(await claim_one(store, NOW), "run-1", later(2))
    record = await store.get(delivery_id)
    assert record is not None
    assert (record.status, record.reason, record.flow_run_id) == (Status.DISPATCHED, None, "run-1")
    assert record.queue_ms == 2000
    assert [(change.before, change.after, change.source) for change in record.changes] == [
        (Status.QUEUED, Status.DISPATCHED, "dispatcher")
    ]
    assert await store.claim(10, 60, later(1000), "tests") == []
    assert await store.flow_run("run-1") == (delivery_id, 1)


async def test_a_second_report_of_a_hand_over_changes_nothing(store: DeliveryStore) -> None:
    delivery_id = await stored(store)
    claim = await claim_one(store, NOW)
    await store.handed_over(claim, "run-1", later(1))
    before = await store.get(delivery_id)
    await store.handed_over(claim, "run-2", later(2))
    assert await store.get(delivery_id) == before


async def test_a_retry_is_due_when_it_was_told(store: DeliveryStore) -> None:
    delivery_id = await stored(store)
    await store.retry_later(await claim_one(store, NOW), later(30), "Prefect is away", NOW)
    assert await store.claim(1, 60, later(29), "tests") == []
    record = await store.get(delivery_id)
    assert record is not None
    assert (record.status, record.attempts[0].detail) == (Status.QUEUED, "Prefect is away")
    assert (await claim_one(store, later(30))).tries == 2


async def test_who_lost_the_lease_changes_nothing(store: DeliveryStore) -> None:
    delivery_id = await stored(store)
    outdated = await claim_one(store, NOW)
    await store.claim(1, 60, later(60), "another")
    await store.retry_later(outdated, later(61), "late", later(61))
    await store.give_up(outdated, Reason.HANDOVER_REFUSED, "late", later(61))
    record = await store.get(delivery_id)
    assert record is not None
    assert (record.status, record.attempts[0].lease_owner, record.attempts[0].due_at) == (
        Status.QUEUED,
        "another",
        later(120),
    )


async def test_who_lost_the_lease_may_still_report_the_run(store: DeliveryStore) -> None:
    delivery_id = await stored(store)
    outdated = await claim_one(store, NOW)
    (newer,) = await store.claim(1, 60, later(60), "another")
    await store.handed_over(outdated, "run-1", later(61))
    await store.give_up(newer, Reason.HANDOVER_REFUSED, "", later(62))
    record = await store.get(delivery_id)
    assert record is not None
    assert (record.status, record.flow_run_id) == (Status.DISPATCHED, "run-1")


async def test_what_cannot_be_handed_over_is_dead_with_its_reason(store: DeliveryStore) -> None:
    delivery_id = await stored(store)
    await store.give_up(await claim_one(store, NOW), Reason.HANDOVER_REFUSED, "422: no", later(1))
    record = await store.get(delivery_id)
    assert record is not None
    assert (record.status, record.reason, record.detail) == (Status.DEAD, Reason.HANDOVER_REFUSED, "422: no")
    assert await store.claim(10, 60, later(1000), "tests") == []


async def test_what_lacked_its_deployment_is_queued_again_and_bound_anew(store: DeliveryStore) -> None:
    dead = await stored(store, deployment_id="gone", flow_id="gone")
    await store.give_up(await claim_one(store, NOW), Reason.DEPLOYMENT_MISSING, "", NOW)
    other = await stored(store, deployment="other/main")
    await store.give_up(await claim_one(store, NOW), Reason.DEPLOYMENT_MISSING, "", NOW)
    await stored(store)
    await store.give_up(await claim_one(store, NOW), Reason.HANDOVER_REFUSED, "", NOW)
    assert await store.missing_deployments() == ["orders/main", "other/main"]

    assert await store.revive("orders/main", later(1)) == 1
    assert await store.missing_deployments() == ["other/main"]
    claim = await claim_one(store, later(1))
    assert (claim.delivery_id, claim.tries, claim.deployment_id, claim.flow_id) == (dead, 1, None, None)
    record = await store.get(dead)
    assert record is not None
    assert (record.status, record.reason, record.changes[-1].source) == (Status.QUEUED, None, "revival")

    assert await store.revive(None, later(2), webhook="refunds") == 0
    assert await store.revive(None, later(2), webhook="orders") == 1
    assert (await claim_one(store, later(2))).delivery_id == other


async def test_what_a_paused_webhook_took_waits_until_it_is_resumed(
    store: DeliveryStore, definitions: DefinitionStore
) -> None:
    await pause(definitions, "orders")
    first, second = await stored(store, received_at=later(-2)), await stored(store, received_at=later(-1))
    unpaused = await stored(store, webhook="refunds")
    assert [claim.delivery_id for claim in await store.claim(1, 60, NOW, "tests")] == [unpaused]
    backlog = await store.backlog(NOW)
    assert (backlog.parked, backlog.leased, backlog.waiting) == (2, 1, 0)
    assert await store.claim(10, 60, later(1), "tests") == []

    await definitions.set_state("orders", "enabled", BY, later(2))
    claims = await store.claim(10, 60, later(2), "tests")
    assert [claim.delivery_id for claim in claims] == [first, second]


async def test_what_waits_at_a_webhook_that_was_paused_and_deleted_runs(
    store: DeliveryStore, definitions: DefinitionStore
) -> None:
    await pause(definitions, "orders")
    delivery_id = await stored(store)
    assert await store.claim(10, 60, NOW, "tests") == []
    await definitions.delete("orders", BY, NOW)
    assert (await claim_one(store, NOW)).delivery_id == delivery_id


async def test_the_backlog_tells_what_waits_and_since_when(store: DeliveryStore) -> None:
    empty = await store.backlog(NOW)
    assert (empty.waiting, empty.later, empty.leased, empty.parked) == (0, 0, 0, 0)
    assert empty.oldest_due_at is empty.next_due_at is None
    for seconds in (-30, -20, -10, 0):
        await stored(store, received_at=later(seconds))
    first, _ = await store.claim(2, 60, NOW, "tests")
    await store.retry_later(first, later(5), "", NOW)
    backlog = await store.backlog(NOW)
    assert (backlog.waiting, backlog.later, backlog.leased, backlog.parked) == (2, 1, 1, 0)
    assert (backlog.oldest_due_at, backlog.next_due_at) == (later(-10), later(-10))


async def test_a_claim_of_nothing_known_changes_nothing(store: DeliveryStore) -> None:
    await stored(store)
    unknown = replace(await claim_one(store, NOW), delivery_id="nobody")
    await store.bind(unknown, "d", "f")
    await store.retry_later(unknown, NOW, "", NOW)
    await store.give_up(unknown, Reason.HANDOVER_REFUSED, "", NOW)
    assert (await store.stats("orders"))["by_status"] == {"queued": 1}
