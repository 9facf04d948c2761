"""Which requests of the same event run."""

import asyncio
from datetime import timedelta

import pytest

from receiver.contract.reasons import Reason
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.store import DeliveryStore
from tests.support.inbox import NOW, claim_one, dispatched, ended, later, new_delivery, run_state


async def test_a_second_request_of_an_event_is_a_duplicate(store: DeliveryStore) -> None:
    first, second = new_delivery(event="e"), new_delivery(event="e")
    await store.accept(first, NOW)
    stored = await store.accept(second, NOW)
    assert (stored.id, stored.status, stored.duplicate_of) == (second.id, Status.DUPLICATE, first.id)
    record = await store.get(second.id)
    assert record is not None
    assert (record.status, record.reason, record.duplicate_of) == (Status.DUPLICATE, Reason.DUPLICATE, first.id)
    assert record.attempts == ()
    answer = await store.first_answer(first.id)
    assert answer is not None
    assert (answer.id, answer.webhook, answer.status, answer.attempt) == (first.id, "orders", Status.QUEUED, 1)


async def test_an_event_id_is_a_webhooks_own(store: DeliveryStore) -> None:
    for webhook in ("orders", "refunds"):
        assert (await store.accept(new_delivery(event="e", webhook=webhook), NOW)).duplicate_of is None


async def test_a_request_without_an_event_id_is_no_duplicate(store: DeliveryStore) -> None:
    for _ in range(2):
        assert (await store.accept(new_delivery(), NOW)).status is Status.QUEUED


@pytest.mark.parametrize("status", [Status.RUNNING, Status.COMPLETED, Status.CANCELLED])
async def test_a_repeat_of_what_runs_or_ended_well_does_not_run(store: DeliveryStore, status: Status) -> None:
    first = await dispatched(store, "run", event="e")
    await store.follow(run_state("run", status, later(1)), "event", later(1))
    assert (await store.accept(new_delivery(event="e"), later(2))).duplicate_of == first


async def test_a_repeat_of_a_filtered_request_does_not_run(store: DeliveryStore) -> None:
    first = new_delivery(event="e", status=Status.FILTERED)
    await store.accept(first, NOW)
    assert (await store.accept(new_delivery(event="e"), NOW)).duplicate_of == first.id


@pytest.mark.parametrize("status", [Status.FAILED, Status.CRASHED])
async def test_a_repeat_of_what_failed_runs_and_owns_the_event(store: DeliveryStore, status: Status) -> None:
    await ended(store, status, "run", event="e")
    second = new_delivery(event="e")
    stored = await store.accept(second, later(2))
    assert (stored.status, stored.duplicate_of, stored.id_conflict) == (Status.QUEUED, None, False)
    assert (await store.accept(new_delivery(event="e"), later(3))).duplicate_of == second.id


async def test_a_repeat_of_a_dead_delivery_runs(store: DeliveryStore) -> None:
    await store.accept(new_delivery(event="e"), NOW)
    await store.give_up(await claim_one(store, NOW), Reason.HANDOVER_REFUSED, "no", NOW)
    assert (await store.accept(new_delivery(event="e"), NOW)).status is Status.QUEUED


async def test_a_repeat_of_a_held_delivery_runs(store: DeliveryStore) -> None:
    await store.accept(new_delivery(event="e", status=Status.HELD), NOW)
    second = new_delivery(event="e")
    assert (await store.accept(second, NOW)).status is Status.QUEUED
    assert (await store.accept(new_delivery(event="e"), NOW)).duplicate_of == second.id


async def test_what_was_refused_owns_no_event(store: DeliveryStore) -> None:
    await store.record_refusal(new_delivery(event="e", status=Status.REJECTED))
    assert (await store.accept(new_delivery(event="e"), NOW)).duplicate_of is None


async def test_another_body_under_the_same_id_runs_and_is_marked(store: DeliveryStore) -> None:
    first, other = new_delivery(event="e", body=b"1"), new_delivery(event="e", body=b"2")
    await store.accept(first, NOW)
    stored = await store.accept(other, NOW)
    assert (stored.status, stored.duplicate_of, stored.id_conflict) == (Status.QUEUED, None, True)
    record = await store.get(other.id)
    assert record is not None
    assert record.id_conflict and len(record.attempts) == 1


async def test_repeats_of_both_bodies_are_duplicates_of_their_own(store: DeliveryStore) -> None:
    first, other = new_delivery(event="e", body=b"1"), new_delivery(event="e", body=b"2")
    for new in (first, other):
        await store.accept(new, NOW)
    assert (await store.accept(new_delivery(event="e", body=b"1"), NOW)).duplicate_of == first.id
    assert (await store.accept(new_delivery(event="e", body=b"2"), NOW)).duplicate_of == other.id


