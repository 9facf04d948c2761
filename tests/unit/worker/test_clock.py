"""A worker goes by Prefect's clock where its own is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import time_machine

from flows.worker.clock import PrefectClock

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
DATE = format_datetime(AT, usegmt=True)
"""What an answer says that was written at `AT` or within the second after it."""


def hear(clock: PrefectClock, wrong: float, took: float = 0.0) -> bool:
    """It hears at `AT` by Prefect's clock, its own being wrong by so many seconds, an answer that took so long."""
    with time_machine.travel(AT + timedelta(seconds=wrong), tick=False):
        return clock.hear(DATE, datetime.now(UTC) - timedelta(seconds=took))


@pytest.mark.parametrize("wrong", [-3600, -30, -3, 4, 30, 3600])
def test_a_clock_that_is_wrong_is_corrected_to_a_second_and_told_once(wrong: float) -> None:
    clock = PrefectClock()
    assert hear(clock, wrong)
    assert abs(clock.off.total_seconds() + wrong) <= 1
    with time_machine.travel(AT + timedelta(seconds=wrong), tick=False):
        assert abs(clock.now() - AT) <= timedelta(seconds=1)
    assert not hear(clock, wrong)


@pytest.mark.parametrize("wrong", [-1, -0.4, 0, 1.9])
def test_a_fraction_of_a_second_is_no_difference(wrong: float) -> None:
    clock = PrefectClock()
    assert not hear(clock, wrong)
    assert clock.off == timedelta(0)


@pytest.mark.parametrize("took", [2, 10, 60])
def test_an_answer_that_took_long_says_nothing_of_the_clock(took: float) -> None:
    clock = PrefectClock()
    assert not hear(clock, wrong=took, took=took)  # written at once, and heard so much later
    assert clock.off == timedelta(0)


def test_a_clock_that_was_set_right_is_believed_again() -> None:
    clock = PrefectClock()
    hear(clock, 20)
    assert hear(clock, 0)
    assert clock.off == timedelta(0)


@pytest.mark.parametrize("date", [None, "", "yesterday", "Sun, 99 Mar 2026 12:00:00 GMT"])
def test_an_answer_without_a_date_says_nothing(date: str | None) -> None:
    clock = PrefectClock()
    assert not clock.hear(date, AT)
    assert clock.off == timedelta(0)
