"""How messages are spread: one by one while there is room within the hour, then together; tried again, not for ever.

Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from receiver.alerts.message import Notice

MOST_TRIES = 8
"""Of one message at one channel: with the waits between them about four hours."""
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=30), timedelta(hours=1)


def messages(waiting: Sequence[Notice], room: int | None) -> list[tuple[Notice, ...]]:
    """The messages that may go out now, of notices the oldest first. `room` is how many more the hour has, None: any.

    Where there is no room for each alone they go out together.
    """
    if room is not None and room <= 0:
        return []
    if room is None or len(waiting) <= room:
        return [(each,) for each in waiting]
    return [tuple(waiting)]


def next_wait(tries: int) -> timedelta | None:
    """How long to wait after so many tries in vain, None: give it up."""
    return None if tries >= MOST_TRIES else min(_FIRST_WAIT * 3 ** (tries - 1), _LONGEST_WAIT)
