"""A webhook that is silent when it used not to be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.alerts.facts import Silence, WebhookFacts
from receiver.alerts.silence import ENOUGH, WEEK, stretches, webhook_silent
from receiver.alerts.trouble import Limits

START = datetime(2026, 8, 3, tzinfo=UTC)  # a Monday
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
Rhythm = Callable[[datetime], bool]


def always(_at: datetime) -> bool:
    return True


def in_office_hours(at: datetime) -> bool:
    return at.weekday() < 5 and 8 <= at.hour < 18


def each_morning(at: datetime) -> bool:
    return at.hour == 6 and at.minute < 10


def each_monday(at: datetime) -> bool:
    return at.weekday() == 0 and at.hour == 9 and at.minute < 10


def first_warning(rhythm: Rhythm, stops_at: datetime, ends_at: datetime) -> datetime | None:
    """When a webhook with a request each ten minutes of its rhythm, which stops at a moment, is called silent."""
    moments = [at for n in range((stops_at - START) // (10 * MINUTE)) if rhythm(at := START + n * 10 * MINUTE)]
    now = START + 5 * MINUTE
    while now < ends_at:
        came = [at for at in moments if at <= now]
        if came:
            counts = tuple(
                min(ENOUGH, sum(since <= at < until for at in moments))
                for since, until in stretches(came[-1], now, moments[0])
            )
            facts = WebhookFacts(key="orders", silence=Silence(last_at=came[-1], earlier=counts))
            if list(webhook_silent(facts, Limits(), now, open_=False)):
                return now
        now += HOUR
    return None


@pytest.mark.parametrize(
    ("rhythm", "within"),
    [(always, 3 * HOUR), (in_office_hours, 3 * HOUR), (each_morning, 10 * DAY), (each_monday, 8 * WEEK)],
)
def test_a_rhythm_of_five_weeks_is_missed_in_its_own_time_and_never_while_it_goes_on(rhythm: Rhythm, within: timedelta):
    stops_at = START + 5 * WEEK + DAY + 10 * HOUR  # on a Tuesday morning
    assert first_warning(rhythm, stops_at, stops_at) is None
    found = first_warning(rhythm, stops_at, stops_at + within)
    if rhythm is each_monday:
        assert found is None  # once a week for five weeks is no rhythm to rely on
    else:
        assert found is not None


def test_nothing_is_learned_within_two_weeks():
    assert first_warning(always, START + 12 * DAY, START + 13 * DAY) is None


@pytest.mark.parametrize(
    ("earlier", "strange"),
    [((), False), ((5,), False), ((5, 5), True), ((5, 4), False), ((5, 0, 5), True), ((5, 0, 0, 5), False)],
)
def test_one_holiday_among_the_weeks_does_not_count(earlier: tuple[int, ...], strange: bool):
    facts = WebhookFacts(key="orders", silence=Silence(last_at=START, earlier=earlier))
    assert bool(list(webhook_silent(facts, Limits(), START + 2 * HOUR, open_=False))) is strange


def test_an_own_time_counts_from_the_first_day_and_off_is_off():
    limits = Limits(silence={"orders": 2 * HOUR, "reports": None})
    for key, after, told in (("orders", 1, False), ("orders", 2, True), ("reports", 99, False)):
        facts = WebhookFacts(key=key, silence=Silence(last_at=START, earlier=(5, 5, 5, 5)))
        assert bool(list(webhook_silent(facts, limits, START + after * HOUR, open_=False))) is told
    facts = WebhookFacts(key="others", silence=Silence(last_at=START, earlier=(5, 5, 5, 5)))
    assert not list(webhook_silent(facts, Limits(silence_learned=False), START + 9 * HOUR, open_=False))


def test_a_raised_one_ends_by_a_request_alone():
    facts = WebhookFacts(key="orders", silence=Silence(last_at=START, earlier=()))
    assert list(webhook_silent(facts, Limits(), START + 90 * DAY, open_=True))
    fresh = WebhookFacts(key="orders", silence=Silence(last_at=START + 90 * DAY - MINUTE, earlier=()))
    assert not list(webhook_silent(fresh, Limits(), START + 90 * DAY, open_=True))


@given(st.timedeltas(timedelta(seconds=1), timedelta(days=120)), st.timedeltas(timedelta(), timedelta(days=400)))
def test_earlier_stretches_are_whole_weeks_away_as_long_and_before_the_silence(since: timedelta, known: timedelta):
    now = START + since
    for begins, ends in stretches(START, now, START - known):
        assert ends - begins == since and ends <= START
        assert (START - begins) % WEEK == timedelta() and begins >= START - known
