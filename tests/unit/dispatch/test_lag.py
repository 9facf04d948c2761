"""How far the queue is behind, in the log."""

from __future__ import annotations

from datetime import datetime

import pytest

from receiver.dispatch.lag import CAUGHT_UP_SECONDS, FAR_SECONDS, Lag


async def _nothing(_now: datetime) -> float:
    return 0.0


def lines(caplog: pytest.LogCaptureFixture, *seconds: float) -> list[str]:
    caplog.set_level("INFO")
    lag = Lag(_nothing)
    for each in seconds:
        lag.tell(each)
    return [record.getMessage() for record in caplog.records]


def test_nothing_is_told_of_a_queue_that_is_a_little_behind(caplog: pytest.LogCaptureFixture) -> None:
    assert lines(caplog, 0, FAR_SECONDS, 0) == []


def test_one_line_when_it_is_far_behind_and_one_when_it_has_caught_up(caplog: pytest.LogCaptureFixture) -> None:
    far, done = lines(caplog, FAR_SECONDS + 1, 300, CAUGHT_UP_SECONDS, 0, 0)
    assert "behind by 61 s" in far and "caught up" in done and "300 s" in done


def test_the_next_time_it_is_told_again(caplog: pytest.LogCaptureFixture) -> None:
    assert len(lines(caplog, FAR_SECONDS + 1, 0, FAR_SECONDS + 2)) == 3
