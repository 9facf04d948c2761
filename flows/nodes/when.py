"""Decide by a condition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cel import evaluate

from blocks.errors import InvalidInput
from flows.nodes._node import node
from receiver import Context

Condition = str | Callable[[Any], object]
"""A CEL expression over `context`, or a Python function of it."""


def plan(expression: Condition, context: Context | Mapping[str, Any]) -> bool:
    """Whether the condition holds for `context`.

    >>> plan("context.data.price >= 100 && context.data.country in ['UA', 'PL']",
    ...      {"data": {"price": 120, "country": "UA"}})
    True
    >>> plan(lambda context: context["data"]["price"] > 200, {"data": {"price": 120}})
    False
    """
    if callable(expression):
        return bool(expression(context))
    try:
        answer = evaluate(expression, {"context": context.document if isinstance(context, Context) else context})
    except KeyError as error:
        raise InvalidInput(
            f"the condition asks for {error}, which is not there; `has(...)` asks whether it is"
        ) from error
    except (ValueError, TypeError, RuntimeError) as error:
        raise InvalidInput(f"the condition cannot be decided: {error}") from error
    if not isinstance(answer, bool):
        raise InvalidInput(f"the condition gives {type(answer).__name__}, not true or false: {expression}")
    return answer


@node("when {expression}", timeout=30)
async def when(expression: Condition, context: Context | Mapping[str, Any]) -> bool:
    """Decide by a condition on the request, so that the decision is seen in Prefect's UI.

    ```python
    if await when("context.data.ref == 'refs/heads/main'", context):
        await start_deployment("deploy-site/deploy-site")
    ```

    Args:
        expression: CEL over the variable `context`, as in a webhook's filter, or a Python function of it.
        context: The flow's `Context`, or any mapping.

    Returns:
        Whether it holds.

    Raises:
        InvalidInput: The expression is not CEL, asks for what is missing, or gives neither true nor false.
    """
    return plan(expression, context)
