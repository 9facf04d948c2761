"""What a request is to an event that has an owner already."""

from dataclasses import replace

import pytest

from receiver.deliveries.ledger import Entry, Verdict, entry_of, judge
from receiver.deliveries.lifecycle import RUNS_AGAIN, Status
from tests.support.inbox import new_delivery

OWNER = Entry(
    delivery_id="first", place=("orders", b"key"), body_digest=b"same", expires_at=100, status=Status.COMPLETED
)
NEW = replace(OWNER, delivery_id="second", status=Status.QUEUED, expires_at=200)


@pytest.mark.parametrize("status", list(Status))
def test_a_repeat_runs_only_when_its_owner_is_to_run_again(status: Status) -> None:
    expected = Verdict.TAKES_OVER if status in RUNS_AGAIN else Verdict.DUPLICATE
    assert judge(replace(OWNER, status=status), NEW, now=50) is expected


@pytest.mark.parametrize("status", list(Status))
def test_another_body_is_a_conflict_unless_it_takes_over(status: Status) -> None:
    expected = Verdict.TAKES_OVER if status in RUNS_AGAIN else Verdict.CONFLICT
    assert judge(replace(OWNER, status=status), replace(NEW, body_digest=b"other"), now=50) is expected


def test_an_owner_expires_at_its_moment() -> None:
    assert judge(OWNER, NEW, now=99) is Verdict.DUPLICATE
    assert judge(OWNER, NEW, now=100) is Verdict.TAKES_OVER


def test_a_request_without_an_event_and_a_refused_one_claim_nothing() -> None:
    assert entry_of(new_delivery()) is None
    assert entry_of(new_delivery(event="e", status=Status.REJECTED)) is None


def test_events_differ_by_webhook_and_id() -> None:
    news = [new_delivery(event="e"), new_delivery(event="f"), new_delivery(event="e", webhook="refunds")]
    places = [entry.place for new in news if (entry := entry_of(new)) is not None]
    assert len(set(places)) == 3
    assert all(len(key) == 32 for _, key in places)
