"""Which workers of a pool are lost with their machine: nobody there can say what became of their runs.

A machine that comes back mends its own (`instances.py`). One that does not is noticed by another worker of the pool:
the lost one's heartbeats at Prefect have stopped. While Prefect is away nobody's heartbeat moves, so only what this
worker has watched without a gap counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

_GAPS = 3
"""A look has to follow the one before within this fraction of the time after which a worker is lost."""


class Silence:
    """What one worker knows of the others' heartbeats. Pure: moments are `time.monotonic()` seconds of the caller."""

    def __init__(self, lost_after: float) -> None:
        self.lost_after = lost_after
        self._since: dict[str, tuple[datetime | None, float]] = {}
        self._mended: dict[str, datetime | None] = {}
        self._looked = 0.0

    def interrupted(self) -> None:
        """Prefect did not answer: whoever is silent may only not have been heard."""
        self._since.clear()

    def look(self, heard: Mapping[str, datetime | None], now: float) -> set[str]:
        """Those that are lost, of the workers by name with their last heartbeats. One that was mended is not again."""
        if now - self._looked > self.lost_after / _GAPS:
            self.interrupted()  # we were not there ourselves, stopped or without Prefect
        self._looked = now
        since = {}
        for name, beat in heard.items():
            known = self._since.get(name)
            since[name] = known if known is not None and known[0] == beat else (beat, now)
        self._since = since
        self._mended = {name: beat for name, beat in self._mended.items() if heard.get(name, beat) == beat}
        return {
            name
            for name, (_, silent_since) in since.items()
            if now - silent_since >= self.lost_after and name not in self._mended
        }

    def mended(self, names: set[str]) -> None:
        """Nothing of these is left to mend, until they are heard again."""
        self._mended |= {name: self._since[name][0] for name in names if name in self._since}

    def speaks(self, me: str, now: float) -> bool:
        """Whether it is for `me` to mend: of those heard of late, one does it."""
        lately = (name for name, (_, since) in self._since.items() if now - since < self.lost_after / _GAPS)
        return me <= min(lately, default=me)
