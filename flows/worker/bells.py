"""Bells that were rung and not answered yet: runs that Prefect's events spoke of and no look has shown."""

from __future__ import annotations

from collections.abc import Container
from uuid import UUID

PAUSES = (0.02, 0.05, 0.1, 0.3, 1.0)
"""Seconds until the next look after each one in vain; then the run is left to polling."""
MOST = 1000
"""Runs that are sought at once. With more waiting there is no room for any of them, and each that ends asks for all."""


class Bells:
    """When to look again for runs that were heard of. No clock: who looks says so.

    Prefect sends the event of a new run before it commits the run, so the look that the event asks for may come a
    moment too early and find nothing. (A clock that is a little behind the server's has the same effect.)
    """

    def __init__(self) -> None:
        self._in_vain: dict[UUID, int] = {}  # run → looks that have not shown it

    def ring(self, flow_run: UUID) -> None:
        """A run may start now. Heard again: as if for the first time."""
        self._in_vain[flow_run] = 0
        if len(self._in_vain) > MOST:
            del self._in_vain[next(iter(self._in_vain))]

    def answered(self, flow_run: UUID) -> None:
        """It has been taken, here or by another worker: nobody looks for it any more."""
        self._in_vain.pop(flow_run, None)

    @property
    def ringing(self) -> frozenset[UUID]:
        """Runs to look for. Keep it over a look: what rings meanwhile has not been looked for."""
        return frozenset(self._in_vain)

    def looked(self, sought: frozenset[UUID], seen: Container[UUID]) -> tuple[float | None, bool]:
        """After a look that shows all that is due: seconds until the next look, and whether a run is given up.

        None when there is nothing to look for. A run that is given up may be due later only, wait for a limit or a
        pause, or belong to a queue that is not ours.
        """
        given_up = False
        for flow_run in sought & self._in_vain.keys():
            looks = self._in_vain[flow_run]
            if flow_run in seen or looks >= len(PAUSES):
                self.answered(flow_run)
                given_up = given_up or flow_run not in seen
            else:
                self._in_vain[flow_run] = looks + 1
        pauses = [PAUSES[looks - 1] for looks in self._in_vain.values() if looks]
        return min(pauses, default=None), given_up
