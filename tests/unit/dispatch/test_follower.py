"""Events hurry, the poll decides: with runs and states as the test tells them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from receiver.deliveries.lifecycle import Status
from receiver.deliveries.records import Followed, RunState
from receiver.dispatch.follower import Follower
from receiver.dispatch.orchestrator import RecordingOrchestrator
from receiver.dispatch.reach import Reach
from receiver.prefect_gateway import PrefectState
from receiver.storage import StoreUnavailable

AT = datetime(2026, 3, 1, tzinfo=UTC)


class Runs:
    """The inbox, as far as a follower sees it: deliveries by their run."""

    def __init__(self, **deliveries: str) -> None:
        self.deliveries = deliveries
        self.statuses: dict[str, Status] = {}
        self.gone: list[str] = []
        self.run_again: set[str] = set()
        self.pages: list[str | None] = []
        self.down = False

    async def follow(self, state: RunState, source: str) -> bool:
        if self.down:
            raise StoreUnavailable("away")
        known = state.flow_run_id in self.deliveries
        if known:
            self.statuses[state.flow_run_id] = state.status
        return known

    async def unfinished(self, limit: int, after: str | None) -> list[Followed]:
        self.pages.append(after)
        rows = sorted((delivery_id, run) for run, delivery_id in self.deliveries.items() if run not in self.gone)
        return [
            Followed(delivery_id=delivery_id, attempt=1, flow_run_id=run, status=Status.DISPATCHED)
            for delivery_id, run in rows
            if delivery_id > (after or "")
        ][:limit]

    async def flow_run(self, flow_run_id: str) -> tuple[str, int] | None:
        return (self.deliveries[flow_run_id], 1) if flow_run_id in self.deliveries else None

    async def standing(self, delivery_id: str) -> Status | None:
        (run,) = [run for run, known in self.deliveries.items() if known == delivery_id]
        return Status.QUEUED if run in self.run_again else self.statuses[run]

    async def run_missing(self, flow_run_id: str, now: datetime) -> bool:
        self.gone.append(flow_run_id)
        return True


def state(run: str, kind: str, delivery_id: str | None = None) -> PrefectState:
    return PrefectState(flow_run_id=run, type=kind, name=kind.title(), at=AT, delivery_id=delivery_id)


def following(runs: Runs, *states: PrefectState) -> tuple[Follower, list[tuple[str, Status]]]:
    told: list[tuple[str, Status]] = []
    prefect = RecordingOrchestrator(run_states={each.flow_run_id: each for each in states})
    follower = Follower(runs, prefect, poll_seconds=3600, reach=Reach(), on_status=lambda *status: told.append(status))
    return follower, told


async def test_a_poll_asks_for_every_unfinished_run_page_by_page(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("receiver.dispatch.follower._PAGE", 2)
    runs = Runs(r1="d1", r2="d2", r3="d3", r4="d4", r5="d5")
    follower, told = following(runs, *(state(f"r{n}", "RUNNING") for n in range(1, 6)))
    assert await follower.poll_once() == 5
    assert runs.pages == [None, "d2", "d4", "d5"]
    assert told == [(f"d{n}", Status.RUNNING) for n in range(1, 6)]


async def test_a_run_that_two_polls_in_a_row_do_not_find_is_missing_and_who_waits_is_told():
    runs = Runs(r1="d1", r2="d2")
    follower, told = following(runs, state("r2", "RUNNING"))
    await follower.poll_once()
    assert not runs.gone
    await follower.poll_once()
    assert runs.gone == ["r1"] and ("d1", Status.DEAD) in told and ("d2", Status.DEAD) not in told


async def test_events_that_come_before_the_hand_over_is_stored_are_applied_after_it():
    runs = Runs()
    follower, told = following(runs, state("r1", "COMPLETED", "d1"))
    task = asyncio.create_task(follower.run())
    async with asyncio.timeout(20):
        while not told or not follower._early:
            await asyncio.sleep(0)
    assert told[0] == ("d1", Status.COMPLETED) and not runs.statuses
    runs.deliveries["r1"] = "d1"
    await follower.started("r1")
    assert runs.statuses == {"r1": Status.COMPLETED} and not follower._early
    task.cancel()
    await asyncio.wait({task}, timeout=20)
    assert task.cancelled()


async def test_events_of_others_are_forgotten_before_they_fill_the_memory(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("receiver.dispatch.follower._EARLY_LIMIT", 3)
    follower, _ = following(Runs())
    for number in range(10):
        await follower._heard(state(f"r{number}", "RUNNING"))
    assert list(follower._early) == ["r7", "r8", "r9"]


async def test_of_one_run_that_goes_on_and_on_the_latest_events_are_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("receiver.dispatch.follower._EARLY_OF_A_RUN", 2)
    follower, _ = following(Runs())
    for kind in ("PENDING", "RUNNING", "COMPLETED"):
        await follower._heard(state("r1", kind))
    assert [each.status for each in follower._early["r1"]] == [Status.RUNNING, Status.COMPLETED]


async def test_of_many_runs_that_are_gone_at_once_some_are_missing_now_and_the_others_later(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("receiver.dispatch.follower._PAGE", 1)
    monkeypatch.setattr("receiver.dispatch.follower._MISSING_LIMIT", 2)
    runs = Runs(r1="d1", r2="d2", r3="d3")
    follower, _ = following(runs)
    for _ in range(2):
        await follower.poll_once()
    assert sorted(runs.gone) == ["r1", "r2"]
    for _ in range(2):
        await follower.poll_once()
    assert sorted(runs.gone) == ["r1", "r2", "r3"]


async def test_an_inbox_that_is_away_and_a_state_of_another_prefect_end_nothing():
    runs = Runs(r1="d1")
    follower, told = following(runs)
    await follower._heard(state("r1", "DREAMING", "d1"))
    runs.down = True
    await follower._heard(state("r1", "RUNNING", "d1"))
    assert told == [("d1", Status.RUNNING)] and not runs.statuses


async def test_of_a_run_that_waits_for_a_person_who_waits_for_it_is_told_by_event_and_by_poll():
    runs = Runs(r1="d1", r2="d2")
    prefect = RecordingOrchestrator(run_states={"r1": state("r1", "PAUSED"), "r2": state("r2", "RUNNING")})
    suspended: list[str] = []
    follower = Follower(runs, prefect, poll_seconds=3600, reach=Reach(), on_suspended=suspended.append)
    await follower._heard(state("r1", "PAUSED", "d1"))
    await follower._heard(state("r2", "RUNNING", "d2"))
    assert suspended == ["d1"]
    await follower.poll_once()
    assert suspended == ["d1", "d1"] and runs.statuses["r1"] is Status.RUNNING


async def test_who_waits_hears_of_a_crash_what_the_inbox_makes_of_it():
    runs = Runs(r1="d1", r2="d2")
    runs.run_again = {"r2"}
    follower, told = following(runs, state("r1", "CRASHED", "d1"), state("r2", "CRASHED", "d2"))
    await follower.poll_once()
    assert told == [("d1", Status.CRASHED), ("d2", Status.QUEUED)]
