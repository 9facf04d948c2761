"""When a warning is raised, told again, and over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from receiver.alerts.book import CALM, Alert, Change, Kind, step, until_reminder
from receiver.alerts.trouble import Place, Rule, Trouble

START = datetime(2026, 11, 24, tzinfo=UTC)
TROUBLE = Trouble(rule=Rule.PREFECT_AWAY, summary="Prefect does not answer", remedy="See that it runs.")
PATIENCE = {Rule.PREFECT_AWAY: timedelta(minutes=2)}


class Book:
    """Warnings as a receiver keeps them."""

    def __init__(self) -> None:
        self.opened: dict[Place, Alert] = {}
        self.doubts: dict[Place, datetime] = {}
        self.told: list[tuple[Kind, datetime]] = []

    def look(self, now: datetime, *, bad: bool, judged: bool = True) -> list[Change]:
        found = [TROUBLE] if bad and judged else []
        rules = {Rule.PREFECT_AWAY} if judged else set()
        changes, doubts = step(self.opened, self.doubts, found, now, judged=rules, patience=PATIENCE)
        self.doubts = dict(doubts)
        for change in changes:
            self.told.append((change.kind, now))
            if change.kind is Kind.RESOLVED:
                del self.opened[change.trouble.place]
            else:
                reminders = change.before.reminders + 1 if change.before else 0
                self.opened[change.trouble.place] = Alert(
                    trouble=change.trouble, raised_at=change.raised_at, told_at=now, reminders=reminders
                )
        return changes


def kinds(book: Book) -> list[Kind]:
    return [kind for kind, _ in book.told]


def test_it_is_raised_once_when_it_has_lasted_and_over_once_when_it_has_stayed_away():
    book = Book()
    for minute in range(30):
        book.look(START + timedelta(minutes=minute), bad=3 <= minute < 12)
    assert book.told == [
        (Kind.RAISED, START + timedelta(minutes=5)),
        (Kind.RESOLVED, START + timedelta(minutes=12) + CALM),
    ]


def test_a_moment_of_trouble_is_none_and_a_moment_without_is_no_end():
    book = Book()
    for minute in range(0, 40, 2):
        book.look(START + timedelta(minutes=minute), bad=minute % 4 == 0)
    assert kinds(book) == []
    for minute in range(40, 60):
        book.look(START + timedelta(minutes=minute), bad=minute % 4 != 0)
    assert kinds(book) == [Kind.RAISED]


def test_reminders_become_rare():
    book = Book()
    for hour in range(24 * 60):
        book.look(START + timedelta(hours=hour), bad=True)
    days = [(at - START).days for kind, at in book.told if kind is Kind.REMINDED]
    assert days == [1, 3, 7, 15, 31, 47]
    assert until_reminder(99) == timedelta(days=16)


def test_what_was_not_looked_at_is_neither_raised_nor_over():
    book = Book()
    book.look(START, bad=True)
    book.look(START + timedelta(minutes=2), bad=True)
    for minute in range(3, 60):
        assert book.look(START + timedelta(minutes=minute), bad=False, judged=False) == []
    assert kinds(book) == [Kind.RAISED]


@given(st.lists(st.tuples(st.integers(1, 5000), st.sampled_from(["bad", "good", "unknown"])), max_size=80))
def test_whatever_comes_raised_and_over_take_turns_and_nothing_is_told_twice_at_once(looks: list[tuple[int, str]]):
    book, now = Book(), START
    for seconds, what in looks:
        now += timedelta(seconds=seconds)
        assert len(book.look(now, bad=what == "bad", judged=what != "unknown")) <= 1
    turns = [kind for kind in kinds(book) if kind is not Kind.REMINDED]
    assert turns == ([Kind.RAISED, Kind.RESOLVED] * len(turns))[: len(turns)]
    for (_, before), (kind, at) in zip(book.told, book.told[1:], strict=False):
        if kind is Kind.REMINDED:
            assert at - before >= timedelta(days=1)
        if kind is Kind.RESOLVED:
            assert at - before >= CALM
    assert len(book.doubts) <= 1
