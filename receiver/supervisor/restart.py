"""When a part that died is started again, and when it is given up. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_QUICK_SECONDS = 15.0
_LONGEST_WAIT_SECONDS = 30.0
_QUICK_DEATHS = 5
_QUICK_DEATHS_NEVER_READY = 2


@dataclass(frozen=True, kw_only=True)
class Death:
    """The end of one life of a part: how long it lived, in seconds, and whether it was ever ready in that life."""

    lived: float
    was_ready: bool


@dataclass(frozen=True, kw_only=True)
class StartAgain:
    """Start it again after so many seconds."""

    after: float


@dataclass(frozen=True, kw_only=True)
class GiveUp:
    """It will not come up by itself: so many quick deaths in a row."""

    deaths: int


def decide(deaths: Sequence[Death]) -> StartAgain | GiveUp:
    """What to do after the last of `deaths` (all of a part's, in order).

    A death is quick when the part was not ready or lived under 15 seconds. Quick ones in a row wait 0.5, 1, 2, 4 s; the
    fifth is the last, and already the second of a part that has never been ready at all.
    """
    quick = 0
    for death in reversed(deaths):
        if death.was_ready and death.lived >= _QUICK_SECONDS:
            break
        quick += 1
    limit = _QUICK_DEATHS if any(death.was_ready for death in deaths) else _QUICK_DEATHS_NEVER_READY
    if quick >= limit:
        return GiveUp(deaths=quick)
    return StartAgain(after=min(_LONGEST_WAIT_SECONDS, 0.5 * 2 ** max(0, quick - 1)))
