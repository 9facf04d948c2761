"""What a deployment takes as parameters, checked before a request is accepted: no stricter than Prefect's server."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema_rs
from jsonschema_rs import ValidationErrorKind as Kind

from receiver.contract.errors import DefinitionError, Unusable
from receiver.contract.plain import deeper_than
from receiver.contract.reasons import Reason
from receiver.ingress.schema import MOST_PROBLEMS, BodySchema, compile_schema
from receiver.prefect_gateway import DeploymentRef

log = logging.getLogger(__name__)

_LONGEST_PATH = 300
_A_TYPE = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "an integer",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "text",
}

Problem = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class ParameterRules:
    """What a deployment takes; make it with `rules_of`. `required` are the names that nothing else fills.

    `names` is None where any name is taken, `schema` where values are not checked; `problem` says why, if it is a pity.
    """

    required: tuple[str, ...] = ()
    names: frozenset[str] | None = None
    schema: BodySchema | None = None
    problem: str = ""

    def missing(self, given: Collection[str]) -> list[str]:
        """Names without which no run can start."""
        return [name for name in self.required if name not in given]

    def check_names(self, given: Collection[str]) -> None:
        """Pass, or raise Unusable (`parameters_invalid`) when a required parameter is not among `given`."""
        if missing := self.missing(given):
            raise _invalid([{"path": name, "problem": "is missing"} for name in missing])

    def check(self, parameters: Mapping[str, Any]) -> None:
        """Pass, or raise Unusable (`parameters_invalid`) with at most 20 problems by path, without values.

        What is too deep to be checked in bounded time passes: Prefect looks at it again.
        """
        self.check_names(parameters)
        if self.schema is None or deeper_than(parameters, self.schema.max_depth):
            return
        given = dict(parameters)
        if not self.schema.validator.is_valid(given):
            raise _invalid(list(_problems(self.schema.validator, given)))


def rules_of(deployment: DeploymentRef) -> ParameterRules:
    """The rules of a deployment, compiled. A schema that cannot be used is a `problem`, told in the log."""
    source = deployment.parameter_schema
    if source is None:
        return ParameterRules()
    properties, required = source.get("properties"), source.get("required")
    names = frozenset(properties) if isinstance(properties, Mapping) and properties else None
    needed = (
        tuple(name for name in required if isinstance(name, str) and name not in deployment.filled)
        if isinstance(required, list)
        else ()
    )
    try:
        # Its `required` is asked for by name above, so that what the deployment fills itself is not missed.
        schema = compile_schema({key: value for key, value in source.items() if key != "required"}, as_prefect=True)
    except DefinitionError as error:
        problem = f"the parameter schema of '{deployment.name}' {_readable(error.problem)}; Prefect alone checks by it"
        log.warning("parameters are handed over unchecked: %s", problem)
        return ParameterRules(required=needed, names=names, problem=problem)
    return ParameterRules(required=needed, names=names, schema=schema)


def parameter_problems(rules: ParameterRules, given: Collection[str]) -> list[str]:
    """What can never work with templates for these parameters, and what is not checked; sentences for a person."""
    found = []
    if missing := rules.missing(given):
        listed = ", ".join(missing)
        example = ", ".join(f'"{name}": "{{{{$context.data.{name}}}}}"' for name in missing)
        found.append(f"The flow needs {listed}: set `parameters`, e.g. {{{example}}}. Until then requests are invalid.")
    if rules.names is not None and (unknown := [name for name in given if name not in rules.names]):
        found.append(f"The flow has no parameter {', '.join(unknown)}, so its runs fail: correct `parameters`.")
    if rules.problem:
        found.append(f"{rules.problem[0].upper()}{rules.problem[1:]}.")
    return found


def _readable(problem: str) -> str:
    return problem if problem.startswith(("is ", "takes ", "refers ", "cannot ")) else f"cannot be used ({problem})"


def _problems(validator: jsonschema_rs.Validator, given: dict[str, Any]) -> Iterator[Problem]:
    for count, error in enumerate(validator.iter_errors(given)):
        if count == MOST_PROBLEMS:
            return
        yield _problem(error)


def _problem(error: jsonschema_rs.ValidationError) -> Problem:
    error = _within_optional(error)
    path = list(error.instance_path)
    match error.kind:
        case Kind.Required(property=name):
            path.append(name)
            problem = "is missing"
        case Kind.Type(types=types):
            problem = f"is not {' or '.join(_A_TYPE.get(name, name) for name in types)}"
        case _:
            problem = str(error.message).removeprefix("*** ")[:300]  # the value is masked by the library
    return {"path": ".".join(map(str, path))[:_LONGEST_PATH], "problem": problem}


def _within_optional(error: jsonschema_rs.ValidationError) -> jsonschema_rs.ValidationError:
    """`Order | None` fails as a whole; what the reader wants is what is wrong with the order."""
    while isinstance(error.kind, Kind.AnyOf):
        branches = [branch for branch in error.kind.context if not _wants_null(branch)]
        if len(branches) != 1 or not branches[0]:
            break
        error = branches[0][0]
    return error


def _wants_null(branch: list[jsonschema_rs.ValidationError]) -> bool:
    return len(branch) == 1 and isinstance(branch[0].kind, Kind.Type) and list(branch[0].kind.types) == ["null"]


def _invalid(problems: list[Problem]) -> Unusable:
    first = problems[0]
    return Unusable(Reason.PARAMETERS_INVALID, f"{first['path']}: {first['problem']}", tuple(problems))
