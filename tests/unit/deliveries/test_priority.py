"""Whose hand-over comes first."""

from receiver.deliveries.priority import BY_AGE, LONGEST_AWAITED, Due, Priority, Turns, by_age, by_class

NOW = 10 * LONGEST_AWAITED
OLDEST = {Priority.REPLAY: 1, Priority.SYNC: NOW - 2, Priority.LIVE: NOW - 5}


def test_callers_go_before_what_arrives_and_that_before_what_is_asked_for_again() -> None:
    classes = [due.priority for due in by_class(OLDEST, NOW)]
    assert classes == [Priority.SYNC, Priority.SYNC, Priority.LIVE, Priority.REPLAY]


def test_what_may_still_be_awaited_goes_before_what_nobody_waits_for_any_more() -> None:
    awaited, late, *_ = by_class(OLDEST, NOW)
    assert awaited == Due(Priority.SYNC, NOW - LONGEST_AWAITED, NOW)
    assert late == Due(Priority.SYNC, 0, NOW - LONGEST_AWAITED - 1)


def test_by_age_the_class_that_has_waited_the_longest_goes_first() -> None:
    assert [due.priority for due in by_age(OLDEST, NOW)] == [Priority.REPLAY, Priority.LIVE, Priority.SYNC]


def test_a_class_of_which_nothing_is_due_is_not_asked_for() -> None:
    waiting = {Priority.LIVE: NOW, Priority.SYNC: NOW + 1}
    assert list(by_class(waiting, NOW)) == list(by_age(waiting, NOW)) == [Due(Priority.LIVE, 0, NOW)]


def test_one_hand_over_in_eight_goes_by_age_however_they_are_counted() -> None:
    one_by_one, at_once = Turns(), Turns()
    assert sum(one_by_one.by_age(1) for _ in range(4 * BY_AGE)) == 4
    assert [at_once.by_age(3 * BY_AGE), at_once.by_age(BY_AGE - 1), at_once.by_age(1)] == [3, 0, 1]
