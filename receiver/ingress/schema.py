"""The JSON Schema of a webhook's body."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

import jsonschema_rs

from receiver.contract.errors import DefinitionError, Unusable
from receiver.contract.plain import deeper_than, size_up_to
from receiver.contract.reasons import Reason

LARGEST = 64 * 1024
DEEPEST = 50
MOST_PROBLEMS = 20


class BodySchema:
    """A compiled JSON Schema."""

    def __init__(self, validator: jsonschema_rs.Validator) -> None:
        self._validator = validator

    def check(self, data: Any) -> None:
        """Pass, or raise Unusable (SCHEMA_MISMATCH) with at most 20 problems: JSON pointers, no value."""
        problems = tuple(
            {"path": _pointer(error.instance_path), "problem": _words(error)}
            for error in islice(self._validator.iter_errors(data), MOST_PROBLEMS)
        )
        if problems:
            raise Unusable(Reason.SCHEMA_MISMATCH, f"{problems[0]['path'] or '/'}: {problems[0]['problem']}", problems)


def compile_schema(schema: Mapping[str, Any]) -> BodySchema:
    """Check a schema once. Raises DefinitionError (field `schema`, with a path).

    Patterns run in linear time. References reach inside the schema only: nothing is fetched.
    """
    plain = dict(schema)
    if size_up_to(plain, LARGEST) > LARGEST or deeper_than(plain, DEEPEST):
        raise DefinitionError("schema", f"is over {LARGEST // 1024} KiB or deeper than {DEEPEST} levels")
    try:
        validator = jsonschema_rs.validator_for(
            plain, mask="***", retriever=_refuse, pattern_options=jsonschema_rs.RegexOptions()
        )
    except jsonschema_rs.ValidationError as error:
        raise DefinitionError("schema", f"at '{_pointer(error.instance_path)}': {error.message}") from None
    except (jsonschema_rs.ReferencingError, ValueError) as error:
        raise DefinitionError("schema", f"cannot be used: {str(error)[:300]}") from None
    return BodySchema(validator)


def _refuse(address: str) -> Any:
    raise ValueError(f"{address} is outside this schema; put what is needed under $defs")


def _pointer(path: list[str | int]) -> str:
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)


def _words(error: jsonschema_rs.ValidationError) -> str:
    # Masked by the library: a value of the body may be a secret, and the problem goes to the sender and to the log.
    return str(error.message)[:300]
