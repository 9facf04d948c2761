"""Deletes the runs of purged and erased deliveries in Prefect, in small steps, while it answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from receiver.deliveries import purged_runs
from receiver.prefect_gateway import PrefectUnavailable
from receiver.storage import Database, StoreUnavailable

log = logging.getLogger(__name__)

EVERY_SECONDS = 60.0
_BETWEEN_STEPS = 0.5
"""Seconds that Prefect has for itself after each step."""


class Deleter(Protocol):
    """Prefect; `PrefectGateway` is one."""

    async def delete_runs(self, flow_run_ids: Sequence[str]) -> None:
        """Delete up to 50 runs with their log lines; those that are not there are no error.

        Raises `PrefectUnavailable`.
        """


class RunCleaner:
    """`run()` until cancelled; several receivers may clean at once."""

    def __init__(self, db: Database, prefect: Deleter) -> None:
        self._db = db
        self._prefect = prefect

    async def run(self) -> None:
        """Clean, and clean again, until cancelled."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                more = True
                while more:
                    more = await self.step()
                    await asyncio.sleep(_BETWEEN_STEPS)
            except (PrefectUnavailable, StoreUnavailable) as error:
                log.info("runs of deleted deliveries are deleted later: %s", error)

    async def step(self) -> bool:
        """Delete the next ones; whether there were any. Raises PrefectUnavailable, and StoreUnavailable."""
        runs = await self._db.read(purged_runs.some)
        if runs:
            await self._prefect.delete_runs(runs)
            await self._db.write(lambda c: purged_runs.forget(c, runs))
        return bool(runs)

    async def clean(self, steps: int) -> bool:
        """So many steps at most; whether nothing is left. False also when Prefect does not answer."""
        try:
            for _ in range(steps):
                if not await self.step():
                    return True
        except PrefectUnavailable as error:
            log.info("runs of deleted deliveries are deleted later: %s", error)
        return not await self._db.read(purged_runs.some)
