"""What a filter's text says about its cost, which the CEL library does not bound: read before it is accepted. Pure.

The library copies values. A macro over a list takes time in step with the list, but `map` and `filter` with its square,
and a macro within a macro, or `context` within one, multiplies. It also evaluates by recursion, so that the number of
words bounds the depth.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

MACROS = frozenset({"all", "exists", "exists_one", "existsOne", "map", "filter"})
_COPYING = frozenset({"map", "filter"})
MAX_WORDS = 500
MAX_REPETITION = 256
"""Largest product of the counts `{n,m}` in one pattern: each multiplies what is tried at every character."""

_TOKEN = re.compile(
    r"""
    (?P<comment>//[^\n]*)
  | (?P<string>(?:[bB]?[rR]|[rR][bB])(?:\"\"\".*?\"\"\"|'''.*?'''|"[^"\n]*"|'[^'\n]*')
             | [bB]?(?:\"\"\"(?:\\.|[^\\])*?\"\"\"|'''(?:\\.|[^\\])*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
  | (?P<number>\d[\w.]*)
  | (?P<name>[A-Za-z_]\w*)
  | (?P<sign>&&|\|\||[<>=!]=|\S)
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)


@dataclass(frozen=True)
class Scan:
    """`bound` are the variables of macros; `multiplies` whether time grows faster than the request."""

    bound: frozenset[str]
    multiplies: bool


@dataclass(frozen=True)
class _Word:
    kind: str
    text: str


def scan(expression: str) -> Scan:
    """Look through a filter that parses. Raises ValueError in words for what may not be in it."""
    words = [
        _Word(found.lastgroup or "", found[0]) for found in _TOKEN.finditer(expression) if found.lastgroup != "comment"
    ]
    if len(words) > MAX_WORDS:
        raise ValueError(f"has more than {MAX_WORDS} words and signs")
    bound: set[str] = set()
    multiplies = False
    open_calls: list[str | None] = []
    for index, word in enumerate(words):
        before = words[index - 1].text if index else ""
        if word.kind == "name" and word.text == "context" and before != ".":
            macro = next((name for name in open_calls if name), None)
            if macro in _COPYING:
                raise ValueError(f"uses context inside {macro}(), which takes too long; use exists() or all()")
            multiplies = multiplies or macro is not None
        if word.kind != "sign":
            continue
        if word.text in "([{":
            macro = _macro(words, index) if word.text == "(" else None
            if macro and any(open_calls):
                raise ValueError(
                    f"has a comprehension, {macro}(), inside another: take one; lists of lists take too long"
                )
            if macro:
                bound.add(_variable(words, index, macro))
                multiplies = multiplies or macro in _COPYING
            if word.text == "(" and before == "matches":
                _check_pattern(words, index)
            open_calls.append(macro)
        elif word.text in ")]}" and open_calls:
            open_calls.pop()
    return Scan(frozenset(bound), multiplies)


def _macro(words: list[_Word], index: int) -> str | None:
    """The macro whose parenthesis opens at `index`: `.all(`, `.exists(`, ..."""
    if index >= 2 and words[index - 2].text == "." and words[index - 1].text in MACROS:
        return words[index - 1].text
    return None


def _variable(words: list[_Word], index: int, macro: str) -> str:
    name = words[index + 1] if index + 1 < len(words) else _Word("sign", "")
    if name.kind != "name" or name.text == "context":
        raise ValueError(f"{macro}() takes a variable of its own first: {macro}(item, item.price > 10)")
    return name.text


def _check_pattern(words: list[_Word], index: int) -> None:
    """A pattern is written in the filter, never taken from the request, and repeats within bounds."""
    depth = 0
    for end in range(index, len(words)):
        if words[end].kind == "sign":
            depth += (words[end].text in "([{") - (words[end].text in ")]}")
        if depth == 0:
            break
    pattern, before = words[end - 1], words[end - 2].text
    if pattern.kind != "string" or before not in {"(", ","}:
        raise ValueError(
            "matches() takes a pattern written out in the filter, e.g. context.data.ref.matches('^v[0-9]+')"
        )
    counts = [int(high or low) for low, high in re.findall(r"\{(\d{1,6})(?:,(\d{0,6}))?\}", pattern.text, re.ASCII)]
    if math.prod(max(1, count) for count in counts) > MAX_REPETITION:
        raise ValueError(f"a pattern repeats more than {MAX_REPETITION} times in all; use fewer or smaller {{n,m}}")
