"""When a worker counts as lost with its machine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from flows.worker.silence import Silence

AT = datetime(2026, 3, 1, tzinfo=UTC)


def beat(number: int) -> datetime:
    return AT + timedelta(seconds=30 * number)


def watched(silence: Silence, begin: int, end: int, **fixed: datetime) -> set[str]:
    """Look every 30 s, `me` being heard each time and the others not since; the last answer."""
    lost: set[str] = set()
    for number in range(begin, end):
        lost = silence.look({"me": beat(number), **fixed}, 1000 + 30 * number)
    return lost


def test_who_was_silent_for_so_long_while_watched_is_lost():
    silence = Silence(600)
    assert watched(silence, 0, 20, other=AT) == set()
    assert watched(silence, 20, 21, other=AT) == {"other"}


def test_an_old_row_of_a_worker_that_nobody_watched_is_watched_first():
    silence = Silence(600)
    assert silence.look({"me": beat(0), "other": AT - timedelta(days=3)}, 1000) == set()


def test_a_heartbeat_starts_the_count_anew():
    silence = Silence(600)
    watched(silence, 0, 19, other=AT)
    assert watched(silence, 19, 39, other=beat(19)) == set()
    assert watched(silence, 39, 40, other=beat(19)) == {"other"}


def test_while_prefect_is_away_nobody_grows_silent():
    silence = Silence(600)
    watched(silence, 0, 15, other=AT)
    silence.interrupted()
    assert watched(silence, 15, 35, other=AT) == set()
    assert watched(silence, 35, 36, other=AT) == {"other"}


def test_a_watcher_that_was_stopped_itself_begins_anew():
    silence = Silence(600)
    watched(silence, 0, 10, other=AT)
    assert watched(silence, 30, 49, other=AT) == set()


def test_what_is_mended_is_not_lost_again_until_it_was_heard_again():
    silence = Silence(600)
    watched(silence, 0, 21, other=AT)
    silence.mended({"other"})
    assert watched(silence, 21, 100, other=AT) == set()
    watched(silence, 100, 101, other=beat(100))
    assert watched(silence, 101, 121, other=beat(100)) == {"other"}


def test_of_those_that_are_heard_one_mends():
    silence = Silence(600)
    for number in range(21):
        silence.look({"b": beat(number), "c": beat(number), "a": AT}, 1000 + 30 * number)
    now = 1000 + 30 * 20
    assert (silence.speaks("b", now), silence.speaks("c", now)) == (True, False)
