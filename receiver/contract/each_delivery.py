"""`@webhook(batch=...)`: one run for many deliveries.

A flow that takes `context: Context` is written for one: each delivery is then a task run of its own, one after another,
and one that fails holds up none of the others. A flow that takes `batch: Batch` gets all of them at once.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from receiver.contract import fetch
from receiver.contract.batching import Batch, DeliveriesFailed
from receiver.contract.context import Context, PendingContext
from receiver.contract.envelope import belongs_to, decode_batch, decode_document
from receiver.contract.expiry import too_late
from receiver.contract.flow_parameters import batch_parameters, resolved_hints, resolved_signature
from receiver.contract.model import WebhookDefinition


def wrap_for_many(function: Callable[..., Any], definition: WebhookDefinition, attribute: str) -> Callable[..., Any]:
    """The function as Prefect sees it: its one parameter is a batch. `definition` is kept on it."""
    [name] = definition.parameters
    at_once = bool(batch_parameters(function))
    signature = inspect.signature(function)

    def requests(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[inspect.BoundArguments, list[Context]]:
        bound = signature.bind(*args, **kwargs)
        given = bound.arguments[name]
        return bound, list(given if isinstance(given, Batch) else decode_batch(given))

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            bound, given = requests(args, kwargs)
            contexts = [_whole(one, await fetch.fetch(*address_of(one))) if _pends(one) else one for one in given]
            if (cancelled := too_late(contexts)) is not None:
                return cancelled
            if at_once:
                bound.arguments[name] = Batch(contexts)
                return await function(*bound.args, **bound.kwargs)
            one_delivery = _task(function)
            states = [await _named(one_delivery, definition.key, one)(one, return_state=True) for one in contexts]
            _tell(contexts, states)
            return None

    else:

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            bound, given = requests(args, kwargs)
            contexts = [_whole(one, fetch.fetch_blocking(*address_of(one))) if _pends(one) else one for one in given]
            if (cancelled := too_late(contexts)) is not None:
                return cancelled
            if at_once:
                bound.arguments[name] = Batch(contexts)
                return function(*bound.args, **bound.kwargs)
            one_delivery = _task(function)
            states = [_named(one_delivery, definition.key, one)(one, return_state=True) for one in contexts]
            _tell(contexts, states)
            return None

    shown = resolved_signature(function)
    taken = shown.parameters[name].replace(annotation=Batch)
    parameters = [taken if each.name == name else each for each in shown.parameters.values()]
    wrapped.__signature__ = shown.replace(parameters=parameters)  # type: ignore[attr-defined] # as `inspect` documents
    wrapped.__annotations__ = {**resolved_hints(function), name: Batch}
    setattr(wrapped, attribute, definition)
    return wrapped


def address_of(pending: Context) -> tuple[str, dict[str, str]]:
    """Where the receiver has the request of a delivery's attempt: path and query."""
    return f"/api/admin/deliveries/{pending.delivery_id}/context", {"attempt": str(pending.attempt)}


def _pends(context: Context) -> bool:
    return isinstance(context, PendingContext)


def _whole(pending: Context, text: bytes) -> Context:
    fetched = belongs_to(decode_document(text), pending.delivery_id, pending.attempt)
    return Context.from_document(fetched.document, by_reference=True)


def _task(function: Callable[..., Any]) -> Any:
    from prefect import task
    from prefect.cache_policies import NO_CACHE

    return task(cache_policy=NO_CACHE)(function)


def _named(one_delivery: Any, key: str, context: Context) -> Any:
    return one_delivery.with_options(task_run_name=f"{key} {context.delivery_id[-8:]}")


def _tell(contexts: list[Context], states: list[Any]) -> None:
    failed = [context for context, state in zip(contexts, states, strict=True) if not state.is_completed()]
    if failed:
        raise DeliveriesFailed(failed)
