"""What is wrong with the receiver's machine, its queue and Prefect, and when it is not any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from receiver.alerts.facts import MachineFacts, SharedFacts, WebhookFacts
from receiver.alerts.judge import judge_machine, judge_shared
from receiver.alerts.trouble import OF_ALL, OF_MACHINES, OF_WEBHOOKS, Limits, Rule, about, told

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LIMITS = Limits(queue=timedelta(minutes=5), troubled=10, disk_bytes=1000 * 2**20)


def shared(**fields: Any) -> SharedFacts:
    return SharedFacts(**{"prefect_up": True, **fields})


def waiting(minutes: float) -> SharedFacts:
    return shared(oldest_due_at=NOW - timedelta(minutes=minutes))


def troubled(held: int, dead: int) -> SharedFacts:
    return shared(webhooks=(WebhookFacts(key="orders", held=held, dead=dead),))


@pytest.mark.parametrize(
    ("rule", "subject", "bad", "better", "good"),
    [
        (Rule.PREFECT_AWAY, "", shared(prefect_up=False), None, shared()),
        (Rule.QUEUE_BEHIND, "", waiting(5), waiting(3), waiting(2)),
        (Rule.DELIVERIES_TROUBLED, "orders", troubled(4, 6), troubled(5, 0), troubled(2, 2)),
    ],
)
def test_of_all_receivers(rule: Rule, subject: str, bad: SharedFacts, better: SharedFacts | None, good: SharedFacts):
    place = (rule, subject)
    assert [each.place for each in judge_shared(bad, LIMITS, (), NOW)] == [place]
    assert judge_shared(good, LIMITS, (place,), NOW) == []
    if better is not None:  # not yet by the margin
        assert judge_shared(better, LIMITS, (), NOW) == []
        assert [each.place for each in judge_shared(better, LIMITS, (place,), NOW)] == [place]


@pytest.mark.parametrize(
    ("rule", "bad", "better", "good"),
    [
        (Rule.DISK_LOW, {"free_bytes": 999 * 2**20}, {"free_bytes": 1249 * 2**20}, {"free_bytes": 1250 * 2**20}),
        (Rule.STORAGE_REFUSES, {"storage_problem": "disk full"}, None, {}),
        (Rule.STORAGE_REFUSES, {"refused": 5}, None, {"refused": 4}),
    ],
)
def test_of_a_machine(rule: Rule, bad: dict[str, Any], better: dict[str, Any] | None, good: dict[str, Any]):
    place = (rule, {Rule.DISK_LOW: "host:/data", Rule.STORAGE_REFUSES: "host:8000"}[rule])
    assert [
        each.place for each in judge_machine(MachineFacts(name="host:8000", disk="host:/data", **bad), LIMITS, ())
    ] == [place]
    assert judge_machine(MachineFacts(name="host:8000", disk="host:/data", **good), LIMITS, (place,)) == []
    if better is not None:
        assert judge_machine(MachineFacts(name="host:8000", disk="host:/data", **better), LIMITS, ()) == []
        assert judge_machine(MachineFacts(name="host:8000", disk="host:/data", **better), LIMITS, (place,)) != []


def test_everything_in_order_is_nothing_to_tell():
    assert judge_shared(shared(webhooks=(WebhookFacts(key="orders"),)), LIMITS, (), NOW) == []
    assert judge_machine(MachineFacts(name="host:8000", disk="host:/data"), LIMITS, ()) == []


def test_each_rule_is_judged_by_one_kind_of_receiver_and_has_a_resource():
    assert set(Rule) == OF_ALL | OF_MACHINES and not OF_ALL & OF_MACHINES and OF_WEBHOOKS < OF_ALL
    resources = {rule: about(rule, "orders") for rule in Rule}
    assert set(resources.values()) == {"webhooks.webhook.orders", "webhooks.receiver"}


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (119, "119 s"), (120, "2 min"), (5400, "90 min"), (9000, "2.5 h"), (1e6, "12 d")]
)
def test_durations_are_told_for_people(seconds: float, words: str):
    assert told(timedelta(seconds=seconds)) == words
