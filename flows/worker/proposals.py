"""States proposed to Prefect so that neither a lost answer nor a server that is away changes what becomes of a run.

A proposal keeps its transition id when it is made again: had Prefect taken it, and only its answer was lost, it says so
and nothing happens twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, TypeVar
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient, SyncPrefectClient
from prefect.client.schemas import OrchestrationResult
from prefect.client.schemas.objects import State
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import ObjectNotFound
from prefect.states import Submitting, to_state_create

T = TypeVar("T")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
_TRIES_WHEN_READY = 8
_SET_STATE: Any = ("POST", "/flow_runs/{id}/set_state")
_READY: Any = ("GET", "/ready")


class Patience:
    """How long to wait after an error of Prefect's before the same is asked again."""

    def __init__(self) -> None:
        self._pause, self._in_vain = _FIRST_PAUSE, 0

    def pause(self, error: httpx.HTTPError, *, ready: bool) -> float:
        """Seconds to wait. Raises the error when another try is of no use: Prefect is `ready` and refuses this one."""
        if isinstance(error, httpx.HTTPStatusError):
            if error.response.status_code == HTTPStatus.NOT_FOUND:
                raise ObjectNotFound(http_exc=error) from error
            if error.response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
                raise error
        self._in_vain += ready
        if self._in_vain >= _TRIES_WHEN_READY:
            raise error
        pause, self._pause = self._pause, min(_LONGEST_PAUSE, 2 * self._pause)
        return pause


async def propose(
    client: PrefectClient, flow_run_id: UUID, state: State[Any], token: UUID, *, force: bool = False
) -> OrchestrationResult[Any]:
    """Propose a state under a transition id, once. The client's own method always makes a new one.

    Prefect also rejects a last state that follows the claim itself under its token: then a step comes between them.
    """
    proposal = _proposal(flow_run_id, state, token, force)
    result = _result(await client.request(*_SET_STATE, **proposal))
    if state.is_final() and _follows_its_claim(result):
        await client.set_flow_run_state(flow_run_id, Submitting())
        result = _result(await client.request(*_SET_STATE, **proposal))
    return result


async def propose_until_answered(
    client: PrefectClient, flow_run_id: UUID, state: State[Any], token: UUID, *, force: bool = False
) -> OrchestrationResult[Any]:
    """Propose it as often as it takes: what a run has come to does not depend on whether Prefect is there just then.

    Raises httpx.HTTPError when Prefect works and cannot take this state, ObjectNotFound when there is no such run.
    """
    patience = Patience()
    while True:
        try:
            return await propose(client, flow_run_id, state, token, force=force)
        except httpx.HTTPError as error:
            pause = patience.pause(error, ready=await _is_ready(client))
        await asyncio.sleep(pause)


def propose_until_answered_blocking(
    client: SyncPrefectClient, flow_run_id: UUID, state: State[Any], token: UUID, *, force: bool = False
) -> OrchestrationResult[Any]:
    """The same for a synchronous flow."""
    patience = Patience()
    while True:
        try:
            return _propose_blocking(client, flow_run_id, state, token, force=force)
        except httpx.HTTPError as error:
            pause = patience.pause(error, ready=_is_ready_blocking(client))
        time.sleep(pause)


def _propose_blocking(
    client: SyncPrefectClient, flow_run_id: UUID, state: State[Any], token: UUID, *, force: bool
) -> OrchestrationResult[Any]:
    proposal = _proposal(flow_run_id, state, token, force)
    result = _result(client.request(*_SET_STATE, **proposal))
    if state.is_final() and _follows_its_claim(result):
        client.set_flow_run_state(flow_run_id, Submitting())
        result = _result(client.request(*_SET_STATE, **proposal))
    return result


async def insist(
    call: Callable[[], Awaitable[T]], say: Callable[[str], None], *, unless_ready: PrefectClient | None = None
) -> T:
    """The answer, however long Prefect cannot be reached. Raises ObjectNotFound, and what Prefect refuses for good.

    With `unless_ready`, also what a server that is ready by this client cannot answer in several tries.
    """
    patience = Patience()
    while True:
        try:
            return await call()
        except httpx.HTTPError as error:
            pause = patience.pause(error, ready=unless_ready is not None and await _is_ready(unless_ready))
            say(f"Prefect cannot be reached ({error!r}); trying again in {pause:g} s")
        await asyncio.sleep(pause)


async def _is_ready(client: PrefectClient) -> bool:
    try:
        await client.request(*_READY)
    except (httpx.HTTPError, ObjectNotFound):
        return False
    return True


def _is_ready_blocking(client: SyncPrefectClient) -> bool:
    try:
        client.request(*_READY)
    except (httpx.HTTPError, ObjectNotFound):
        return False
    return True


def _proposal(flow_run_id: UUID, state: State[Any], token: UUID, force: bool) -> dict[str, Any]:
    created = to_state_create(state)
    created.state_details.flow_run_id, created.state_details.transition_id = flow_run_id, token
    body = {"state": created.model_dump(mode="json", serialize_as_any=True), "force": force}
    return {"path_params": {"id": flow_run_id}, "json": body}


def _result(response: httpx.Response) -> OrchestrationResult[Any]:
    return OrchestrationResult.model_validate(response.json())


def _follows_its_claim(result: OrchestrationResult[Any]) -> bool:
    return result.status == SetStateStatus.REJECT and result.state is not None and result.state.is_pending()
