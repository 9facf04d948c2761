"""One subscription for a whole pool: Prefect's events say what to look at, and never what is so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any
from uuid import UUID

from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventAnyResourceFilter, EventFilter, EventNameFilter

_PREFIX = "prefect.flow-run."
_MAY_START = frozenset({"Scheduled", "Late", "AwaitingRetry", "Resuming", "AwaitingConcurrencySlot"})
_CLAIMED = frozenset({"Pending"})
_CANCEL = frozenset({"Cancelling", "Cancelled"})
_SUSPEND = frozenset({"Suspended"})
_PAUSE_SECONDS = (0.2, 1.0, 5.0, 10.0)


class Watcher:
    """Says what befell flow runs of a pool, by id: `may_start(run)`, `claimed(run)`, `cancel(run, when)` and
    `suspended(run, state id, when)`.

    `connected` is called after each connection: whatever happened before it may have been missed.
    """

    def __init__(
        self,
        pool_id: UUID,
        *,
        may_start: Callable[[UUID], None],
        claimed: Callable[[UUID], None],
        cancel: Callable[[UUID, datetime], None],
        suspended: Callable[[UUID, UUID, datetime], None],
        connected: Callable[[], Coroutine[Any, Any, None]],
        log: logging.Logger | logging.LoggerAdapter[logging.Logger],
    ) -> None:
        self._filter = EventFilter(
            event=EventNameFilter(name=[_PREFIX + name for name in sorted(_MAY_START | _CLAIMED | _CANCEL | _SUSPEND)]),
            any_resource=EventAnyResourceFilter(id=[f"prefect.work-pool.{pool_id}"]),
        )
        self._may_start, self._claimed = may_start, claimed
        self._cancel, self._suspended = cancel, suspended
        self._connected, self._log = connected, log

    async def watch(self) -> None:
        """For ever: an interrupted connection is made again."""
        failures = 0
        while True:
            try:
                async with get_events_subscriber(filter=self._filter.model_copy(deep=True)) as events:
                    failures = 0
                    await self._connected()
                    async for event in events:
                        self._hear(event.event.removeprefix(_PREFIX), event.resource.id, event.id, event.occurred)
            except Exception as error:  # noqa: BLE001 (any failure means the same: polling goes on meanwhile)
                self._log.debug("Events are interrupted: %r", error)
            await asyncio.sleep(_PAUSE_SECONDS[min(failures, len(_PAUSE_SECONDS) - 1)])
            failures += 1

    def _hear(self, name: str, resource: str, event_id: UUID, occurred: datetime) -> None:
        try:
            flow_run = UUID(resource.removeprefix(_PREFIX))
        except ValueError:
            return
        if name in _MAY_START:
            self._may_start(flow_run)
        elif name in _CLAIMED:
            self._claimed(flow_run)
        elif name in _CANCEL:
            self._cancel(flow_run, occurred)
        elif name in _SUSPEND:
            self._suspended(flow_run, event_id, occurred)
