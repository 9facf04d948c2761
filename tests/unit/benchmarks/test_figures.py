"""What may be said of samples."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.figures import Figure, percentile, ratios, shown, spread


def figure(*samples: float, **fields: Any) -> Figure:
    return Figure(**{"group": "g", "name": "n", "unit": "ms", "samples": samples, **fields})


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_a_percentile_is_a_sample_that_so_many_do_not_exceed(share: float, expected: int):
    assert percentile(list(range(100, 0, -1)), share) == expected


def test_no_samples_have_no_percentile():
    with pytest.raises(ValueError, match="no samples"):
        percentile([], 0.5)


def test_the_spread_of_a_few_is_lowest_to_highest_and_of_many_without_the_outliers():
    assert spread([3, 1, 2]) == (1, 3)
    assert spread([*range(1, 100), 100_000]) == (5, 95)


def test_ratios_are_taken_round_by_round():
    assert ratios([1, 6], [2, 3]) == (0.5, 2)
    with pytest.raises(ValueError, match="shorter"):
        ratios([1, 2], [1])


@pytest.mark.parametrize(
    ("samples", "goal", "lower", "met"),
    [
        ((80, 90, 200), 90, True, True),
        ((80, 91, 200), 90, True, False),
        ((0.7,), 0.6, False, True),
        ((0.5,), 0.6, False, False),
        ((), 90, True, None),
        ((5,), None, True, None),
    ],
)
def test_the_median_is_held_against_the_goal(
    samples: tuple[float, ...], goal: float | None, lower: bool, met: bool | None
):
    assert figure(*samples, goal=goal, lower_is_better=lower).met is met


def test_what_was_not_measured_is_null_in_json_and_says_why():
    told = figure(note="no time was left").to_json()
    assert (told["median"], told["count"], told["note"]) == (None, 0, "no time was left")


def test_digits_that_do_not_count_are_not_shown():
    assert [shown(value) for value in (1234.56, 12.345, 1.2345, None)] == ["1,235", "12.3", "1.23", "-"]
