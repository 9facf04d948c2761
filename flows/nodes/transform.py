"""Reshape data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jmespath

from blocks.errors import InvalidInput
from flows.nodes._node import node
from receiver import Context, render
from receiver.contract.errors import TemplateError

MAX_EXPRESSION = 16 * 1024


def plan(shape: Any, data: Any) -> Any:
    """The data in another shape.

    >>> plan("lines[?qty > `0`].{sku: sku, total: qty}", {"lines": [{"sku": "a", "qty": 2}, {"sku": "b", "qty": 0}]})
    [{'sku': 'a', 'total': 2}]
    >>> plan({"name": "{{$context.data.first}} {{$context.data.last}}"}, {"data": {"first": "Ada", "last": "Byron"}})
    {'name': 'Ada Byron'}
    """
    document = data.document if isinstance(data, Context) else data
    if isinstance(shape, str):
        return _searched(shape, document)
    if not isinstance(document, Mapping):
        raise InvalidInput("a template is filled from a context or a mapping")
    try:
        return render(shape, document)
    except TemplateError as error:
        raise InvalidInput(f"the template cannot be filled: {error}") from error


@node("transform {shape}", timeout=60)
async def transform(shape: Any, data: Any) -> Any:
    """Reshape data: by an expression in JMESPath, or by a mapping or list with templates in it.

    ```python
    skus = await transform("data.lines[].sku", context)
    contact = await transform({"email": "{{$context.data.email}}", "source": "form"}, context)
    ```

    Args:
        shape: Text is JMESPath; a mapping or a list is filled in, its texts are templates over `$context` as in a
            webhook's definition. For one text filled in, there is `receiver.render`.
        data: The flow's `Context`, or for JMESPath any JSON; a mapping is what `$context` means in a template.

    Returns:
        What the expression finds, None for nothing; or the mapping with its templates filled in.

    Raises:
        InvalidInput: The expression or a template cannot be read, or asks for what is not there.
    """
    return plan(shape, data)


def _searched(expression: str, document: Any) -> Any:
    if len(expression) > MAX_EXPRESSION:
        raise InvalidInput(f"the expression has {len(expression)} characters, at most {MAX_EXPRESSION}")
    if "{{$" in expression:
        raise InvalidInput("a text is an expression in JMESPath; fill in a text with receiver.render")
    try:
        return jmespath.search(expression, document)
    except jmespath.exceptions.JMESPathError as error:
        raise InvalidInput(f"the expression cannot be used: {str(error).splitlines()[0]}") from error
    except RecursionError:
        raise InvalidInput("the expression is nested too deeply") from None
