"""The filters of templates: `| name` or `| name(JSON literal)`. Each is a check of its argument and a pure function."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final


class Missing:
    """What a path gives that leads nowhere; `reason` names it."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


@dataclass(frozen=True)
class Call:
    """One filter of a placeholder with its checked argument."""

    name: str
    argument: Any


@dataclass(frozen=True)
class Filter:
    """`check` turns the written arguments into the one kept; `apply(value, argument)` raises ValueError for misfits."""

    check: Callable[[list[Any]], Any]
    apply: Callable[[Any, Any], Any]


def kind_of(value: Any) -> str:
    """A JSON value's kind in a reader's words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (str, "text"),
        ((int, float), "a number"),
        (list, "a list"),
        (dict, "an object"),
    )
    return next((word for kind, word in kinds if isinstance(value, kind)), f"a {type(value).__name__}")


def to_json(value: Any) -> str:
    """Compact JSON with its characters as they are. Raises ValueError for what JSON cannot hold."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except RecursionError:
        raise ValueError("is too deep for JSON") from None
    except (TypeError, ValueError) as error:
        raise ValueError(f"cannot be JSON: {error}") from None


def to_text(value: Any) -> str:
    """A value inside text: text stays as it is, everything else becomes JSON."""
    return value if isinstance(value, str) else to_json(value)


def _no_argument(arguments: list[Any]) -> None:
    if arguments:
        raise ValueError("takes no argument")


def _one_argument(arguments: list[Any]) -> Any:
    if len(arguments) != 1:
        raise ValueError('takes one JSON value, e.g. default("none")')
    return arguments[0]


def _separator(arguments: list[Any]) -> str:
    separator = arguments[0] if arguments else ","
    if not isinstance(separator, str) or len(separator) > 100:
        raise ValueError('takes a short text, e.g. join(", ")')
    return separator


_DIRECTIVES: Final = frozenset("YmdHMSfzZjaAbBpIyuGV%")


def _date_format(arguments: list[Any]) -> str:
    pattern = arguments[0] if arguments else "%Y-%m-%d"
    if not isinstance(pattern, str) or len(pattern) > 100:
        raise ValueError('takes a short format, e.g. date("%Y-%m-%d %H:%M")')
    for directive in re.findall(r"%(.?)", pattern, re.DOTALL):
        if directive not in _DIRECTIVES or not directive:
            raise ValueError(f"does not know %{directive}; there is {', '.join('%' + d for d in sorted(_DIRECTIVES))}")
    return pattern


def _int(value: Any, _: None) -> int:
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,100}\s*", value):
        return int(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("takes a finite number")
    if isinstance(value, int | float):
        return int(value)
    raise ValueError(f"takes a number or its text, not {_shown(value)}")


_NUMBER = re.compile(r"\s*[+-]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?\s*")


def _float(value: Any, _: None) -> float:
    if isinstance(value, int | float) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
        raise ValueError("takes a finite number")
    raise ValueError(f"takes a number or its text, not {_shown(value)}")


def _shown(value: Any) -> str:
    return f"the text {value[:40]!r}" if isinstance(value, str) else kind_of(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"takes text, not {kind_of(value)}")  # noqa: TRY004 (one type for the caller)
    return value


def _join(value: Any, separator: str) -> str:
    if not isinstance(value, list):
        raise ValueError(f"takes a list, not {kind_of(value)}")  # noqa: TRY004 (one type for the caller)
    return separator.join(to_text(item) for item in value)


def _first(value: Any, _: None) -> Any:
    if not isinstance(value, list):
        return value
    return value[0] if value else Missing("the list is empty")


def _length(value: Any, _: None) -> int:
    if not isinstance(value, str | list | dict):
        raise ValueError(f"takes text, a list or an object, not {kind_of(value)}")  # noqa: TRY004 (one type for the caller)
    return len(value)


def _date(value: Any, pattern: str) -> str:
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            moment = datetime.fromtimestamp(value, UTC)
        else:
            moment = datetime.fromisoformat(_text(value).strip())
        return moment.strftime(pattern)
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"takes ISO 8601 or seconds since 1970, not {_shown(value)}") from None


FILTERS: Final[dict[str, Filter]] = {
    "default": Filter(_one_argument, lambda value, _: value),
    "json": Filter(_no_argument, lambda value, _: to_json(value)),
    "int": Filter(_no_argument, _int),
    "float": Filter(_no_argument, _float),
    "lower": Filter(_no_argument, lambda value, _: _text(value).lower()),
    "upper": Filter(_no_argument, lambda value, _: _text(value).upper()),
    "join": Filter(_separator, _join),
    "first": Filter(_no_argument, _first),
    "length": Filter(_no_argument, _length),
    "date": Filter(_date_format, _date),
}
"""`default` applies where a path is missing; `first` of what is no list is the value itself, since a query key or form
field is a list only when it is repeated; a date without a zone is taken as it stands."""
