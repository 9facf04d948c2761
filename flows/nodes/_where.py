"""Conditions on records: what `where` means in every node that takes it. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, and_, not_, or_

from blocks.errors import InvalidInput
from flows.nodes._values import column, for_column, kind_of

Where = Mapping[str, Any]
"""`{"email": "ada@example.com", "age": {"gte": 18, "lt": 65}}`: every condition holds. See `OPERATORS`.

`"or"` takes a list of such mappings, one of which holds; `"not"` takes one that does not.
"""

OPERATORS: dict[str, Callable[[Column[Any], Any], ColumnElement[bool]]] = {
    "eq": lambda target, value: target.is_(None) if value is None else target == for_column(target, value),
    "ne": lambda target, value: target.is_not(None) if value is None else target != for_column(target, value),
    "lt": lambda target, value: target < for_column(target, value),
    "lte": lambda target, value: target <= for_column(target, value),
    "gt": lambda target, value: target > for_column(target, value),
    "gte": lambda target, value: target >= for_column(target, value),
    "between": lambda target, value: target.between(for_column(target, value[0]), for_column(target, value[1])),
    "in": lambda target, value: target.in_([for_column(target, item) for item in value]),
    "not_in": lambda target, value: target.not_in([for_column(target, item) for item in value]),
    "like": lambda target, value: target.like(value),
    "contains": lambda target, value: target.icontains(value, autoescape=True),
    "starts_with": lambda target, value: target.istartswith(value, autoescape=True),
    "ends_with": lambda target, value: target.iendswith(value, autoescape=True),
    "is_null": lambda target, value: target.is_(None) if value else target.is_not(None),
}
"""Comparisons by name. `like` takes `%` and `_` as SQL does; `is_null` takes true or false."""

_LISTS = {"in", "not_in", "between"}
_TEXTS = {"like", "contains", "starts_with", "ends_with"}
_ORDERED = {"lt", "lte", "gt", "gte"}


def conditions(
    table: Table, where: Where, *, changing: bool = False, inverted: bool = False
) -> list[ColumnElement[bool]]:
    """The conditions of `where`, which all hold; every value is a bound parameter.

    With `changing`, what would hold for records that nobody meant is refused: no condition at all, a missing value
    that would mean IS NULL, a list of nothing to leave out. `inverted` is the inside of a `not`, where nothing found
    is everything. Raises `UnknownColumn` and `InvalidInput`.
    """
    if changing and not where:
        raise InvalidInput(f"`where` is empty, which is the whole table {table.name!r}: say which records you mean")
    found: list[ColumnElement[bool]] = []
    for name, condition in where.items():
        if name in ("or", "not"):
            inside = _alternatives(condition if name == "or" else [condition])
            within = [
                and_(*conditions(table, one, changing=changing, inverted=inverted or name == "not")) for one in inside
            ]
            found.append(or_(*within) if name == "or" else not_(within[0]))
        else:
            comparisons = condition if isinstance(condition, Mapping) else {"eq": condition}
            if changing:
                _check_named(name, comparisons, inverted)
            found += _on_column(column(table, name), comparisons)
    return found


def columns_of(where: Where | None) -> list[str]:
    """The columns that `where` names, also inside `or` and `not`."""
    names: list[str] = []
    for name, condition in (where or {}).items():
        if name in ("or", "not"):
            inside = condition if isinstance(condition, Sequence) else [condition]
            names += [found for one in inside if isinstance(one, Mapping) for found in columns_of(one)]
        else:
            names.append(name)
    return names


def _alternatives(value: object) -> list[Where]:
    several = value if isinstance(value, Sequence) and not isinstance(value, str) else []
    if not several or not all(isinstance(one, Mapping) and one for one in several):
        raise InvalidInput('`or` takes a list of conditions as {"column": value}, `not` takes one such; none is empty')
    return list(several)


def _on_column(target: Column[Any], comparisons: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    if not comparisons:
        raise InvalidInput(f"the condition for {target.name!r} is empty: use {', '.join(OPERATORS)}")
    for operator, value in comparisons.items():
        _check(target, operator, value)
    return [OPERATORS[operator](target, value) for operator, value in comparisons.items()]


def _check_named(name: str, comparisons: Mapping[str, Any], inverted: bool) -> None:
    for operator, value in comparisons.items():
        nothing = value is None or (value in ([], (), "") and (operator != "in" or inverted))
        if nothing and not (operator == "eq" and value == ""):
            raise InvalidInput(
                f"{operator!r} for {name!r} has no value, and would change records that nobody named: "
                'say {"is_null": true} when you mean those without one'
            )


def _check(target: Column[Any], operator: str, value: object) -> None:
    if operator not in OPERATORS:
        raise InvalidInput(f"{operator!r} is no comparison for {target.name!r}: use {', '.join(OPERATORS)}")
    if operator in _LISTS and (isinstance(value, str) or not isinstance(value, Sequence)):
        raise InvalidInput(f"`{operator}` for {target.name!r} takes a list")
    if operator == "between" and isinstance(value, Sequence) and (len(value) != 2 or None in value):
        raise InvalidInput(f"`between` for {target.name!r} takes the two ends, both included")
    if operator in _TEXTS and (not isinstance(value, str) or kind_of(target) not in (str, None)):
        raise InvalidInput(f"`{operator}` for {target.name!r} compares text with text")
    if operator in _ORDERED and value is None:
        raise InvalidInput(f"`{operator}` for {target.name!r} needs a value; nothing is less or greater than null")
