"""`@webhook` above `@flow`: the definition beside the code it starts."""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable
from typing import Any, TypeVar

from receiver.contract import fetch
from receiver.contract.answering import caller_of
from receiver.contract.context import Context, PendingContext
from receiver.contract.envelope import belongs_to, decode_document, decode_envelope, is_envelope
from receiver.contract.errors import DefinitionError
from receiver.contract.model import WebhookDefinition
from receiver.contract.parse import generate_key, parse_definition

FlowT = TypeVar("FlowT")
_ATTRIBUTE = "__webhook_definition__"


def webhook(key: str | None = None, **definition: Any) -> Callable[[FlowT], FlowT]:
    """Bind a webhook to a flow: `@webhook("contact-form", verification={"scheme": "none"})` above `@flow`.

    `definition` takes the fields of a webhook's definition as `parse_definition` does. Without `deployment`,
    `webhooks deploy` fills in the project's only deployment of this flow. The flow itself stays an ordinary Prefect
    flow. Raises DefinitionError, at import, for a definition that cannot be used.
    """
    if key is None:
        raise DefinitionError(
            "key",
            f"is needed in code, else every deploy would make another webhook; take for example '{generate_key()}'",
        )
    parsed = parse_definition({"key": key, **definition}, by="code")

    def decorate(flow: FlowT) -> FlowT:
        function = getattr(flow, "fn", None)
        if function is None or not callable(flow):
            raise DefinitionError("webhook", "put @webhook(...) above @flow, not below it")
        if (other := get_definition(flow)) is not None:
            raise DefinitionError(
                "webhook", f"the flow has the webhook '{other.key}' already; a second needs a flow of its own"
            )
        flow.fn = _wrap(function, parsed)  # type: ignore[attr-defined] # a Prefect flow, which is not imported here
        return flow

    return decorate


def get_definition(flow: Any) -> WebhookDefinition | None:
    """The definition that `@webhook` put on a flow, also after `flow.with_options(...)`; None without one."""
    found = getattr(getattr(flow, "fn", flow), _ATTRIBUTE, None)
    return found if isinstance(found, WebhookDefinition) else None


def _wrap(function: Callable[..., Any], definition: WebhookDefinition) -> Callable[..., Any]:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise DefinitionError("webhook", "a webhook's flow returns its reply, so it cannot be a generator")
    signature = inspect.signature(function)
    names = _context_parameters(function, signature)

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
                _fill(bound, pending[0], await fetch.fetch(*_address(pending[0])))
            with caller_of(_context_in(bound)) as answer:
                result = await function(*bound.args, **bound.kwargs)
                answer(result)
                return result

    else:

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            bound, pending = arguments(args, kwargs)
            if pending:
                _fill(bound, pending[0], fetch.fetch_blocking(*_address(pending[0])))
            with caller_of(_context_in(bound)) as answer:
                result = function(*bound.args, **bound.kwargs)
                answer(result)
                return result

    setattr(wrapped, _ATTRIBUTE, definition)
    return wrapped


def _context_in(bound: inspect.BoundArguments) -> Context | None:
    return next((value for value in bound.arguments.values() if isinstance(value, Context)), None)


def _address(pending: PendingContext) -> tuple[str, dict[str, str]]:
    return f"/api/admin/deliveries/{pending.delivery_id}/context", {"attempt": str(pending.attempt)}


def _fill(bound: inspect.BoundArguments, pending: PendingContext, text: bytes) -> None:
    """Put the fetched request where it is awaited; a run has one request, so one fetch serves every parameter."""
    document = belongs_to(decode_document(text), pending.delivery_id, pending.attempt).document
    for name, value in bound.arguments.items():
        if isinstance(value, PendingContext):
            belongs_to(value, pending.delivery_id, pending.attempt)
            bound.arguments[name] = Context.from_document(document, by_reference=True)


def _context_parameters(function: Callable[..., Any], signature: inspect.Signature) -> set[str]:
    """Parameters in which an envelope is decoded: those annotated with Context, and a bare one named `context`.

    Any other parameter keeps what it got: a mapping that a sender gave the form of an envelope is only a mapping.
    """
    try:
        hints = typing.get_type_hints(function)
    except Exception:  # noqa: BLE001 (names that exist for type checkers only, and whatever else annotations evaluate to)
        hints = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    return {
        name
        for name, parameter in signature.parameters.items()
        if _is_context(hints.get(name)) or (name == "context" and parameter.annotation is inspect.Parameter.empty)
    }


def _is_context(hint: Any) -> bool:
    if isinstance(hint, str):
        return "Context" in hint.replace(" ", "").split("|")
    if typing.get_origin(hint) in {typing.Union, types.UnionType}:
        return any(_is_context(member) for member in typing.get_args(hint))
    return isinstance(hint, type) and issubclass(hint, Context)
