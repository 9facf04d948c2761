"""Whether what a file relies on is still where it was."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping


def missing(used: Mapping[str, tuple[str, ...]]) -> list[str]:
    """`{"module" or "module:Class": ("name(parameter, ...)", ...)}` → a sentence for each one gone or changed."""
    found = []
    for place, signatures in used.items():
        module, _, attribute = place.partition(":")
        for wanted in signatures:
            name = wanted.partition("(")[0]
            try:
                owner = importlib.import_module(module)
                value = getattr(getattr(owner, attribute) if attribute else owner, name)
            except (ImportError, AttributeError):
                found.append(f"{place}.{wanted} is gone")
                continue
            actual = f"{name}({', '.join(inspect.signature(value).parameters)})"
            if actual != wanted:
                found.append(f"{place}.{wanted} has become {actual}")
    return found
