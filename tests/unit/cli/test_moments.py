"""Times as people write and read them, and as bars."""

from datetime import UTC, datetime, timedelta

import pytest

from receiver.cli.moments import parse_moment, tell_clock, tell_moment, tell_ms
from receiver.cli.timeline import WIDTH, Stage, bar, sparkline, stages

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_moment_is_so_long_ago_or_a_time():
    assert parse_moment("2h", NOW) == NOW - timedelta(hours=2)
    assert parse_moment("2026-03-01T10:00:00+02:00", NOW) == datetime(2026, 3, 1, 8, tzinfo=UTC)
    assert parse_moment("2026-03-01", NOW) == datetime(2026, 3, 1).astimezone()  # local, as whoever writes it means


@pytest.mark.parametrize("wrong", ["", "yesterday", "2 weeks", "999999999d", "-2h", "2026-13-01"])
def test_what_is_no_moment_is_told_with_an_example(wrong: str):
    with pytest.raises(ValueError, match=r"e\.g\. 30m, 2h or 3d"):
        parse_moment(wrong, NOW)


def test_moments_are_told_in_utc_with_its_mark_or_in_local_time_without():
    assert tell_moment("2026-03-01T12:00:01.5+00:00", utc=True) == "2026-03-01 12:00:01Z"
    assert tell_moment("2026-03-01T12:00:01Z", utc=False) == f"{NOW.astimezone():%Y-%m-%d %H:%M}:01"
    assert tell_clock("2026-03-01T12:00:01.0259Z", utc=True) == "12:00:01.025"


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (0, "0.0 ms"),
        (3.21, "3.2 ms"),
        (999.4, "999 ms"),
        (1240, "1.24 s"),
        (182_000, "3 min 2 s"),
        (7.5e6, "2 h 5 min"),
    ],
)
def test_times_are_told_in_the_unit_that_suits_them(ms: float, words: str):
    assert tell_ms(ms) == words


def test_stages_follow_each_other_and_the_reply_is_beside_them():
    row: dict[str, object] = {"attempt": 1, "receive_ms": 2.0, "queue_ms": 8.0, "start_ms": 90.0, "run_ms": None}
    row["received_at"] = "2026-03-01T12:00:00Z"
    found = stages(row, "2026-03-01T12:00:00.150Z")
    assert [(each.name, each.start, each.ms) for each in found] == [
        ("receive", 0, 2),
        ("queue", 2, 8),
        ("start", 10, 90),
        ("reply", 0, 150),
    ]
    assert [each.name for each in stages({**row, "attempt": 2}, None)] == ["queue", "start"]


def test_a_bar_stands_at_its_place_and_is_never_invisible_or_too_long():
    assert bar(Stage(name="run", start=50, ms=50), 100, "#") == " " * 20 + "#" * 20
    assert bar(Stage(name="run", start=100, ms=0), 100, "#") == " " * 39 + "#"
    assert len(bar(Stage(name="run", start=0, ms=0), 0)) == 1
    assert len(bar(Stage(name="run", start=1e9, ms=1e9), 1)) == WIDTH


def test_a_sparkline_has_a_character_for_each_number():
    assert sparkline([0, 1, 4, 8]) == "·▁▄█"
    assert sparkline([0, 9], blocks=False) == ".9"
    assert sparkline([0, 0]) == "··" and sparkline([]) == ""
