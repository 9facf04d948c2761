"""Which moves a delivery may make, and which news of a run counts."""

from datetime import UTC, datetime, timedelta

import pytest

from receiver.deliveries.lifecycle import (
    FINISHED,
    FROM_PREFECT,
    RUNS_AGAIN,
    SET_ASIDE,
    SETTLING,
    UNFINISHED,
    Status,
    is_news,
    may_move,
)

T = datetime(2026, 3, 1, tzinfo=UTC)
WITH_A_RUN = [Status.DISPATCHED, Status.RUNNING, *sorted(FINISHED)]


def moves_from(current: Status) -> set[Status]:
    return {to for to in Status if may_move(current, to)}


@pytest.mark.parametrize("status", list(Status))
def test_staying_is_no_move(status: Status) -> None:
    assert not may_move(status, status)


@pytest.mark.parametrize("status", sorted(SET_ASIDE))
def test_what_was_set_aside_is_queued_by_a_replay_or_if_held_discarded(status: Status) -> None:
    discarded = {Status.CANCELLED} if status is Status.HELD else set()
    assert moves_from(status) == {Status.QUEUED} | discarded


def test_a_split_request_stays_one() -> None:
    assert moves_from(Status.SPLIT) == set()


def test_what_is_queued_is_handed_over_given_up_or_discarded() -> None:
    assert moves_from(Status.QUEUED) == {Status.DISPATCHED, Status.DEAD, Status.CANCELLED}


def test_what_is_dead_is_queued_again_or_turns_out_to_have_a_run() -> None:
    assert moves_from(Status.DEAD) == {Status.QUEUED, Status.DISPATCHED}


@pytest.mark.parametrize("status", [Status.DISPATCHED, Status.RUNNING])
def test_what_runs_goes_wherever_prefect_says_or_loses_its_run(status: Status) -> None:
    assert moves_from(status) == {*FROM_PREFECT.values(), Status.DEAD} - {status}


@pytest.mark.parametrize("status", sorted(FINISHED))
def test_an_end_is_left_when_prefect_says_so_or_by_a_replay(status: Status) -> None:
    assert moves_from(status) == {*FROM_PREFECT.values(), Status.QUEUED} - {status}


def test_nothing_becomes_what_only_ingress_decides() -> None:
    assert not any(may_move(current, to) for current in Status for to in SET_ASIDE)


def test_every_status_is_of_one_kind() -> None:
    kinds = [SET_ASIDE, UNFINISHED, FINISHED, {Status.DEAD, Status.SPLIT}]
    assert sorted(status for kind in kinds for status in kind) == sorted(Status)
    assert SET_ASIDE | FINISHED | {Status.DEAD} >= RUNS_AGAIN


@pytest.mark.parametrize("polled", [True, False])
def test_the_first_state_and_a_later_one_are_news(polled: bool) -> None:
    assert is_news(at=T, known_at=None, seen_at=None, now=T, polled=polled)
    assert is_news(at=T, known_at=T, seen_at=T, now=T, polled=polled)
    assert is_news(at=T + timedelta(microseconds=1), known_at=T, seen_at=T, now=T, polled=polled)


def test_an_older_state_is_news_only_when_a_poll_tells_it_for_long() -> None:
    def told(seconds: float, polled: bool) -> bool:
        now = T + timedelta(seconds=seconds)
        return is_news(at=T - timedelta(seconds=1), known_at=T, seen_at=T, now=now, polled=polled)

    long = SETTLING.total_seconds()
    assert [told(0, True), told(long, True), told(long + 1, True)] == [False, False, True]
    assert not told(long + 1, False)
