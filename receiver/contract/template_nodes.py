"""A compiled template's tree, and how it is rendered within a budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from receiver.contract.errors import TemplateError
from receiver.contract.plain import size_up_to, spell_path
from receiver.contract.template_filters import FILTERS, Missing, kind_of, to_text
from receiver.contract.template_parser import Part, Placeholder, parse_text

MAX_SIZE = 64 * 1024
"""Characters of all texts and keys of a template."""
MAX_PLACEHOLDERS = 200
MAX_DEPTH = 32
MAX_OUTPUT = 1024 * 1024
"""About the characters, as JSON, that one rendering may read through its filters and give."""

_FREE_FILTERS = frozenset({"default", "first", "length"})  # they take the same time whatever the size of the value


class Budget:
    """What one rendering may still cost."""

    def __init__(self) -> None:
        self.left = MAX_OUTPUT

    def charge(self, value: Any, part: Placeholder) -> None:
        """Take a value's size off; raises TemplateError when the budget is spent."""
        self.left -= size_up_to(value, self.left)
        if self.left < 0:
            raise TemplateError(f"{part.text}: the result is over {MAX_OUTPUT // 1024} KiB")


@dataclass(frozen=True)
class Static:
    """A value without placeholders."""

    value: Any

    def render(self, roots: Mapping[str, Any], budget: Budget) -> Any:  # noqa: ARG002 (the nodes' one signature)
        """The value itself."""
        return self.value


@dataclass(frozen=True)
class Whole:
    """A string that is one placeholder: the value keeps its type."""

    part: Placeholder

    def render(self, roots: Mapping[str, Any], budget: Budget) -> Any:
        """The placeholder's value."""
        value = evaluate(self.part, roots, budget)
        budget.charge(value, self.part)
        return value


@dataclass(frozen=True)
class Text:
    """Placeholders inside text."""

    parts: tuple[Part, ...]

    def render(self, roots: Mapping[str, Any], budget: Budget) -> Any:
        """The text with each value in it."""
        texts: list[str] = []
        for part in self.parts:
            if isinstance(part, str):
                texts.append(part)
                continue
            value = evaluate(part, roots, budget)
            budget.charge(value, part)
            try:
                texts.append(to_text(value))
            except ValueError as error:
                raise TemplateError(f"{part.text}: {error}") from None
        return "".join(texts)


@dataclass(frozen=True)
class Sequence:
    """A list with placeholders somewhere in it."""

    items: tuple[Node, ...]

    def render(self, roots: Mapping[str, Any], budget: Budget) -> Any:
        """The list with each item rendered."""
        return [item.render(roots, budget) for item in self.items]


@dataclass(frozen=True)
class Object:
    """An object with placeholders somewhere in its values."""

    items: tuple[tuple[str, Node], ...]

    def render(self, roots: Mapping[str, Any], budget: Budget) -> Any:
        """The object with each value rendered."""
        return {key: item.render(roots, budget) for key, item in self.items}


Node = Static | Whole | Text | Sequence | Object


def paths_of(node: Node) -> Iterator[tuple[str, tuple[str | int, ...]]]:
    """Root and steps of every placeholder in a tree."""
    match node:
        case Whole(part):
            if part.root is not None:
                yield part.root, part.steps
        case Text(parts):
            yield from ((each.root, each.steps) for each in parts if isinstance(each, Placeholder) and each.root)
        case Sequence(items):
            for item in items:
                yield from paths_of(item)
        case Object(fields):
            for _, item in fields:
                yield from paths_of(item)


class Compiler:
    """Builds the tree of one template and counts what it costs."""

    def __init__(self, roots: frozenset[str]) -> None:
        self.roots = roots
        self.size = 0
        self.placeholders = 0

    def node(self, source: Any, depth: int = 0) -> Node:
        """The tree of a JSON value. Raises TemplateError for a bad placeholder and for templates beyond the bounds."""
        if depth > MAX_DEPTH:
            raise TemplateError(f"the template is more than {MAX_DEPTH} levels deep")
        if isinstance(source, str):
            return self._string(source)
        self._count(1)
        if isinstance(source, list | tuple):
            nodes = tuple(self.node(item, depth + 1) for item in source)
            return Static(source) if _all_static(nodes) else Sequence(nodes)
        if isinstance(source, dict):
            for key in source:
                if not isinstance(key, str):
                    raise TemplateError(f"the key {key!r} is no text")
                self._count(len(key))
            items = tuple((key, self.node(item, depth + 1)) for key, item in source.items())
            return Static(source) if _all_static(tuple(node for _, node in items)) else Object(items)
        if source is None or isinstance(source, int | float):
            return Static(source)
        raise TemplateError(f"a template is JSON; it holds a {type(source).__name__}")

    def _string(self, source: str) -> Node:
        self._count(len(source) + 1)
        parts = parse_text(source, self.roots)
        self.placeholders += sum(isinstance(part, Placeholder) for part in parts)
        if self.placeholders > MAX_PLACEHOLDERS:
            raise TemplateError(f"the template has more than {MAX_PLACEHOLDERS} placeholders")
        if len(parts) == 1 and isinstance(parts[0], Placeholder):
            return Whole(parts[0])
        return Static(source) if all(isinstance(part, str) for part in parts) else Text(parts)

    def _count(self, size: int) -> None:
        self.size += size
        if self.size > MAX_SIZE:
            raise TemplateError(f"the template is over {MAX_SIZE // 1024} KiB")


def evaluate(part: Placeholder, roots: Mapping[str, Any], budget: Budget) -> Any:
    """A placeholder's value after its filters. Raises TemplateError that names the placeholder and what is missing."""
    value = part.literal if part.root is None else _look_up(part.root, part.steps, roots)
    for call in part.calls:
        if isinstance(value, Missing):
            if call.name == "default":
                value = call.argument
            continue
        if call.name not in _FREE_FILTERS:
            budget.charge(value, part)
        try:
            value = FILTERS[call.name].apply(value, call.argument)
        except ValueError as error:
            raise TemplateError(f"{part.text}: '{call.name}' {error}") from None
    if isinstance(value, Missing):
        raise TemplateError(f"{part.text}: {value.reason}")
    return value


def _look_up(root: str, steps: tuple[str | int, ...], roots: Mapping[str, Any]) -> Any:
    if root not in roots:
        return Missing(f"${root} has no value here")
    value = roots[root]
    for number, step in enumerate(steps):
        wanted = step
        if root == "context" and isinstance(step, str):
            if number == 0 and step == "body":
                wanted = "data"
            elif number == 1 and steps[0] == "headers":
                wanted = step.lower()
        if isinstance(value, dict) and wanted in value:
            value = value[wanted]
        elif isinstance(value, list) and (position := _position(step)) is not None and position < len(value):
            value = value[position]
        else:
            path = spell_path([f"${root}", *steps[: number + 1]])
            return Missing(f"{path} is missing ({spell_path([f'${root}', *steps[:number]])} {_what(value)})")
    return value


def _position(step: str | int) -> int | None:
    if isinstance(step, int):
        return step
    return int(step) if step.isascii() and step.isdigit() and len(step) < 10 else None


def _what(value: Any) -> str:
    if isinstance(value, list):
        return f"is a list of {len(value)}"
    if isinstance(value, dict):
        return "has other keys" if value else "is empty"
    return f"is {kind_of(value)}"


def _all_static(nodes: tuple[Node, ...]) -> bool:
    return all(isinstance(node, Static) for node in nodes)
