"""Hands a delivery over to Prefect as the dispatcher does, and runs it in the test's process as a worker would."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.flow_engine import run_flow
from prefect.states import Pending
from prefect.utilities.callables import parameter_schema

from receiver.contract import fetch
from receiver.contract.envelope import encode_document
from receiver.contract.errors import FetchError
from receiver.ingress.parse import read_file
from receiver.prefect_gateway import Handover, Outcome, PrefectGateway
from receiver.testing import events
from receiver.testing.delivered import TaskState
from receiver.testing.door import LetIn

DEPLOYMENT = "test"
_MOST_ATTEMPTS = 100


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A flow run that has ended. `wire` is its reply as it travels, None when it sent none."""

    state: State[Any]
    flow_run_id: str
    result: Any
    error: BaseException | None
    wire: Mapping[str, Any] | None
    task_runs: tuple[TaskState, ...]


def schema_of(flow: Any) -> dict[str, Any]:
    """The JSON Schema of the flow's parameters, as `prefect deploy` gives it to the server."""
    return dict(parameter_schema(flow).model_dump(exclude_unset=True))


async def run(flow: Any, let_in: LetIn) -> Ran | Handover:
    """The run of a delivery from its hand-over to its end; the hand-over itself where Prefect takes no run.

    A delivery that has a run already gets its next attempt, as a replay does.
    """
    events.listen()
    async with PrefectGateway() as prefect, get_client() as client:
        deployment_id = await client.create_deployment(
            await client.create_flow(flow),
            DEPLOYMENT,
            parameter_openapi_schema=schema_of(flow),
        )
        for attempt in range(1, _MOST_ATTEMPTS + 1):
            handover = await prefect.create_run(
                str(deployment_id),
                parameters=let_in.parameters(attempt),
                idempotency_key=f"{let_in.delivery_id}:{attempt}",
                name=f"{let_in.webhook.key} {let_in.delivery_id}",
                tags=(f"webhook:{let_in.webhook.key}", f"delivery:{let_in.delivery_id}"),
            )
            if handover.outcome is not Outcome.EXISTS:
                break
        if handover.flow_run_id is None:
            return handover
        await client.set_flow_run_state(UUID(handover.flow_run_id), Pending())
        flow_run = await client.read_flow_run(UUID(handover.flow_run_id))
    state = await _run_here(flow, flow_run, let_in)
    outcome = await state.aresult(raise_on_failure=False) if state.is_final() else None
    await events.all_heard()
    return Ran(
        state=state,
        flow_run_id=handover.flow_run_id,
        result=outcome if state.is_completed() else None,
        error=outcome if isinstance(outcome, BaseException) and not state.is_completed() else None,
        wire=events.reply_to(let_in.delivery_id, handover.flow_run_id),
        task_runs=events.task_runs_of(handover.flow_run_id),
    )


async def _run_here(flow: Any, flow_run: FlowRun, let_in: LetIn) -> State[Any]:
    engine: Any = run_flow  # which returns a state, or a coroutine that does
    given = {"flow_run": flow_run, "parameters": flow_run.parameters, "return_type": "state"}
    token = fetch.AT_HAND.set(_Kept(let_in))
    try:
        if flow.isasync:
            state = await engine(flow, **given)
        else:
            state = await asyncio.to_thread(engine, flow, **given)
    finally:
        fetch.AT_HAND.reset(token)
    assert isinstance(state, State)
    return state


class _Kept:
    """What the receiver keeps of a delivery, by the paths at which flows fetch it."""

    def __init__(self, let_in: LetIn) -> None:
        self._let_in = let_in
        self._base = f"/api/admin/deliveries/{let_in.delivery_id}"

    def __call__(self, path: str, params: Mapping[str, str] | None) -> bytes:
        match path.removeprefix(self._base).strip("/").split("/"):
            case ["context"]:
                return encode_document(self._let_in.document(int((params or {}).get("attempt", "1")))).encode()
            case ["body"]:
                return self._let_in.body
            case ["files", index] if index.isdigit():
                try:
                    return read_file(self._let_in.content_type, self._let_in.body, int(index))[1]
                except IndexError:
                    raise FetchError(f"this delivery has no file {index}") from None
        raise FetchError(f"a test has no receiver that answers {path}")
