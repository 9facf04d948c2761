"""How many hand-overs go on at the same time."""

from receiver.dispatch.pace import EASY_TIMES, HARD_TIMES, QUICK_SECONDS, Pace

QUICK, EASY, HARD = QUICK_SECONDS, EASY_TIMES * QUICK_SECONDS, HARD_TIMES * QUICK_SECONDS
MORE = 1.2
"""What is remembered of the quickest grows a little with each hand-over."""


def paced(quickest: float = QUICK) -> Pace:
    """Eight at most, of a Prefect that took one in so many seconds."""
    pace = Pace(8)
    pace.taken(quickest, 1.0)
    return pace


def test_it_begins_with_the_most_and_stays_there_while_hand_overs_are_easy() -> None:
    pace = paced()
    for second in range(2, 100):
        pace.taken(EASY if second % 2 else QUICK, float(second))
    assert pace.limit == 8


def test_slow_ones_and_refusals_make_it_fewer_but_leave_two() -> None:
    pace = paced()
    pace.taken(HARD * MORE, 10.0)
    assert pace.limit == 6
    pace.refused(0.1, 20.0)
    assert pace.limit == 3
    for second in range(30, 60):
        pace.refused(0.1, float(second))
    assert pace.limit == 2
    assert Pace(1).limit == 1


def test_what_goes_on_together_and_is_slow_counts_once() -> None:
    pace = paced()
    for late in range(8):
        pace.taken(HARD * MORE + late / 10, 100.0 + late / 10)
    assert pace.limit == 6


def test_what_is_neither_easy_nor_hard_leaves_it_as_it_is() -> None:
    pace = paced()
    pace.refused(0.1, 2.0)
    for second in range(3, 10):
        pace.taken((EASY + HARD) / 2, float(second))
    assert pace.limit == 4


def test_a_prefect_that_is_far_away_is_not_taken_for_a_busy_one() -> None:
    pace = paced(0.4)
    for second in range(2, 100):
        pace.taken(0.4 + (second % 5) / 20, float(second))
    assert pace.limit == 8


def test_a_prefect_that_has_become_slower_for_good_is_asked_for_more_again() -> None:
    pace = paced()
    for second in range(2, 10):
        pace.taken(2 * HARD, float(second))
    assert pace.limit == 2
    for second in range(10, 300):
        pace.taken(2 * HARD, float(second))
    assert pace.limit == 8


def test_it_grows_by_one_in_a_round_of_easy_ones() -> None:
    pace = paced()
    pace.refused(0.1, 2.0)
    limits = []
    for _ in range(22):
        pace.taken(QUICK, 3.0)
        limits.append(pace.limit)
    assert limits[0] == 4 and limits[4] == 5 and limits[-1] in {7, 8} and limits == sorted(limits)


def test_after_an_outage_it_begins_with_one_and_is_soon_where_it_was() -> None:
    pace = paced()
    pace.start_over()
    assert pace.limit == 2
    for _ in range(6):
        pace.taken(QUICK, 2.0)
    assert pace.limit == 8
