"""The JSON Schema of a webhook's body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class BodySchema:
    """A compiled JSON Schema."""

    def check(self, data: Any) -> None:
        """Pass, or raise Unusable (SCHEMA_MISMATCH) with at most 20 problems."""
        raise NotImplementedError


def compile_schema(schema: Mapping[str, Any]) -> BodySchema:
    """Check a schema once. Raises DefinitionError (field `schema`, with a path)."""
    raise NotImplementedError
