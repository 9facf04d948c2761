"""What the worker tells Prefect about runs: that it takes one, and how one ended whose child could not say so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar
from uuid import UUID, uuid4

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Crashed, Failed, Pending, Scheduled

from flows.worker.engine import propose
from flows.worker.instances import claim_message
from flows.worker.pool import claim_token

T = TypeVar("T")
_PAGE = 200
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0


class Reports:
    """Every method insists while Prefect cannot be reached: a state that is not reported is a run that is lost."""

    def __init__(
        self,
        client: PrefectClient,
        name: str,
        instance: str,
        log: logging.Logger | logging.LoggerAdapter[logging.Logger],
    ) -> None:
        self._client, self._name, self._instance, self._log = client, name, instance, log

    async def claim(self, run: FlowRun) -> bool:
        """Propose Pending; True when the run is ours, its `state` then being the accepted one.

        Tried once: a run that is not claimed is found again.
        """
        state: State[None] = Pending(message=claim_message(self._name, self._instance))
        result = await propose(self._client, run.id, state, claim_token(run.id, run.run_count))
        if result.status is SetStateStatus.ACCEPT and result.state is not None:
            run.state = result.state
            return True
        self._log.debug("Flow run %s is not ours: %s", run.id, result.details)
        return False

    async def _report(
        self, run: FlowRun, state: State[None], *, force: bool = False, token: UUID | None = None
    ) -> State[None] | None:
        """The state when Prefect took it, None when the run had another end already or is gone."""
        mark = token or claim_token(run.id, run.run_count)
        try:
            result = await self._insist(lambda: propose(self._client, run.id, state, mark, force=force))
        except ObjectNotFound:
            return None
        if result.status is not SetStateStatus.ACCEPT or result.state is None:
            return None
        self._log.info("Reported flow run %r as %s: %s", run.name, state.name, state.message)
        return result.state

    async def crashed(self, run: FlowRun, message: str) -> State[None] | None:
        return await self._report(run, Crashed(message=message))

    async def refused(self, run: FlowRun, message: str) -> None:
        await self._report(run, Failed(message=message))

    async def timed_out(self, run: FlowRun, seconds: float) -> State[None] | None:
        """Forced: an orchestrated failure would be retried by the process that has just been killed."""
        message = f"The run took longer than its work pool lets it: {seconds:g} second(s)."
        return await self._report(run, Failed(name="TimedOut", message=message), force=True)

    async def cancelled(self, run: FlowRun, message: str) -> None:
        await self._report(run, Cancelled(message=message), force=True)

    async def again(self, run: FlowRun) -> None:
        """Give a claimed run back, which never began."""
        message = "Given back by its warm worker before it began."
        await self._report(run, Scheduled(scheduled_time=datetime.now(UTC), message=message), token=uuid4())

    async def read(self, flow_run_id: UUID) -> FlowRun | None:
        """The run as Prefect has it, None when it is gone."""
        try:
            return await self._insist(lambda: self._client.read_flow_run(flow_run_id))
        except ObjectNotFound:
            return None

    async def unfinished(self, pool_name: str) -> list[FlowRun]:
        """The pool's runs that something may be running: for the mending of what a dead worker left."""
        types = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING, StateType.PAUSED, StateType.SCHEDULED]
        found: list[FlowRun] = []
        while True:
            page = await self._insist(
                partial(
                    self._client.read_flow_runs,
                    flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=types))),
                    work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[pool_name])),
                    limit=_PAGE,
                    offset=len(found),
                )
            )
            found += page
            if len(page) < _PAGE:
                return found

    async def _insist(self, call: Callable[[], Awaitable[T]]) -> T:
        pause = _FIRST_PAUSE
        while True:
            try:
                return await call()
            except httpx.HTTPStatusError as error:
                if error.response.status_code == 404:
                    raise ObjectNotFound(http_exc=error) from error
                if error.response.status_code < 500:
                    raise
                self._log.warning("Prefect answered %d; trying again in %g s", error.response.status_code, pause)
            except httpx.TransportError as error:
                self._log.warning("Prefect cannot be reached (%r); trying again in %g s", error, pause)
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)
