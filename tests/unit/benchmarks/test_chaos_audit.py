"""What the audit of three ledgers finds, from values."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.chaos.audit import judge, recoveries
from benchmarks.chaos.ledgers import Effect, Injected, Kind, Ledgers, RunState, Sent, Stored, Try

WHOLE = ("SCHEDULED", "PENDING", "RUNNING", "COMPLETED")


def sent(status: int | None = 202, delivery: str | None = "d1", **changes: Any) -> Sent:
    usual: dict[str, Any] = {"event": "e1", "webhook": "single"}
    return Sent(**{**usual, "tries": [Try(at=1.0, answered_at=1.1, status=status, delivery=delivery)], **changes})


def stored(**changes: Any) -> Stored:
    usual: dict[str, Any] = {"id": "d1", "webhook": "single", "event": "e1", "status": "completed", "runs": ("r1",)}
    return Stored(**{**usual, **changes})


def states(*types: str, since: float = 2.0) -> list[RunState]:
    return [RunState(type=type_, at=since + number) for number, type_ in enumerate(types)]


def effect(at: float = 4.5, **changes: Any) -> Effect:
    return Effect(**{"event": "e1", "delivery": "d1", "attempt": 1, "pid": 7, "at": at, **changes})


def kill(part: str = "child-1", at: float = 4.7, kind: Kind = Kind.KILL) -> Injected:
    return Injected(kind=kind, part=part, began=at, ended=at)


def ledgers(**changes: Any) -> Ledgers:
    usual = {"sent": [sent()], "stored": [stored()], "runs": {"r1": states(*WHOLE)}, "effects": [effect()]}
    return Ledgers(**{**usual, **changes})


def test_a_delivery_that_ran_once_is_counted_and_nothing_is_wrong() -> None:
    verdict = judge(ledgers())
    assert verdict.good
    assert (verdict.events, verdict.requests, verdict.acknowledged, verdict.completed) == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"stored": [], "runs": {}, "effects": []}, "not in the inbox"),
        ({"sent": [sent(delivery="d2")]}, "not in the inbox"),
        ({"effects": []}, "wrote nothing"),
        ({"runs": {"r1": states("SCHEDULED", "PENDING", "RUNNING", "FAILED")}}, "in Prefect ['FAILED']"),
        ({"runs": {}}, "in Prefect []"),
        ({"stored": [stored(status="dead", reason="run_missing")]}, "ended as dead (run_missing)"),
        ({"stored": [stored(status="failed")]}, "ended as failed"),
        ({"stored": [stored(status="duplicate", runs=())], "runs": {}}, "nothing but duplicates"),
    ],
)
def test_what_was_acknowledged_and_has_no_good_end_is_lost(changes: dict[str, Any], why: str) -> None:
    verdict = judge(ledgers(**changes))
    assert not verdict.good
    assert why in " ".join(verdict.lost.values())


def test_a_refused_request_is_a_loss_only_where_the_sender_was_told_otherwise() -> None:
    refused = stored(id="d2", event=None, status="rejected", reason="body_incomplete", runs=())
    assert judge(ledgers(stored=[stored(), refused])).good
    told = Try(at=1.0, status=202, delivery="d2")
    lied = sent(tries=[*sent().tries, told])
    assert judge(ledgers(sent=[lied], stored=[stored(), refused])).lost == {"d2": "ended as rejected (body_incomplete)"}


def test_a_crash_is_an_outcome_where_its_process_was_killed_and_a_loss_where_none_was() -> None:
    crashed = {
        "stored": [stored(status="crashed")],
        "runs": {"r1": states("SCHEDULED", "PENDING", "RUNNING", "CRASHED")},
    }
    assert judge(ledgers(**crashed, faults=[kill()])).good
    assert judge(ledgers(**crashed, faults=[kill("worker-1", kind=Kind.STOP)])).good
    for other in (kill("receiver-1"), kill(at=9.0), kill(kind=Kind.PAUSE)):
        assert judge(ledgers(**crashed, faults=[other])).lost == {"d1": "crashed, and nothing that ran it was killed"}


def test_what_has_not_ended_is_stuck_wherever_it_is_open() -> None:
    open_still = ledgers(
        stored=[stored(status="running")], runs={"r1": states("SCHEDULED", "PENDING", "RUNNING")}, effects=[]
    )
    assert judge(open_still).stuck == {"d1": "still running", "run r1": "still RUNNING in Prefect"}


def test_a_sender_that_came_back_in_vain_is_stuck_and_one_that_hung_up_is_not() -> None:
    nothing: dict[str, Any] = {"stored": [], "runs": {}, "effects": []}
    assert judge(ledgers(sent=[sent(503, None)], **nothing)).stuck == {"event e1": "never acknowledged in 1 tries"}
    assert judge(ledgers(sent=[sent(None, None, given_up=True)], **nothing)).good


def test_a_run_that_reached_running_twice_is_doubled_unless_it_crashed_between() -> None:
    twice = judge(ledgers(runs={"r1": states("RUNNING", "RUNNING", "COMPLETED")}))
    assert twice.doubled == {"d1": "e1 reached Running twice, no crash between"}
    assert judge(ledgers(runs={"r1": states("RUNNING", "CRASHED", "RUNNING", "COMPLETED")})).good


def test_two_deliveries_of_one_event_that_both_ran_are_doubled_unless_the_first_crashed() -> None:
    both = [stored(), stored(id="d2", runs=("r2",))]
    effects = [effect(), effect(14.5, delivery="d2", pid=8)]
    second = states(*WHOLE, since=12.0)
    doubled = judge(ledgers(stored=both, effects=effects, runs={"r1": states(*WHOLE), "r2": second})).doubled
    assert set(doubled) == {"d1", "d2"}
    assert "written by process 7 and again by 8" in doubled["d2"]
    crashed = [stored(status="crashed"), both[1]]
    first = states("SCHEDULED", "PENDING", "RUNNING", "CRASHED")
    assert judge(ledgers(stored=crashed, effects=effects, runs={"r1": first, "r2": second}, faults=[kill()])).good


def test_an_effect_that_one_run_wrote_twice_is_doubled() -> None:
    verdict = judge(ledgers(effects=[effect(), effect(4.6)]))
    assert list(verdict.doubled) == ["d1"]


def test_a_run_that_no_attempt_names_is_doubled_when_it_ran() -> None:
    runs = {"r1": states(*WHOLE), "r2": states(*WHOLE)}
    assert judge(ledgers(runs=runs)).doubled == {"run r2": "ran, and no attempt in the inbox names it"}


def test_a_recovery_is_the_time_to_the_next_effect_of_what_was_sent_since() -> None:
    late = sent(event="e2", tries=[Try(at=10.0)])
    faults = [kill("receiver-2", at=9.0), kill("receiver-1", at=4.0)]
    told = recoveries(ledgers(sent=[sent(), late], effects=[effect(), effect(12.5, event="e2")], faults=faults))
    assert told == {"kill -9: receiver": 8.5}
