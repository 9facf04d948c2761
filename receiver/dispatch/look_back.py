"""Looks at runs that ended badly: somebody may have retried one in Prefect while nobody here heard of it.

Events tell of a retry at once, and the follower's poll asks only for what has not ended. So a retry whose event was
missed, because the receiver was down for example, is found here: at the start and every few minutes, the runs that
failed, crashed or were cancelled within a day, the latest two thousand of them.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Protocol

from receiver.deliveries.records import Followed, RunState
from receiver.dispatch.follower import run_state_of
from receiver.dispatch.orchestrator import Orchestrator
from receiver.prefect_gateway import PrefectUnavailable
from receiver.storage import StoreUnavailable

log = logging.getLogger(__name__)

EVERY_SECONDS = 300.0
_FOR = timedelta(hours=24)
_MOST = 2000
_PAGE = 200


class Ended(Protocol):
    """What it needs of the store; see `DeliveryStore` for each method's promise."""

    async def unhappy(self, since: datetime, limit: int) -> list[Followed]: ...

    async def follow(self, state: RunState, source: str) -> bool: ...


class LookBack:
    """`run()` until cancelled."""

    def __init__(self, runs: Ended, orchestrator: Orchestrator) -> None:
        self._runs = runs
        self._orchestrator = orchestrator

    async def run(self) -> None:
        """Look, and look again, until cancelled."""
        while True:
            try:
                await self.look(datetime.now(UTC))
            except (PrefectUnavailable, StoreUnavailable) as error:
                log.debug("runs that ended badly are looked at later: %s", error)
            await asyncio.sleep(EVERY_SECONDS)

    async def look(self, now: datetime) -> int:
        """Ask Prefect where they stand, in pages; how many have moved on."""
        ended = await self._runs.unhappy(now - _FOR, _MOST)
        changes = 0
        for start in range(0, len(ended), _PAGE):
            page = {each.flow_run_id: each for each in ended[start : start + _PAGE]}
            for state in await self._orchestrator.read_states(list(page)):
                known, ours = page[state.flow_run_id], run_state_of(state)
                if ours is None or ours.status is known.status:
                    continue
                changes += await self._runs.follow(ours, "poll")
        return changes
