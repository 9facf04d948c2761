"""Whose hand-over comes first: a waiting caller's, then what arrives, then what somebody asked for again. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

LONGEST_AWAITED = 120_000_000
"""Microseconds that the caller of a synchronous webhook waits at the most: what is older is awaited by nobody."""

BY_AGE = 8
"""Of so many hand-overs one is of what has been due the longest, whatever it is: no class waits for ever."""


class Priority(IntEnum):
    """What an attempt is for; it keeps that when it is tried again, parked or revived. The lowest goes first."""

    SYNC = 0
    """A caller waits for its reply."""
    LIVE = 1
    REPLAY = 2


@dataclass(frozen=True)
class Due:
    """Attempts of a class that were due from one moment to another, in microseconds, both included."""

    priority: Priority
    since: int
    until: int


def by_class(oldest: Mapping[Priority, int], now: int) -> Iterator[Due]:
    """What is due, in the order of its classes; `oldest` is since when the first of each class has been due.

    Of those with a caller the ones that may still be awaited go first: after an outage nobody waits for the others.
    """
    for priority in sorted(_waiting(oldest, now)):
        if priority is Priority.SYNC:
            yield Due(priority, now - LONGEST_AWAITED, now)
            yield Due(priority, 0, now - LONGEST_AWAITED - 1)
        else:
            yield Due(priority, 0, now)


def by_age(oldest: Mapping[Priority, int], now: int) -> Iterator[Due]:
    """What is due, the class first whose first attempt has waited the longest."""
    for priority in sorted(_waiting(oldest, now), key=lambda each: oldest[each]):
        yield Due(priority, 0, now)


def _waiting(oldest: Mapping[Priority, int], now: int) -> list[Priority]:
    return [priority for priority, due_at in oldest.items() if due_at <= now]


class Turns:
    """Counts hand-overs, to say which of them go by age."""

    def __init__(self) -> None:
        self._places = 0

    def by_age(self, places: int) -> int:
        """How many of the next so many hand-overs are to be of what has been due the longest."""
        before = self._places // BY_AGE
        self._places += places
        return self._places // BY_AGE - before
