"""Start another workflow."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.context import TaskRunContext
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.states import Scheduled

from blocks.errors import Failed, InvalidInput, TryAgain
from flows.nodes._node import node

RESERVED = frozenset({"$ref", "__prefect_kind", "__class__", "__exc_type__"})
"""Keys that Prefect acts upon when it finds them in parameters: data from outside must not hold them."""

MAX_WAIT = 3600.0


def plan(name: str, parameters: Mapping[str, Any] | None = None, *, origin: str, key: str = "") -> dict[str, Any]:
    """The deployment's name, its run's parameters, and the key by which Prefect knows that it has started it already.

    `origin` is what this run belongs to: the same origin, deployment, parameters and key are the same run.
    Raises `InvalidInput`.

    >>> plan("deploy-site/deploy-site", {"commit": "abc"}, origin="run-1")["parameters"]
    {'commit': 'abc'}
    """
    flow, slash, deployment = name.partition("/")
    if not (flow and slash and deployment):
        raise InvalidInput(f"{name!r} is not `flow-name/deployment-name`")
    given = dict(parameters or {})
    if path := _reserved(given, "parameters"):
        raise InvalidInput(f"{path} is a key that Prefect acts upon; pass such data as JSON text")
    try:
        text = json.dumps([name, given, key], sort_keys=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"parameters are not what JSON can hold: {error}") from error
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    return {"name": name, "parameters": given, "idempotency_key": f"{origin}:{digest}"}


@node("start {name}", timeout=MAX_WAIT + 60)
async def start_deployment(
    name: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    at: datetime | None = None,
    wait: bool = False,
    timeout: float = 600.0,  # noqa: ASYNC109 (the word its callers know; it bounds the waiting alone)
    key: str = "",
) -> dict[str, Any]:
    """Start a run of another deployment; by default without waiting for it.

    ```python
    run = await start_deployment("deploy-site/deploy-site", {"commit": "0b7c3c1"})
    ```

    Args:
        name: `flow-name/deployment-name`.
        parameters: The flow's parameters.
        at: When it is to run, with a zone; default now. It is no part of what makes two starts one.
        wait: Wait until that run has ended.
        timeout: Seconds to wait, at most 3600.
        key: Tells two starts with the same parameters in one run apart. Without it they are one start, so that
            neither a retried task nor a retried run starts a deployment twice.

    Returns:
        `{"id": "<flow run id>", "name": ..., "state": "Scheduled"}`; the state is the last one seen.

    Raises:
        InvalidInput: No such deployment, or parameters that cannot be passed.
        Failed: Prefect refused it; or with `wait`, that run did not complete (in time).
        TryAgain: Prefect could not be reached, after the last retry.
    """
    if not 0 < timeout <= MAX_WAIT:
        raise InvalidInput(f"timeout is over 0 and at most {MAX_WAIT:.0f} seconds, not {timeout}")
    if at is not None and (at.tzinfo is None or wait):
        raise InvalidInput("at is a moment with a zone, and nobody waits for a run of later")
    planned = plan(name, parameters, origin=_origin(), key=key)
    try:
        async with get_client() as client:
            run = await _start(client, at=at, **planned)
            if wait:
                run = await _finished(client, run, timeout)
    except PrefectHTTPStatusError as error:
        passing = error.response.status_code == 429 or error.response.status_code >= 500
        raise (TryAgain if passing else Failed)(f"Prefect answered {error.response.status_code}") from error
    except httpx.TransportError as error:
        raise TryAgain(f"Prefect cannot be reached: {type(error).__name__}") from error
    if wait and not (run.state and run.state.is_completed()):
        raise Failed(f"run {run.name!r} of {name} is {run.state_name or 'unknown'}, not completed")
    return {"id": str(run.id), "name": run.name, "state": run.state_name or "Scheduled"}


async def _start(
    client: PrefectClient, name: str, parameters: dict[str, Any], idempotency_key: str, at: datetime | None
) -> FlowRun:
    try:
        deployment = await client.read_deployment_by_name(name)
    except ObjectNotFound:
        raise InvalidInput(f"there is no deployment {name!r}; `prefect deployment ls` shows those there are") from None
    return await client.create_flow_run_from_deployment(
        deployment.id,
        parameters=parameters,
        idempotency_key=idempotency_key,
        state=None if at is None else Scheduled(scheduled_time=at),
    )


async def _finished(client: PrefectClient, run: FlowRun, seconds: float) -> FlowRun:
    """The run when it has ended, or as it is when the time is over."""
    pause = 0.2
    try:
        async with asyncio.timeout(seconds):
            while not (run.state and run.state.is_final()):
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, 3.0)
                run = await client.read_flow_run(run.id)
    except TimeoutError:
        pass
    return run


def _origin() -> str:
    """The flow run this task belongs to: it stays the same when the task or the run is retried."""
    context = TaskRunContext.get()
    if context is None:
        raise InvalidInput("start_deployment runs inside a flow or as a task")
    return str(context.task_run.flow_run_id or context.task_run.id)


def _reserved(value: object, path: str) -> str | None:
    if isinstance(value, Mapping):
        for name, item in value.items():
            if name in RESERVED:
                return f"{path}.{name}"
            if found := _reserved(item, f"{path}.{name}"):
                return found
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            if found := _reserved(item, f"{path}[{index}]"):
                return found
    return None
