"""`@webhook` above `@flow`: the definition beside the code it starts."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from receiver.contract import fetch
from receiver.contract.answering import Caller, caller_of, caller_of_this_run
from receiver.contract.context import Context, PendingContext
from receiver.contract.each_delivery import address_of, wrap_for_many
from receiver.contract.envelope import belongs_to, decode_document, decode_envelope, is_envelope
from receiver.contract.errors import DefinitionError
from receiver.contract.expiry import too_late
from receiver.contract.flow_parameters import check_filled, context_parameters, resolved_hints, resolved_signature
from receiver.contract.model import WebhookDefinition
from receiver.contract.parse import generate_key, parse_definition

FlowT = TypeVar("FlowT")
_ATTRIBUTE = "__webhook_definition__"


def webhook(key: str | None = None, **definition: Any) -> Callable[[FlowT], FlowT]:
    """Bind a webhook to a flow: `@webhook("contact-form", verification={"scheme": "none"})` above `@flow`.

    `definition` takes the fields of a webhook's definition as `parse_definition` does. Without `deployment`,
    `webhooks deploy` fills in the project's only deployment of this flow. The flow itself stays an ordinary Prefect
    flow, with `context: Context` or with parameters of its own, which the definition's `parameters` fill; with none at
    all, nothing has to be filled. Raises DefinitionError, at import, for a definition that cannot be used.
    """
    if key is None:
        raise DefinitionError(
            "key",
            f"is needed in code, else every deploy would make another webhook; take for example '{generate_key()}'",
        )
    parsed = parse_definition({"key": key, **definition}, by="code")
    says_parameters = definition.get("parameters") is not None

    def decorate(flow: FlowT) -> FlowT:
        function = getattr(flow, "fn", None)
        if function is None or not callable(flow):
            raise DefinitionError("webhook", "put @webhook(...) above @flow, not below it")
        if (other := get_definition(flow)) is not None:
            raise DefinitionError(
                "webhook", f"the flow has the webhook '{other.key}' already; a second needs a flow of its own"
            )
        fitting = parsed
        if not says_parameters and not inspect.signature(function).parameters:
            fitting = parsed.model_copy(update={"parameters": {}})
        flow.fn = _wrap(function, fitting)  # type: ignore[attr-defined] # a Prefect flow, which is not imported here
        return flow

    return decorate


def get_definition(flow: Any) -> WebhookDefinition | None:
    """The definition that `@webhook` put on a flow, also after `flow.with_options(...)`; None without one."""
    found = getattr(getattr(flow, "fn", flow), _ATTRIBUTE, None)
    return found if isinstance(found, WebhookDefinition) else None


def _wrap(function: Callable[..., Any], definition: WebhookDefinition) -> Callable[..., Any]:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise DefinitionError("webhook", "a webhook's flow returns its reply, so it cannot be a generator")
    check_filled(function, definition)
    if definition.batch is not None:
        return wrap_for_many(function, definition, _ATTRIBUTE)
    signature = inspect.signature(function)
    names = context_parameters(function)

    def arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[inspect.BoundArguments, list[PendingContext]]:
        bound = signature.bind(*args, **kwargs)
        for name in names & set(bound.arguments):
            if is_envelope(bound.arguments[name]):
                bound.arguments[name] = decode_envelope(bound.arguments[name])
        return bound, [value for value in bound.arguments.values() if isinstance(value, PendingContext)]

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            bound, pending = arguments(args, kwargs)
            if pending:
                _fill(bound, pending[0], await fetch.fetch(*address_of(pending[0])))
            if (cancelled := too_late(_contexts(bound))) is not None:
                return cancelled
            with caller_of(_caller(bound, definition)) as answer:
                result = await function(*bound.args, **bound.kwargs)
                answer(result)
                return result

    else:

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            bound, pending = arguments(args, kwargs)
            if pending:
                _fill(bound, pending[0], fetch.fetch_blocking(*address_of(pending[0])))
            if (cancelled := too_late(_contexts(bound))) is not None:
                return cancelled
            with caller_of(_caller(bound, definition)) as answer:
                result = function(*bound.args, **bound.kwargs)
                answer(result)
                return result

    # Prefect validates by the wrapper's annotations, and evaluates text in them in this module, not in the flow's.
    wrapped.__signature__ = resolved_signature(function)  # type: ignore[attr-defined] # as `inspect` documents
    wrapped.__annotations__ = resolved_hints(function)
    setattr(wrapped, _ATTRIBUTE, definition)
    return wrapped


def _caller(bound: inspect.BoundArguments, definition: WebhookDefinition) -> Caller | None:
    """Whoever waits for this run: its context knows, and where the flow takes none, the run itself."""
    context = next(iter(_contexts(bound)), None)
    if context is None:
        return caller_of_this_run(definition.key) if definition.mode == "sync" else None
    if context.document.get("mode") != "sync":
        return None
    return Caller(context.delivery_id, context.attempt)


def _contexts(bound: inspect.BoundArguments) -> list[Context]:
    return [value for value in bound.arguments.values() if isinstance(value, Context)]


def _fill(bound: inspect.BoundArguments, pending: PendingContext, text: bytes) -> None:
    """Put the fetched request where it is awaited; a run has one request, so one fetch serves every parameter."""
    document = belongs_to(decode_document(text), pending.delivery_id, pending.attempt).document
    for name, value in bound.arguments.items():
        if isinstance(value, PendingContext):
            belongs_to(value, pending.delivery_id, pending.attempt)
            bound.arguments[name] = Context.from_document(document, by_reference=True)