async def test_an_expired_entry_is_replaced(store: DeliveryStore) -> None:
    await store.accept(new_delivery(event="e", window=timedelta(seconds=10)), NOW)
    second = new_delivery(event="e", body=b"changed", received_at=later(10))
    stored = await store.accept(second, later(10))
    assert (stored.status, stored.id_conflict) == (Status.QUEUED, False)
    assert (await store.accept(new_delivery(event="e", body=b"changed"), later(11))).duplicate_of == second.id


async def test_of_requests_of_one_event_in_one_batch_the_first_runs(store: DeliveryStore) -> None:
    news = [new_delivery(event=f"e{number % 3}") for number in range(30)]
    stored = await asyncio.gather(*(store.accept(new, NOW) for new in news))
    assert [one.id for one in stored if one.status is Status.QUEUED] == [new.id for new in news[:3]]
    assert {one.duplicate_of for one in stored[3:]} == {new.id for new in news[:3]}


async def test_in_one_batch_a_failed_delivery_is_replaced_once(store: DeliveryStore) -> None:
    await ended(store, Status.FAILED, "run", event="e")
    news = [new_delivery(event="e") for _ in range(5)]
    stored = await asyncio.gather(*(store.accept(new, later(2)) for new in news))
    assert [one.duplicate_of for one in stored] == [None, *[news[0].id] * 4]


async def test_two_processes_that_take_the_same_events_agree(stores: list[DeliveryStore]) -> None:
    events = [f"event {number}" for number in range(100)]
    rounds = [[new_delivery(event=event) for event in order] for _ in range(4) for order in (events, events[::-1])]
    outcomes = await asyncio.gather(
        *(stores[index % 2].accept(new, NOW) for index, news in enumerate(rounds) for new in news)
    )
    first = [outcome for outcome in outcomes if outcome.duplicate_of is None]
    assert len(first) == 100
    assert {outcome.duplicate_of for outcome in outcomes} == {None, *(outcome.id for outcome in first)}
    assert (await stores[0].stats("orders"))["by_status"] == {"duplicate": 700, "queued": 100}


async def test_of_two_processes_one_takes_a_failed_event_over(stores: list[DeliveryStore]) -> None:
    for number in range(10):
        await ended(stores[0], Status.FAILED, f"run {number}", event=f"event {number}")
    news = [new_delivery(event=f"event {number % 10}") for number in range(60)]
    outcomes = await asyncio.gather(*(stores[index // 30].accept(new, later(9)) for index, new in enumerate(news)))
    assert [outcome.status for outcome in outcomes].count(Status.QUEUED) == 10
    owners = {outcome.id for outcome in outcomes if outcome.duplicate_of is None}
    assert {outcome.duplicate_of for outcome in outcomes if outcome.duplicate_of} == owners


async def test_the_same_signature_under_another_event_id_is_a_replay_and_does_not_run(store: DeliveryStore) -> None:
    first = new_delivery(event="e-1", mark=b"s")
    await store.accept(first, NOW)
    for event in ("e-2", None):
        replay = new_delivery(event=event, mark=b"s")
        stored = await store.accept(replay, NOW)
        assert (stored.status, stored.duplicate_of, stored.replayed) == (Status.DUPLICATE, first.id, True)
        record = await store.get(replay.id)
        assert record is not None and (record.reason, record.attempts) == (Reason.REPLAYED, ())
    again = await store.accept(new_delivery(event="e-1", mark=b"s"), NOW)
    assert (again.duplicate_of, again.replayed) == (first.id, False)
    # The id under which the replay came is still its true sender's.
    genuine = await store.accept(new_delivery(event="e-2", mark=b"t", body=b"other"), NOW)
    assert (genuine.status, genuine.id_conflict) == (Status.QUEUED, False)


async def test_two_requests_of_one_moment_with_one_signature_run_once(store: DeliveryStore) -> None:
    replays = [new_delivery(event=f"e-{number}", mark=b"s") for number in range(4)]
    stored = await asyncio.gather(*(store.accept(each, NOW) for each in replays))
    assert sorted(each.status for each in stored) == [Status.DUPLICATE] * 3 + [Status.QUEUED]


async def test_a_signature_is_guarded_for_as_long_as_an_event_id_and_per_webhook(store: DeliveryStore) -> None:
    window = timedelta(seconds=60)
    await store.accept(new_delivery(event="e-1", mark=b"s", window=window), NOW)
    assert not (await store.accept(new_delivery(event="e-2", mark=b"s", webhook="refunds"), NOW)).replayed
    assert not (await store.accept(new_delivery(event="e-3", mark=b"s", window=window), later(61))).replayed


async def test_without_event_ids_equal_requests_run(store: DeliveryStore) -> None:
    for _ in range(2):
        assert (await store.accept(new_delivery(mark=b"s"), NOW)).status is Status.QUEUED


async def test_what_failed_runs_again_also_for_a_replay(store: DeliveryStore) -> None:
    await ended(store, Status.FAILED, "run", event="e-1", mark=b"s")
    assert (await store.accept(new_delivery(event="e-2", mark=b"s"), later(2))).status is Status.QUEUED
