"""The filter of a webhook: a CEL expression over `context` that says whether a request is to run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Filter:
    """A compiled filter."""

    def matches(self, document: Mapping[str, Any]) -> bool:
        """Whether the request is to run. Raises Unusable (FILTER_ERROR) when the expression gives no boolean."""
        raise NotImplementedError


def compile_filter(expression: str) -> Filter:
    """Check a filter once. Raises DefinitionError (field `filter`)."""
    raise NotImplementedError
