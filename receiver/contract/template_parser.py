"""From a template's text to its parts, in one pass: every character is looked at a bounded number of times."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NoReturn

from receiver.contract.errors import TemplateError
from receiver.contract.plain import find_flaw
from receiver.contract.template_filters import FILTERS, Call

MAX_FILTERS, MAX_STEPS = 16, 64
_SPACE = " \t\r\n"
_NAME_EXTRAS = frozenset("_-@:#$")
_DECODER = json.JSONDecoder(parse_constant=lambda name: _refuse_constant(name))


@dataclass(frozen=True)
class Placeholder:
    """`{{$root.steps | calls}}`; without a root, `literal` is the value (`{{"{{"}}` writes two braces)."""

    text: str
    root: str | None
    steps: tuple[str | int, ...] = ()
    calls: tuple[Call, ...] = ()
    literal: str = ""


Part = str | Placeholder


def parse_text(text: str, roots: frozenset[str]) -> tuple[Part, ...]:
    """The literal texts and placeholders of a string, in order. Raises TemplateError that names the placeholder."""
    parts: list[Part] = []
    position = 0
    while (start := text.find("{{", position)) >= 0:
        if start > position:
            parts.append(text[position:start])
        placeholder, position = _Reader(text, start, roots).placeholder()
        parts.append(placeholder)
    if position < len(text) or not parts:
        parts.append(text[position:])
    return tuple(parts)


class _Reader:
    def __init__(self, text: str, start: int, roots: frozenset[str]) -> None:
        self.text, self.start, self.at, self.roots = text, start, start + 2, roots

    def placeholder(self) -> tuple[Placeholder, int]:
        self.space()
        root: str | None = None
        steps: tuple[str | int, ...] = ()
        literal = ""
        if self.peek() == '"':
            literal = self.quoted()
        else:
            root = self.root()
            steps = self.steps()
        calls = self.calls()
        if not self.text.startswith("}}", self.at):
            self.fail("ends with '}}'; expected '.name', '[0]', '[\"any key\"]', '| filter' or '}}'")
        end = self.at + 2
        return Placeholder(self.text[self.start : end], root, steps, calls, literal), end

    def root(self) -> str:
        allowed = ", ".join(f"${name}" for name in sorted(self.roots))
        if self.peek() != "$":
            self.fail(f'begins with one of {allowed}, or with a quoted text ({{{{"{{{{"}}}} writes two braces)')
        self.at += 1
        begin = self.at
        while self.peek().isalnum() or self.peek() == "_":
            self.at += 1
        name = self.text[begin : self.at]
        if name not in self.roots:
            self.fail(f"'${name[:40]}' is not known here; there is {allowed}")
        return name

    def steps(self) -> tuple[str | int, ...]:
        steps: list[str | int] = []
        while self.peek() in {".", "["}:
            steps.append(self.name() if self.peek() == "." else self.bracket())
            if len(steps) > MAX_STEPS:
                self.fail(f"has more than {MAX_STEPS} steps")
        return tuple(steps)

    def name(self) -> str:
        self.at += 1
        begin = self.at
        while (character := self.peek()) and (character.isalnum() or character in _NAME_EXTRAS or _exotic(character)):
            self.at += 1
        if begin == self.at:
            self.fail("has an empty name after '.'")
        return self.text[begin : self.at]

    def bracket(self) -> str | int:
        self.at += 1
        self.space()
        step: str | int
        if self.peek() == '"':
            step = self.quoted()
        else:
            begin = self.at
            while self.peek() in set("0123456789"):
                self.at += 1
            digits = self.text[begin : self.at]
            if not 1 <= len(digits) <= 9:
                self.fail('takes a position such as [0] or a quoted key such as ["any key"] in brackets')
            step = int(digits)
        self.space()
        if self.peek() != "]":
            self.fail("has no ']' after '['")
        self.at += 1
        return step

    def calls(self) -> tuple[Call, ...]:
        calls: list[Call] = []
        self.space()
        while self.peek() == "|":
            self.at += 1
            self.space()
            calls.append(self.call())
            self.space()
            if len(calls) > MAX_FILTERS:
                self.fail(f"has more than {MAX_FILTERS} filters")
        return tuple(calls)

    def call(self) -> Call:
        begin = self.at
        while self.peek().isalpha():
            self.at += 1
        name = self.text[begin : self.at]
        if name not in FILTERS:
            self.fail(f"'{name[:40]}' is no filter; there is {', '.join(FILTERS)}")
        arguments: list[Any] = []
        self.space()
        if self.peek() == "(":
            self.at += 1
            self.space()
            if self.peek() != ")":
                arguments.append(self.argument(name))
                self.space()
            if self.peek() != ")":
                self.fail(f"has no ')' after the argument of '{name}'")
            self.at += 1
        try:
            return Call(name, FILTERS[name].check(arguments))
        except ValueError as error:
            self.fail(f"'{name}' {error}")

    def argument(self, name: str) -> Any:
        value = self.literal()
        if flaw := find_flaw(value, path="argument"):
            self.fail(f"'{name}' cannot take this: {flaw.path} {flaw.problem}")
        return value

    def literal(self) -> Any:
        try:
            value, self.at = _DECODER.raw_decode(self.text, self.at)
        except (ValueError, RecursionError):
            self.fail('has an argument that is no JSON value, e.g. "none", 0, true, null, [] or {}')
        return value

    def quoted(self) -> str:
        value = self.literal()
        if not isinstance(value, str):
            self.fail("has a key that is no text")
        return value

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def space(self) -> None:
        while self.peek() and self.peek() in _SPACE:
            self.at += 1

    def fail(self, problem: str) -> NoReturn:
        end = self.text.find("}}", self.at, self.start + 200)
        shown = self.text[self.start : end + 2] if end >= 0 else self.text[self.start : self.start + 60]
        raise TemplateError(f"{shown}: {problem}")


def _exotic(character: str) -> bool:
    # Combining marks and the like belong to words of many languages, though none of them is a letter.
    return ord(character) > 127 and not character.isspace()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")
