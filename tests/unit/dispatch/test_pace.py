"""How many hand-overs go on at the same time."""

from receiver.dispatch.pace import EASY_SECONDS, HARD_SECONDS, Pace


def test_it_begins_with_the_most_and_stays_there_while_hand_overs_are_easy() -> None:
    pace = Pace(8)
    for second in range(100):
        pace.taken(EASY_SECONDS, float(second))
    assert pace.limit == 8


def test_slow_ones_and_refusals_make_it_fewer_but_never_none() -> None:
    pace = Pace(8)
    pace.taken(HARD_SECONDS, 10.0)
    assert pace.limit == 6
    pace.refused(0.1, 20.0)
    assert pace.limit == 3
    for second in range(30, 60):
        pace.refused(0.1, float(second))
    assert pace.limit == 1


def test_what_goes_on_together_and_is_slow_counts_once() -> None:
    pace = Pace(8)
    for late in range(8):
        pace.taken(HARD_SECONDS + late / 10, 100.0 + late / 10)
    assert pace.limit == 6


def test_what_is_neither_easy_nor_hard_leaves_it_as_it_is() -> None:
    pace = Pace(8)
    pace.refused(0.1, 1.0)
    for second in range(2, 50):
        pace.taken((EASY_SECONDS + HARD_SECONDS) / 2, float(second))
    assert pace.limit == 4


def test_it_grows_by_one_in_a_round_of_easy_ones() -> None:
    pace = Pace(8)
    pace.refused(0.1, 1.0)
    limits = []
    for _ in range(22):
        pace.taken(0.02, 2.0)
        limits.append(pace.limit)
    assert limits[3] in {4, 5} and limits[-1] in {7, 8} and limits == sorted(limits)


def test_after_an_outage_it_begins_with_one_and_is_soon_where_it_was() -> None:
    pace = Pace(8)
    pace.start_over()
    assert pace.limit == 1
    for _ in range(7):
        pace.taken(0.02, 2.0)
    assert pace.limit == 8
