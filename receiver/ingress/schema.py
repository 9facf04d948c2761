"""The JSON Schema of a webhook's body."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

from receiver.contract.errors import DefinitionError, Unusable
from receiver.contract.plain import deeper_than, find_flaw, size_up_to
from receiver.contract.reasons import Reason
from receiver.ingress.schema_cost import depth_allowed

MAX_SCHEMA = 64 * 1024
MAX_SCHEMA_DEPTH = 50
MOST_PROBLEMS = 20
LISTED_UP_TO = 20_000
"""About the characters of a body up to which every problem is looked for; in a longer one, only the first.

The library collects all of them before it gives one: tens of microseconds each, for every item of a long list.
"""
_PATTERN_SIZE = 100_000  # bytes of a compiled pattern; this refuses nested repetitions such as (a{1,50}){1,50}


@dataclass(frozen=True)
class BodySchema:
    """A compiled JSON Schema; make one with `compile_schema`."""

    validator: jsonschema_rs.Validator
    max_depth: int

    def check(self, data: Any) -> None:
        """Pass, or raise Unusable (`schema_mismatch`) with at most 20 problems: JSON pointers, no value."""
        if deeper_than(data, self.max_depth):
            raise _mismatch([{"path": "", "problem": f"is more than {self.max_depth} levels deep"}])
        try:
            if self.validator.is_valid(data):
                return
            problems = self._problems(data)
        except UnicodeEncodeError:
            problems = [{"path": "", "problem": "holds half of a surrogate pair, which is no character"}]
        raise _mismatch(problems)

    def _problems(self, data: Any) -> list[dict[str, str]]:
        if size_up_to(data, LISTED_UP_TO) > LISTED_UP_TO:
            try:
                self.validator.validate(data)
            except jsonschema_rs.ValidationError as first:
                return [_problem(first)]
        problems: list[dict[str, str]] = []
        for error in self.validator.iter_errors(data):
            problems.append(_problem(error))
            if len(problems) == MOST_PROBLEMS:
                break
        return problems


def compile_schema(schema: Mapping[str, Any], *, as_prefect: bool = False) -> BodySchema:
    """Check a JSON Schema once (draft 4 to 2020-12, by `$schema`; formats are checked too).

    `as_prefect`: as Prefect's server reads a schema of parameters, by draft 2020-12 and without formats.

    Patterns are matched in linear time, so they have no look-around and no back-references. References stay within the
    schema: nothing is fetched. Raises DefinitionError (field `schema`) that names the place.
    """
    if not isinstance(schema, Mapping):
        raise DefinitionError("schema", "is a JSON Schema, an object")
    plain = dict(schema)
    if size_up_to(plain, MAX_SCHEMA) > MAX_SCHEMA:
        raise DefinitionError("schema", f"is over {MAX_SCHEMA // 1024} KiB")
    if deeper_than(plain, MAX_SCHEMA_DEPTH):
        raise DefinitionError("schema", f"is more than {MAX_SCHEMA_DEPTH} levels deep")
    if flaw := find_flaw(plain, path="at"):
        raise DefinitionError("schema", f"{flaw.path}: {flaw.problem}")
    depth = depth_allowed(plain)
    try:
        make = jsonschema_rs.Draft202012Validator if as_prefect else jsonschema_rs.validator_for
        validator = make(
            plain,
            validate_formats=not as_prefect,
            mask="***",
            pattern_options=jsonschema_rs.RegexOptions(size_limit=_PATTERN_SIZE),
            offline=True,
        )
    except jsonschema_rs.ValidationError as error:
        raise _broken(plain, error) from None
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        raise DefinitionError("schema", f"cannot be used: {str(error)[:300]}") from None
    return BodySchema(validator, depth)


def _broken(schema: dict[str, Any], error: jsonschema_rs.ValidationError) -> DefinitionError:
    value: Any = schema
    try:
        for step in error.instance_path:
            value = value[step]
    except (KeyError, IndexError, TypeError):
        value = None
    shown, place = json.dumps(value)[:60], f"at '{_pointer(error.instance_path)}': "
    if any(step in {"pattern", "patternProperties"} for step in error.instance_path):
        return DefinitionError(
            "schema",
            f"{place}{shown} cannot be matched in linear time: no look-around, back-references or large {{n,m}}",
        )
    return DefinitionError("schema", place + str(error.message).replace("***", shown)[:300])


def _problem(error: jsonschema_rs.ValidationError) -> dict[str, str]:
    # Masked by the library: a value of the body may be a secret, and the problem goes to the sender and to the log.
    return {"path": _pointer(error.instance_path), "problem": str(error.message)[:300]}


def _pointer(path: list[str | int]) -> str:
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)


def _mismatch(problems: list[dict[str, str]]) -> Unusable:
    first = problems[0]
    return Unusable(Reason.SCHEMA_MISMATCH, f"{first['path'] or '/'}: {first['problem']}", tuple(problems))
