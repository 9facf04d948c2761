"""The name of a new webhook: its key, its flow's function and its module. Pure."""

from __future__ import annotations

import builtins
import keyword
import sys
from collections.abc import Container

from receiver.contract.errors import DefinitionError
from receiver.contract.fields import check_key

_OURS = frozenset({"nodes", "worker"})
_USED = frozenset(
    {"context", "deliver_now", "delivered", "flow", "mail", "message", "send_email", "webhook", "webhooks_server"}
)
"""What the new files name already, so that a flow cannot."""


def module_name(key: str, installed: Container[str] = ()) -> str:
    """The Python name for a webhook's key: `shop-orders` is `shop_orders`.

    `installed` are modules that `flows` has already where it is installed. Raises DefinitionError, field `name`, for a
    key that no URL takes and a name that a module or function of that name would spoil.
    """
    try:
        check_key(key)
    except ValueError as error:
        raise DefinitionError("name", str(error)) from None
    name = key.replace("-", "_")
    for spoilt, why in (
        (not name.isidentifier(), "begins with a digit, which no Python name does"),
        (keyword.iskeyword(name), "is a word of Python's own"),
        (name in sys.stdlib_module_names, "is the name of a module of Python's own, which it would hide"),
        (hasattr(builtins, name), "is the name of a function of Python's own, which it would hide"),
        (name in _OURS or name in installed, f"is taken: flows.{name} comes with prefect-webhooks"),
        (name in _USED, "is a name that the new files use for something else"),
    ):
        if spoilt:
            raise DefinitionError("name", f"'{key}' {why}. Take another, for example 'my-{key}'.")
    return name
