"""The filter of a webhook: a CEL expression over `context` that says whether a request is to run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import cel

from receiver.contract.errors import DefinitionError, Unusable
from receiver.contract.reasons import Reason

LONGEST = 2000
_MACRO = re.compile(r"\.\s*(all|exists|exists_one|map|filter)\s*$")
_ITEM = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(\s*(\w+)\s*,")
_LITERAL = re.compile(
    r"""[rRbB]{0,2}("{3}.*?"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|//[^\n]*""", re.DOTALL
)


class Filter:
    """A compiled filter."""

    def __init__(self, program: cel.Program) -> None:
        self._program = program

    def matches(self, document: Mapping[str, Any]) -> bool:
        """Whether the request is to run. Raises Unusable (FILTER_ERROR) when the expression gives no boolean."""
        try:
            result = self._program.execute({"context": dict(document)})
        except KeyError as error:
            raise Unusable(Reason.FILTER_ERROR, f"filter: the request has no {error}; test it with has(...)") from None
        except Exception as error:  # noqa: BLE001 (the library raises what the expression met: ValueError, TypeError, ...)
            raise Unusable(Reason.FILTER_ERROR, f"filter: {str(error)[:200]}") from None
        if not isinstance(result, bool):
            raise Unusable(Reason.FILTER_ERROR, f"filter: gave {type(result).__name__}, not true or false")
        return result


def compile_filter(expression: str) -> Filter:
    """Check a filter once. Raises DefinitionError (field `filter`).

    Bounded: at most 2,000 characters, no comprehension inside another, regular expressions in linear time.
    """
    if len(expression) > LONGEST:
        raise DefinitionError("filter", f"is longer than {LONGEST} characters")
    code = _LITERAL.sub("''", expression)
    if _nests_comprehensions(code):
        raise DefinitionError("filter", "has a comprehension (all, exists, map, filter) inside another: take one")
    try:
        program = cel.compile(expression)
    except Exception as error:  # noqa: BLE001 (the parser raises ValueError with a drawing of the place)
        raise DefinitionError("filter", f"is no CEL expression: {str(error)[:300]}") from None
    if unknown := sorted(set(program.variables()) - {"context", *_ITEM.findall(code)}):
        raise DefinitionError("filter", f"knows only the variable context, not {', '.join(unknown)}")
    return Filter(program)


def _nests_comprehensions(code: str) -> bool:
    """Whether a macro's parentheses hold another macro; `code` is without literals and comments."""
    inside: list[bool] = []
    for place, character in enumerate(code):
        if character == "(":
            macro = _MACRO.search(code, max(0, place - 40), place) is not None
            if macro and any(inside):
                return True
            inside.append(macro)
        elif character == ")" and inside:
            inside.pop()
    return False
