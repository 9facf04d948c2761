"""Check data before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema_rs
from pydantic import BaseModel, ValidationError

from blocks.errors import InvalidInput
from flows.nodes._node import node
from receiver import Context

MOST_PROBLEMS = 100
"""As many are listed; the rest is counted."""
_PATTERN_SIZE = 100_000  # bytes of a compiled pattern: nested repetitions such as (a{1,50}){1,50} are refused

Schema = Mapping[str, Any] | type[BaseModel]


def plan(schema: Schema, data: Any) -> Any:
    """The data, or the model made of it. Raises `InvalidInput` that lists every problem, a line each.

    >>> plan({"type": "object", "required": ["email"]}, {"email": "ada@example.com"})
    {'email': 'ada@example.com'}
    >>> plan({"properties": {"qty": {"type": "integer"}}, "required": ["sku"]}, {"qty": "two"})
    Traceback (most recent call last):
        ...
    blocks.errors.InvalidInput: 2 problems:
    -: "sku" is a required property
    /qty: *** is not of type "integer"
    """
    value = data.data if isinstance(data, Context) else data
    if isinstance(schema, type):
        return _model(schema, value)
    problems = [f"{_pointer(error.instance_path)}: {error.message}" for error in _validator(schema).iter_errors(value)]
    if problems:
        raise _invalid(problems)
    return value


@node("validate by {schema}", timeout=60)
async def validate(schema: Schema, data: Any) -> Any:
    """Check data, with every problem in the error and not the first alone.

    ```python
    order = await validate(Order, context)
    await validate({"type": "object", "required": ["email"]}, context)
    ```

    What a webhook's own body has to be belongs into its `schema`, where it is turned away before a run is made.

    Args:
        schema: A pydantic model's class, or a JSON Schema (draft 4 to 2020-12, by `$schema`; formats are checked;
            patterns in linear time, without look-around).
        data: Any JSON, or the flow's `Context`, whose body is checked.

    Returns:
        The model; with a JSON Schema the data as it is.

    Raises:
        InvalidInput: The data does not fit; each problem on a line, with its path as a JSON pointer and no value.
            Or the schema itself cannot be used.
    """
    return plan(schema, data)


def _model(schema: type[BaseModel], value: Any) -> BaseModel:
    if not issubclass(schema, BaseModel):
        raise InvalidInput(f"{schema.__name__} is no pydantic model")
    try:
        return schema.model_validate(value)
    except ValidationError as error:
        # Without what was given: it may be a secret, and errors are shown in Prefect.
        problems = [
            f"{_pointer(list(each['loc']))}: {each['msg']}"
            for each in error.errors(include_input=False, include_context=False, include_url=False)
        ]
        raise _invalid(problems) from None


def _validator(schema: Mapping[str, Any]) -> jsonschema_rs.Validator:
    try:
        return jsonschema_rs.validator_for(
            dict(schema),
            validate_formats=True,
            mask="***",
            pattern_options=jsonschema_rs.RegexOptions(size_limit=_PATTERN_SIZE),
            offline=True,
        )
    except (ValueError, jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
        raise InvalidInput(f"the schema cannot be used: {str(error)[:300]}") from None


def _pointer(path: list[str | int]) -> str:
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path) or "-"


def _invalid(problems: list[str]) -> InvalidInput:
    count = len(problems)
    shown = [problem[:300] for problem in problems[:MOST_PROBLEMS]]
    if count > MOST_PROBLEMS:
        shown.append(f"and {count - MOST_PROBLEMS} more")
    return InvalidInput("\n".join([f"{count} problem{'s' if count > 1 else ''}:", *shown]))
