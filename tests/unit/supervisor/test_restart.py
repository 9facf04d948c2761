import pytest

from receiver.supervisor.restart import Death, GiveUp, StartAgain, decide

QUICK = Death(lived=2, was_ready=True)
LONG = Death(lived=3600, was_ready=True)
NEVER_READY = Death(lived=60, was_ready=False)


@pytest.mark.parametrize(("quick", "wait"), [(1, 0.5), (2, 1), (3, 2), (4, 4)])
def test_quick_deaths_in_a_row_wait_longer_each_time(quick: int, wait: float) -> None:
    assert decide([LONG] + [QUICK] * quick) == StartAgain(after=wait)


def test_the_fifth_quick_death_in_a_row_is_the_last() -> None:
    assert decide([QUICK] * 5) == GiveUp(deaths=5)


def test_a_long_life_between_quick_deaths_starts_the_count_anew() -> None:
    assert decide([*[QUICK] * 4, LONG, QUICK]) == StartAgain(after=0.5)


def test_a_part_that_was_never_ready_gets_one_more_try() -> None:
    assert decide([NEVER_READY]) == StartAgain(after=0.5)
    assert decide([NEVER_READY, NEVER_READY]) == GiveUp(deaths=2)


def test_a_part_that_was_ready_once_and_then_never_again_is_given_up_in_the_end() -> None:
    assert decide([LONG, *[NEVER_READY] * 4]) == StartAgain(after=4)
    assert decide([LONG, *[NEVER_READY] * 5]) == GiveUp(deaths=5)
