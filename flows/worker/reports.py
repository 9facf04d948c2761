"""What the worker tells Prefect about runs: that it takes one, and how one ended whose child could not say so."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar
from uuid import UUID, uuid4

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

from flows.worker.instances import claim_message, claimant
from flows.worker.pool import claim_token
from flows.worker.proposals import insist, propose

T = TypeVar("T")
_PAGE = 200


class Reports:
    """Every method insists while Prefect cannot be reached: a state that is not reported is a run that is lost."""

    def __init__(
        self,
        client: PrefectClient,
        name: str,
        instance: str,
        log: logging.Logger | logging.LoggerAdapter[logging.Logger],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._now = now
        self._client, self._name, self._instance, self._log = client, name, instance, log

    async def claim(self, run: FlowRun) -> bool:
        """Propose Pending; True when the run is ours, its `state` then being the accepted one.

        Proposed until it is answered: Prefect may have taken it though we did not hear so, and a run that is claimed
        is not found again. What it says of the second proposal is then that the run is Pending, by our own message.
        """
        message = claim_message(self._name, self._instance)
        state: State[None] = Pending(message=message)
        token = claim_token(run.id, run.run_count)
        result = await self._insist(lambda: propose(self._client, run.id, state, token))
        found = result.state
        ours = found is not None and found.is_pending() and found.message == message
        if found is not None and (result.status is SetStateStatus.ACCEPT or ours):
            run.state = found
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
        await self._report(run, Scheduled(scheduled_time=self._now(), message=message), token=uuid4())

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

    async def heartbeats(self, pool_name: str) -> dict[str, datetime | None]:
        """When each worker of the pool was last heard, by name. Raises httpx.HTTPError while Prefect is away."""
        found: dict[str, datetime | None] = {}
        offset = 0
        while True:
            page = await self._client.read_workers_for_work_pool(pool_name, offset=offset, limit=_PAGE)
            found |= {worker.name: worker.last_heartbeat_time for worker in page}
            offset += len(page)
            if len(page) < _PAGE:
                return found

    async def claimed_by(self, flow_run_id: UUID) -> dict[str, str]:
        """Names of the warm workers that ever claimed a run, by their instances."""
        states = await self._client.read_flow_run_states(flow_run_id)
        claims = (claimant(state.message) for state in states if state.is_pending())
        return {instance: worker for worker, instance in filter(None, claims)}

    async def looked_up(self, call: Callable[[], Awaitable[T]]) -> T:
        """What a look-up in Prefect gives, also when Prefect is away just then: the run did nothing wrong."""
        return await insist(call, self._log.warning, unless_ready=self._client)

    async def _insist(self, call: Callable[[], Awaitable[T]]) -> T:
        return await insist(call, self._log.warning)
