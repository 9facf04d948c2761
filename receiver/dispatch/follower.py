"""Follows each run to its end: events hurry, a slow poll decides."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import Protocol

from receiver.contract.batching import failed_deliveries
from receiver.deliveries.lifecycle import FROM_PREFECT, Status
from receiver.deliveries.records import Followed, RunState
from receiver.dispatch.orchestrator import Orchestrator
from receiver.dispatch.reach import Reach
from receiver.prefect_gateway import PrefectState, PrefectUnavailable
from receiver.storage import StoreUnavailable

log = logging.getLogger(__name__)

_PAGE = 200
_EARLY_LIMIT, _EARLY_OF_A_RUN = 10_000, 20
_MISSING_LIMIT = 10_000
_RECONNECT_SECONDS = 2.0


class Runs(Protocol):
    """What the follower needs of the store; see `DeliveryStore` for each method's promise."""

    async def follow(self, state: RunState, source: str) -> bool: ...

    async def unfinished(self, limit: int, after: str | None) -> list[Followed]: ...

    async def flow_run(self, flow_run_id: str) -> tuple[str, int] | None: ...

    async def standing(self, delivery_id: str) -> Status | None: ...

    async def run_missing(self, flow_run_id: str, now: datetime) -> bool: ...


class Follower:
    """Brings Prefect's states into the inbox. `run()` until cancelled."""

    def __init__(
        self,
        runs: Runs,
        orchestrator: Orchestrator,
        *,
        poll_seconds: float,
        reach: Reach,
        on_status: Callable[[str, Status], None] = lambda _delivery_id, _status: None,
        on_suspended: Callable[[str], None] = lambda _delivery_id: None,
    ) -> None:
        self._on_status = on_status
        self._on_suspended = on_suspended
        self._runs = runs
        self._orchestrator = orchestrator
        self._poll_seconds = poll_seconds
        self._reach = reach
        self._poll_now = asyncio.Event()
        self._missing: set[str] = set()
        self._early: OrderedDict[str, deque[RunState]] = OrderedDict()

    async def run(self) -> None:
        """Listen and poll until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(), name="events of runs")
            group.create_task(self._poll(), name="poll of runs")

    async def started(self, flow_run_id: str) -> None:
        """A run was handed over and stored: apply the events that came before it was."""
        for state in self._early.pop(flow_run_id, ()):
            await self._apply(state, "event")
            await self._tell_of_crash(state)

    async def poll_once(self) -> int:
        """Ask Prefect for the state of every unfinished run; the number of changes found."""
        after: str | None = None
        changes = 0
        missing: dict[str, str] = {}
        while page := await self._runs.unfinished(_PAGE, after):
            after = page[-1].delivery_id
            deliveries = {run.flow_run_id: run.delivery_id for run in page}
            states = await self._orchestrator.read_states(list(deliveries))
            for state in states:
                if (ours := run_state_of(state)) is not None:
                    changes += await self._runs.follow(ours, "poll")
                    self._tell(deliveries[state.flow_run_id], state, ours)
                    await self._tell_of_crash(ours)
            for state in states:
                deliveries.pop(state.flow_run_id, None)
            if len(missing) < _MISSING_LIMIT:  # of more that are gone at once the others' turn is later
                missing |= deliveries
        # A run that two polls in a row did not find was deleted in Prefect: it will never end.
        for flow_run_id in missing.keys() & self._missing:
            if await self._runs.run_missing(flow_run_id, datetime.now(UTC)):
                changes += 1
                self._on_status(missing[flow_run_id], Status.DEAD)
        self._missing = set(missing)
        return changes

    async def _listen(self) -> None:
        while True:
            try:
                # What happened while the stream was broken is found by a poll.
                self._poll_now.set()
                async with aclosing(self._orchestrator.states()) as states:
                    async for state in states:
                        await self._heard(state)
            except PrefectUnavailable as error:
                log.debug("events of runs are not heard, polling meanwhile: %s", error)
            await asyncio.sleep(_RECONNECT_SECONDS)
            await self._reach.closed()

    async def _heard(self, state: PrefectState) -> None:
        if (ours := run_state_of(state)) is not None:
            if state.delivery_id is not None:
                self._tell(state.delivery_id, state, ours)
            await self._apply(ours, "event")
            await self._tell_of_crash(ours)

    def _tell(self, delivery_id: str, state: PrefectState, ours: RunState) -> None:
        if ours.status is not Status.CRASHED:
            self._on_status(delivery_id, ours.status)
        if state.type == "PAUSED":  # Suspended ones too: it waits for a person
            self._on_suspended(delivery_id)

    async def _tell_of_crash(self, state: RunState) -> None:
        """A crash is an end unless another attempt follows it, which the inbox knows."""
        if state.status is not Status.CRASHED:
            return
        with suppress(StoreUnavailable):
            found = await self._runs.flow_run(state.flow_run_id)
            if found is not None and (standing := await self._runs.standing(found[0])) is not None:
                self._on_status(found[0], standing)

    async def _apply(self, state: RunState, source: str) -> None:
        with suppress(StoreUnavailable):
            if not await self._runs.follow(state, source) and await self._runs.flow_run(state.flow_run_id) is None:
                # Scheduled and even Running may be heard before the hand-over is stored.
                early = self._early.setdefault(state.flow_run_id, deque(maxlen=_EARLY_OF_A_RUN))
                early.append(state)
                while len(self._early) > _EARLY_LIMIT:
                    self._early.popitem(last=False)

    async def _poll(self) -> None:
        while True:
            # Not wait_for: on Python 3.11 it loses a cancellation that comes with the event, and never ends.
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds):
                    await self._poll_now.wait()
            self._poll_now.clear()
            await self._reach.closed()
            try:
                await self.poll_once()
            except PrefectUnavailable as error:
                if not await self._orchestrator.healthy():
                    self._reach.failed(str(error))
                    self._poll_now.set()  # as soon as it is back
            except StoreUnavailable as error:
                log.debug("unfinished runs are looked at later: %s", error)


def run_state_of(state: PrefectState) -> RunState | None:
    """Prefect's state as ours; None for a type that is not known here."""
    status = FROM_PREFECT.get(state.type)
    if status is None:
        return None
    return RunState(
        flow_run_id=state.flow_run_id,
        status=status,
        state_name=state.name,
        at=state.at,
        started_at=state.started_at,
        failed=failed_deliveries(state.message) if status is Status.FAILED else None,
    )
