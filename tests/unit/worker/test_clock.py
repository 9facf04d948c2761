"""A worker goes by Prefect's clock where its own is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import time_machine

from flows.worker.clock import PrefectClock

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
DATE = format_datetime(AT, usegmt=True)


@pytest.mark.parametrize("seconds", [-30, -3, 3, 3600])
def test_a_clock_that_is_wrong_is_corrected_and_told_once(seconds: float) -> None:
    clock = PrefectClock()
    with time_machine.travel(AT + timedelta(seconds=seconds), tick=False):
        assert clock.hear(DATE)
        assert (clock.off, clock.now()) == (-seconds, AT)
        assert not clock.hear(DATE)


@pytest.mark.parametrize("seconds", [-2, -0.4, 0, 1.9])
def test_what_an_answer_takes_and_a_fraction_of_a_second_is_no_difference(seconds: float) -> None:
    clock = PrefectClock()
    with time_machine.travel(AT + timedelta(seconds=seconds), tick=False):
        assert not clock.hear(DATE)
        assert clock.now() == AT + timedelta(seconds=seconds)


def test_a_clock_that_was_set_right_is_believed_again() -> None:
    clock = PrefectClock()
    with time_machine.travel(AT + timedelta(seconds=20), tick=False):
        clock.hear(DATE)
    with time_machine.travel(AT, tick=False):
        assert clock.hear(DATE)
        assert clock.now() == AT


@pytest.mark.parametrize("date", [None, "", "yesterday", "Sun, 99 Mar 2026 12:00:00 GMT"])
def test_an_answer_without_a_date_says_nothing(date: str | None) -> None:
    clock = PrefectClock()
    assert not clock.hear(date)
    assert clock.off == 0
