"""A flow's parameters against the templates that are to fill them: what cannot work is told at import. Pure."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any

from receiver.contract.batching import Batch
from receiver.contract.context import Context
from receiver.contract.errors import DefinitionError
from receiver.contract.model import WebhookDefinition

_NOTHING: dict[Any, Any] = {inspect.Parameter.VAR_POSITIONAL: [], inspect.Parameter.VAR_KEYWORD: {}}
_WHOLE = "{{$context}}"


def context_parameters(function: Callable[..., Any]) -> frozenset[str]:
    """Parameters in which an envelope is decoded: those annotated with Context, and a bare one named `context`.

    Any other parameter keeps what it got: a mapping that a sender gave the form of an envelope is only a mapping.
    """
    hints = resolved_hints(function)
    return frozenset(
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if _is_context(hints.get(name)) or (name == "context" and parameter.annotation is inspect.Parameter.empty)
    )


def batch_parameters(function: Callable[..., Any]) -> frozenset[str]:
    """Parameters that take all requests of a run for many: those annotated `Batch`."""
    return frozenset(name for name, hint in resolved_hints(function).items() if hint in (Batch, "Batch")) - {"return"}


def resolved_hints(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations as types, by name; one that the function's module cannot resolve stays as it was written."""
    inner = inspect.unwrap(function)
    names = getattr(inner, "__globals__", {})
    hints: dict[str, Any] = {}
    for name, written in getattr(inner, "__annotations__", {}).items():
        hints[name] = written
        # One by one: a name that exists for type checkers only must not keep the others from being resolved.
        with suppress(Exception):
            alone = types.SimpleNamespace(__annotations__={name: written})
            hints |= typing.get_type_hints(alone, globalns=names, include_extras=True)
    return hints


def resolved_signature(function: Callable[..., Any]) -> inspect.Signature:
    """The signature with the annotations as types: whoever wraps the function has not the names of its module."""
    hints = resolved_hints(function)
    signature = inspect.signature(function)
    parameters = [
        each.replace(annotation=hints.get(each.name, each.annotation)) for each in signature.parameters.values()
    ]
    return signature.replace(parameters=parameters, return_annotation=hints.get("return", signature.return_annotation))


def check_filled(function: Callable[..., Any], definition: WebhookDefinition) -> None:
    """Raise DefinitionError (`parameters`) unless the definition's templates fit what the flow takes.

    Each parameter without a default is filled, none is filled that the flow has not, and the whole request goes to a
    `Context` and to nothing else. To Prefect `**more` is one parameter of that name, and it requires that one too.
    """
    parameters = inspect.signature(function).parameters
    many = batch_parameters(function)
    contexts = context_parameters(function) | many
    if many and definition.batch is None:
        raise DefinitionError("batch", f"{_listed(sorted(many))} takes many requests: say batch={{}}, or take one")
    given = definition.parameters_template().children()
    missing = [
        name
        for name, parameter in parameters.items()
        if name not in given and parameter.default is inspect.Parameter.empty
    ]
    unknown = [name for name in given if name not in parameters]
    line = _line_to_write(parameters, contexts, definition.parameters)
    if missing:
        raise DefinitionError("parameters", f"nothing fills {_listed(missing)} of the flow; write {line}")
    if unknown:
        raise DefinitionError("parameters", f"the flow has no parameter {_listed(unknown)}; write {line}")
    for name, template in given.items():
        if template.is_root("context") and name not in contexts:
            raise DefinitionError(
                f"parameters.{name}",
                f"{_WHOLE} is for a parameter annotated `Context`; the body is {{{{$context.data}}}}",
            )
        if name in contexts and not template.is_root("context"):
            raise DefinitionError(f"parameters.{name}", f"is a `Context` in the flow, which {_WHOLE} alone can fill")


def _line_to_write(
    parameters: Mapping[str, inspect.Parameter], contexts: Collection[str], given: Mapping[str, Any]
) -> str:
    """The `parameters=` that would fit, with a guess for what is not filled yet."""
    required = [
        name
        for name, parameter in parameters.items()
        if name in given or (parameter.default is inspect.Parameter.empty)
    ]
    own = [name for name in required if name not in contexts]
    line: dict[str, Any] = {}
    for name in required:
        if name in contexts:
            line[name] = _WHOLE
        elif name not in given and parameters[name].kind in _NOTHING:
            line[name] = _NOTHING[parameters[name].kind]
        elif name in given and given[name] != _WHOLE:
            line[name] = given[name]
        else:
            line[name] = "{{$context.data}}" if len(own) == 1 else f"{{{{$context.data.{name}}}}}"
    text = ", ".join(
        f'"{name}": "{value}"' if isinstance(value, str) else f'"{name}": {value if not value else "..."}'
        for name, value in line.items()
    )
    return f"parameters={{{text}}}"


def _listed(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _is_context(hint: Any) -> bool:
    if isinstance(hint, str):
        return "Context" in hint.replace(" ", "").split("|")
    if typing.get_origin(hint) is typing.Annotated:
        return _is_context(typing.get_args(hint)[0])
    if typing.get_origin(hint) in {typing.Union, types.UnionType}:
        return any(_is_context(member) for member in typing.get_args(hint))
    return isinstance(hint, type) and issubclass(hint, Context)
