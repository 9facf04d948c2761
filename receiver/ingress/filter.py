"""The filter of a webhook: a CEL expression over `context` that says whether a request is to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cel

from receiver.contract.errors import DefinitionError, Unusable
from receiver.contract.plain import largest_collection, size_up_to
from receiver.contract.reasons import Reason
from receiver.ingress.filter_scan import scan

MAX_LENGTH = 2000
MAX_WORK = 20_000_000
"""For filters whose time grows faster than the request: its characters times the entries of its longest list."""

FUNCTIONS = (
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "type",
    "dyn",
    "duration",
    "timestamp",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
)
_TYPES = frozenset(
    {"bool", "bytes", "double", "duration", "int", "list", "map", "null_type", "string", "timestamp", "type", "uint"}
)


@dataclass(frozen=True)
class Filter:
    """A compiled filter; make one with `compile_filter`."""

    expression: str
    program: cel.Program
    multiplies: bool

    def matches(self, document: Mapping[str, Any]) -> bool:
        """Whether the request is to run. Header names in the document are lower-case.

        Raises Unusable (`filter_error`) when the expression gives no boolean: a key that is missing and not guarded by
        `has(...)`, values of kinds that cannot be compared, a request too long for what the filter does.
        """
        if self.multiplies and (length := largest_collection(document)) * size_up_to(document, MAX_WORK) > MAX_WORK:
            raise _unusable(
                f"the request is too long for this filter (its longest list has {length} entries): inside all() and "
                "exists() leave out context, and do without map() and filter()"
            )
        try:
            result = self.program.execute({"context": dict(document)})
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 (a panic of the Rust library is no Exception)
            raise _unusable(_explain(error)) from None
        if not isinstance(result, bool):
            raise _unusable(f"the filter gave {type(result).__name__}, not true or false")
        return result


def compile_filter(expression: str) -> Filter:
    """Check a filter once: syntax, names, functions, and that its time is bounded.

    Raises DefinitionError (field `filter`) for more than 2,000 characters, a name other than `context`, an unknown
    function, a macro within a macro, or a pattern that is not written out.
    """
    if not isinstance(expression, str) or not expression.strip():
        raise DefinitionError("filter", "is empty; leave it out to run every request")
    if len(expression) > MAX_LENGTH:
        raise DefinitionError("filter", f"is longer than {MAX_LENGTH} characters")
    try:
        found = scan(expression)
    except ValueError as error:
        raise DefinitionError("filter", str(error)) from None
    try:
        program = cel.compile(expression)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 (a panic of the Rust library is no Exception)
        raise DefinitionError("filter", f"is no CEL expression: {_first_line(str(error))}") from None
    if unknown := sorted(set(program.variables()) - {"context"} - found.bound - _TYPES):
        raise DefinitionError("filter", f"knows only the variable context, not {', '.join(unknown)}")
    for name in program.functions():
        # Operators are functions too, with names such as `_==_` and `@in`.
        if name.isidentifier() and not name.startswith("_") and name not in FUNCTIONS:
            raise DefinitionError("filter", f"there is no function '{name}'; there is {', '.join(FUNCTIONS)}")
    return Filter(expression, program, found.multiplies)


def _explain(error: BaseException) -> str:
    if isinstance(error, KeyError):
        name = str(error.args[0])[:100] if error.args else ""
        return f"the request has no {name!r} that the filter asks for; guard it with has(...)"
    return f"the filter cannot be evaluated: {_first_line(str(error)) or type(error).__name__}"


def _first_line(text: str) -> str:
    # The library repeats the whole expression and points at the place in the lines that follow.
    line = text.partition("ERROR: <input>:")[2] or text
    return line.partition("\n")[0].strip()[:300]


def _unusable(detail: str) -> Unusable:
    return Unusable(Reason.FILTER_ERROR, detail, ({"path": "filter", "problem": detail},))
