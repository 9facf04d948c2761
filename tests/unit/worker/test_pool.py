"""Decisions about children and runs."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from flows.worker.pool import (
    ChildState,
    ChildView,
    Ending,
    PoolOptions,
    Vitals,
    after_death,
    after_end,
    claim_token,
    death_in_words,
    plan_children,
    recycle_reason,
    refusal,
    step_token,
)

OPTIONS = PoolOptions(children=4, min_idle=1, idle_seconds=100)


def _child(number: int, state: ChildState, generation: int = 1, idle_since: float = 0.0) -> ChildView:
    return ChildView(number=number, state=state, generation=generation, idle_since=idle_since)


def test_an_empty_pool_starts_what_it_keeps_idle() -> None:
    assert plan_children([], 0, OPTIONS, 1, 0.0).start == 1


def test_a_child_is_started_for_each_waiting_run_and_one_to_spare() -> None:
    busy = [_child(1, ChildState.BUSY)]
    assert plan_children(busy, 2, OPTIONS, 1, 0.0).start == 3


def test_starting_children_count_as_coming() -> None:
    coming = [_child(1, ChildState.STARTING), _child(2, ChildState.STARTING)]
    assert plan_children(coming, 1, OPTIONS, 1, 0.0).start == 0


def test_never_more_children_than_allowed() -> None:
    busy = [_child(number, ChildState.BUSY) for number in range(4)]
    assert plan_children(busy, 10, OPTIONS, 1, 0.0).start == 0


def test_a_retiring_child_makes_room_at_once() -> None:
    children = [_child(number, ChildState.BUSY) for number in range(3)] + [_child(9, ChildState.RETIRING)]
    assert plan_children(children, 1, OPTIONS, 1, 0.0).start == 1


def test_children_idle_for_long_go_except_those_kept() -> None:
    idle = [_child(number, ChildState.IDLE, idle_since=number) for number in (1, 2, 3)]
    assert plan_children(idle, 0, OPTIONS, 1, 50.0).retire == ()
    assert plan_children(idle, 0, OPTIONS, 1, 200.0).retire == (1, 2)


def test_idle_children_of_an_old_zygote_go_and_are_replaced() -> None:
    plan = plan_children([_child(1, ChildState.IDLE), _child(2, ChildState.BUSY)], 0, OPTIONS, 2, 0.0)
    assert (plan.retire, plan.start) == ((1,), 1)


def test_a_pool_without_spare_children_starts_none_by_itself() -> None:
    assert plan_children([], 0, PoolOptions(min_idle=0), 1, 0.0).start == 0


@pytest.mark.parametrize(
    ("vitals", "words"),
    [
        (Vitals(runs=499, memory=100, threads=10, descriptors=40), None),
        (Vitals(runs=500, memory=100), "500 runs"),
        (Vitals(runs=1, memory=600), "600 MiB"),
        (Vitals(runs=1, memory=100, threads=64), "64 threads"),
        (Vitals(runs=1, memory=100, descriptors=512), "512 descriptors"),
    ],
)
def test_a_worn_child_is_recycled_and_the_log_says_why(vitals: Vitals, words: str | None) -> None:
    reason = recycle_reason(vitals, PoolOptions(max_runs_per_child=500, max_child_memory=512))
    assert reason is None if words is None else words in (reason or "")


def test_the_claim_of_a_run_depends_on_its_count_only() -> None:
    one, other = UUID(int=1), UUID(int=2)
    assert claim_token(one, 0) == claim_token(one, 0)
    assert len({claim_token(one, 0), claim_token(one, 1), claim_token(other, 0)}) == 3


def test_every_child_that_is_given_a_claimed_run_begins_and_ends_it_under_the_same_tokens() -> None:
    claim = claim_token(uuid4(), 0)
    begun = step_token(claim, final=False, running=True)
    assert begun == step_token(claim, final=False, running=True) != claim
    assert step_token(claim, final=True, running=False) == claim
    assert step_token(claim, final=False, running=False) != step_token(claim, final=False, running=False)


@pytest.mark.parametrize(
    ("outcome", "ending"),
    [
        ({"state": "COMPLETED", "broken": None}, Ending.NOTHING),
        ({"state": None, "broken": None}, Ending.NOTHING),
        ({"state": "CANCELLING", "broken": None}, Ending.CANCELLED),
        ({"state": None, "broken": "no such flow"}, Ending.CRASHED),
    ],
)
def test_what_is_left_to_do_when_a_child_is_done(outcome: dict[str, str | None], ending: Ending) -> None:
    assert after_end(outcome) is ending


@pytest.mark.parametrize(
    ("state", "circumstances", "ending"),
    [
        (("RUNNING", "Running"), {}, Ending.CRASHED),
        (("RUNNING", "Running"), {"timed_out": True}, Ending.TIMED_OUT),
        (("RUNNING", "Running"), {"cancelled": True}, Ending.CANCELLED),
        (("CANCELLING", "Cancelling"), {"timed_out": True}, Ending.CANCELLED),
        (("COMPLETED", "Completed"), {"cancelled": True}, Ending.NOTHING),
        (("FAILED", "Failed"), {}, Ending.NOTHING),
        (("PENDING", "Pending"), {}, Ending.AGAIN),
        (("PENDING", "Pending"), {"starts": 2}, Ending.CRASHED),
        (("PENDING", "Pending"), {"starts": 2, "stopping": True}, Ending.AGAIN),
        (("PAUSED", "Suspended"), {}, Ending.NOTHING),
        (("PAUSED", "Paused"), {}, Ending.CRASHED),
        (("SCHEDULED", "AwaitingRetry"), {}, Ending.CRASHED),
    ],
)
def test_what_a_dead_child_leaves_to_do(
    state: tuple[str, str], circumstances: dict[str, bool | int], ending: Ending
) -> None:
    usual: dict[str, bool | int] = {"starts": 1, "timed_out": False, "cancelled": False}
    assert after_death(*state, **{**usual, **circumstances}) is ending  # type: ignore[arg-type] # a table of keywords


@pytest.mark.parametrize(
    ("deployment", "names"),
    [
        (("flows.hello.hello", None, None, None), None),
        (("flows.hello.hello", [], None, None), None),
        (("flows/hello.py:hello", None, None, None), "process"),
        ((None, None, None, None), "process"),
        (("flows.hello.hello", [{"a": {}}], None, None), "process"),
        (("flows.hello.hello", None, "python:3.12", None), "docker"),
        (("flows.hello.hello", None, None, "python -m prefect.engine"), "process"),
    ],
)
def test_a_deployment_that_cannot_run_warm_is_told_the_pool_to_use(
    deployment: tuple[str | None, object, object, object], names: str | None
) -> None:
    message = refusal(*deployment)
    assert message is None if names is None else f"type {names}" in (message or "")


@pytest.mark.parametrize(
    ("status", "words"),
    [(-11, "SIGSEGV"), (-9, "memory"), (3, "status 3"), (None, "lost"), (-99, "unknown")],
)
def test_a_death_is_told_in_words(status: int | None, words: str) -> None:
    assert words in death_in_words(status)


def test_options_come_from_the_pools_template_and_the_workers_limit() -> None:
    template = {"job_configuration": {"children": 2, "max_runs_per_child": 9, "min_idle": None, "x": "{{ x }}"}}
    assert PoolOptions.from_template(template) == PoolOptions(children=2, max_runs_per_child=9)
    assert PoolOptions.from_template(template, limit=7).children == 7
    assert PoolOptions.from_template({}) == PoolOptions()
