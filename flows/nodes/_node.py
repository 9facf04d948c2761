"""What every node's task has in common: retries, a timeout, a readable name, and its inputs and outputs in the log."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.logging import get_run_logger
from prefect.tasks import TaskRunNameCallbackWithParameters

from blocks.errors import TryAgain
from flows.nodes._mask import masked

P = ParamSpec("P")
R = TypeVar("R")

RETRIES = 3
RETRY_DELAYS: list[float] = [1, 3, 9]
"""Seconds before each retry, varied by up to half, so that runs that failed together do not return together."""

LONGEST_WAIT = 120.0
"""Seconds a service may ask us to wait; when it asks for more, the node fails at once."""

_MAX_NAME = 120


def node(name: str, *, timeout: float) -> Callable[[Callable[P, Awaitable[R]]], Task[P, Coroutine[Any, Any, R]]]:
    """Make an async function a node: a Prefect task as `flows.nodes` defines it.

    `name` is the task run's, with the function's parameters in braces; `timeout` in seconds bounds each attempt.
    `TryAgain` is retried, all else fails at once. Results are not cached: a second equal call does its work again.
    """

    def decorate(function: Callable[P, Awaitable[R]]) -> Task[P, Coroutine[Any, Any, R]]:
        signature = inspect.signature(function)

        @wraps(function)
        async def logged(*args: P.args, **kwargs: P.kwargs) -> R:
            if TaskRunContext.get() is None:  # called as `create_record.fn(...)`, outside Prefect
                return await function(*args, **kwargs)
            log = get_run_logger()
            log.info("input %s", masked(dict(signature.bind(*args, **kwargs).arguments)))
            result = await function(*args, **kwargs)
            log.info("output %s", masked(result))
            return result

        def run_name(parameters: dict[str, Any]) -> str:
            return readable_name(name, parameters)

        return task(
            task_run_name=cast("TaskRunNameCallbackWithParameters", run_name),
            retries=RETRIES,
            retry_delay_seconds=RETRY_DELAYS,
            retry_jitter_factor=0.5,
            retry_condition_fn=worth_retrying,
            timeout_seconds=timeout,
            cache_policy=NO_CACHE,
        )(logged)

    return decorate


def readable_name(template: str, parameters: dict[str, Any]) -> str:
    """The task run's name: parameters filled in, one line, at most 120 characters."""
    shown = {key: _label(value) for key, value in parameters.items()}
    name = " ".join(template.format_map(shown).split())
    return name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 3]}..."


async def worth_retrying(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether a failed attempt is tried again; waits as long as the service asked for, outside the task's timeout."""
    error = state.data
    if not isinstance(error, TryAgain) or error.after > LONGEST_WAIT:
        return False
    await asyncio.sleep(error.after)
    return True


def _label(value: Any) -> str:
    if isinstance(value, str):
        return masked(value)[1:-1]
    if isinstance(value, list | tuple) and len(value) == 1:
        return _label(value[0])
    if isinstance(value, list | tuple | dict):
        return f"{len(value)} items"
    return getattr(value, "__name__", None) or str(value)
