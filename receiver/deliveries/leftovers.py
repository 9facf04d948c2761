"""Deletes big bodies that nobody needs any more: of deliveries that came of age, and of commits that never happened."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from receiver.bodies import Bodies
from receiver.deliveries import kept
from receiver.storage import Database, StoreUnavailable
from receiver.storage.values import first_id

log = logging.getLogger(__name__)

EVERY_SECONDS = 600.0
YOUNG = timedelta(hours=1)
"""No commit that could still name a body is that old."""
_WHOLE_LOOK = 144
"""Of so many looks one is at the bodies of every day, the others at yesterday's and today's."""
_AT_ONCE = 500


class Leftovers:
    """`run()` until cancelled; several receivers may do so at once.

    A body without a delivery is deleted when it is older than `YOUNG` and had none at the look before either: a clock
    that is wrong deletes nothing whose commit is under way.
    """

    def __init__(self, db: Database, bodies: Bodies) -> None:
        self._db = db
        self._bodies = bodies
        self._suspects: frozenset[str] = frozenset()
        self._looks = 0

    async def run(self) -> None:
        """Look, and look again, until cancelled."""
        while True:
            try:
                deleted = await self.delete_gone() + await self.delete_orphans(datetime.now(UTC))
            except StoreUnavailable as error:
                log.info("big bodies that nobody needs are deleted later: %s", error)
            else:
                if deleted:
                    log.info("deleted %d big bodies that nobody needs", deleted)
            await asyncio.sleep(EVERY_SECONDS)

    async def delete_gone(self) -> int:
        """Delete what its delivery let go; how many. Raises StoreUnavailable."""
        deleted = 0
        while gone := await self._db.read(kept.gone):
            for _, where in gone:
                await self._bodies.delete(where)
            await self._db.write(partial(kept.forget, deleted=[place for place, _ in gone]))
            deleted += len(gone)
        return deleted

    async def delete_orphans(self, now: datetime) -> int:
        """Delete what no delivery names, for the second time; how many. Raises StoreUnavailable."""
        orphans = frozenset(await self._orphans(now))
        deleted = orphans & self._suspects
        for key in sorted(deleted):
            await self._bodies.delete_key(key)
        if deleted:
            await self._db.write(lambda c: kept.forget_keys(c, deleted))
        self._suspects = orphans - deleted
        return len(deleted)

    async def _orphans(self, now: datetime) -> list[str]:
        days = await self._bodies.days()
        if self._looks % _WHOLE_LOOK > 1:  # twice in a row at every day: what is found must be seen again
            recent = {f"{now - timedelta(days=back):%Y-%m-%d}" for back in (0, 1)}
            days = [day for day in days if day in recent]
        self._looks += 1
        found: list[str] = []
        old = first_id(now - YOUNG)
        for day in days:
            keys = [key for key in await self._bodies.keys(day) if key.partition("/")[2] < old]
            for start in range(0, len(keys), _AT_ONCE):
                found += await self._unowned(keys[start : start + _AT_ONCE])
        return found

    async def _unowned(self, keys: Sequence[str]) -> list[str]:
        owned = await self._db.read(lambda c: kept.owned(c, keys))
        return [key for key in keys if key not in owned]
