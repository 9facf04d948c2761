"""Moving windows: never more than the rate in any stretch of time, and the wait that is told is the true one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from receiver.ingress.rate import Failures, Rate, Windows

RATE = Rate(3, 60)


def test_as_many_as_the_rate_says_then_none_until_the_first_is_over():
    windows = Windows()
    assert [windows.take("a", RATE, now) for now in (0, 10, 20)] == [0, 0, 0]
    assert windows.take("a", RATE, 30) == 30
    assert windows.take("a", RATE, 59.5) == 0.5
    assert windows.take("a", RATE, 60) == 0
    assert windows.take("a", RATE, 61) == 9


def test_keys_do_not_share_a_window_and_what_is_refused_is_not_counted():
    windows = Windows()
    for _ in range(10):
        windows.take("a", RATE, 0)
    assert windows.take("b", RATE, 0) == 0
    assert windows.take("a", RATE, 60) == 0


def test_a_rate_that_changes_holds_at_once():
    windows = Windows()
    for now in range(3):
        windows.take("a", RATE, now)
    assert windows.take("a", Rate(4, 60), 3) == 0
    assert windows.take("a", Rate(2, 60), 4) == 58
    assert windows.take("a", Rate(5, 60), 4) == 0


@given(
    times=st.lists(st.floats(0, 300), max_size=60).map(sorted),
    count=st.integers(1, 8),
    seconds=st.sampled_from([1, 60]),
)
def test_no_stretch_of_time_holds_more_and_whoever_waits_as_told_is_taken(times, count, seconds):
    windows, rate = Windows(), Rate(count, seconds)
    taken = []
    for now in times:
        wait = windows.take("a", rate, now)
        if wait == 0:
            taken.append(now)
        assert windows.wait("a", rate, now + windows.wait("a", rate, now) + 1e-6) == 0
    for first in taken:
        assert sum(first <= now < first + seconds - 1e-6 for now in taken) <= count


def test_windows_are_bounded_in_number_and_the_one_not_used_longest_goes():
    windows = Windows(most=2)
    for key in ("a", "b", "a", "c"):
        windows.take(key, Rate(2, 60), 0)
    assert windows.wait("a", Rate(2, 60), 1) == 59
    assert windows.take("b", Rate(1, 60), 1) == 0


def test_failures_are_counted_by_ipv4_address_and_by_the_64_of_ipv6():
    failures = Failures(Rate(1, 60))
    failures.count("192.0.2.1", 0)
    failures.count("2001:db8:0:1::1", 0)
    assert failures.wait("192.0.2.1", 1) == failures.wait("2001:db8:0:1:ffff::2", 1) == 59
    assert failures.wait("192.0.2.2", 1) == failures.wait("2001:db8:0:2::1", 1) == failures.wait("", 1) == 0
    assert failures.wait("2001:db8:0:1:ffff::2", 60) == 0
