"""Templates of a webhook's definition: `{{$context.data.items[0].price}}`. No code runs in them.

A string that is one placeholder keeps the value's type; inside text, text stays as it is and everything else becomes
JSON. Paths take `.name`, `.0`, `[0]`, `["any key"]`, hyphens and Unicode; names of headers are found in any case;
`$context.body` is `$context.data`. A missing path is an error that names it, unless `| default(JSON literal)` follows
(a null that is there is not missing). `{{"{{"}}` writes two braces. Values are never read as templates again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from receiver.contract.template_nodes import Budget, Compiler, Node, Object, Static, Whole, paths_of

if TYPE_CHECKING:
    from receiver.contract.context import Context


@dataclass(frozen=True)
class Template:
    """A compiled template: any JSON value with placeholders in its strings, at any depth (keys are no templates)."""

    source: Any
    _node: Node = field(repr=False)

    @property
    def is_static(self) -> bool:
        """Whether there is no placeholder: rendering always gives `source`."""
        return isinstance(self._node, Static)

    def is_root(self, name: str) -> bool:
        """Whether the template is exactly `{{$name}}`."""
        node = self._node
        return isinstance(node, Whole) and node.part.root == name and not node.part.steps and not node.part.calls

    def children(self) -> dict[str, Template]:
        """The templates of an object's values, by key; empty for anything but an object."""
        if isinstance(self._node, Object):
            return {key: Template(self.source[key], node) for key, node in self._node.items}
        if isinstance(self.source, dict):
            return {key: Template(value, Static(value)) for key, value in self.source.items()}
        return {}

    def paths(self) -> list[tuple[str, tuple[str | int, ...]]]:
        """What every placeholder reads: its root without `$`, and the steps from there."""
        return list(paths_of(self._node))

    def render(self, roots: Mapping[str, Any]) -> Any:
        """The value with each placeholder replaced. `roots` by name without `$`: `{"context": document}`.

        Roots are plain JSON; a datetime becomes ISO 8601 text. Raises TemplateError that names the placeholder and the
        path that is missing, and when the result grows over about 1 MiB.
        """
        values = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in roots.items()}
        return self._node.render(values, Budget())


def compile_template(source: Any, *, roots: frozenset[str]) -> Template:
    """Check a template once, so that it can be rendered often. `roots` are the allowed names without `$`.

    Raises TemplateError that names the placeholder, or the bound that is passed: 64 KiB, 200 placeholders, 32 levels.
    """
    return Template(source, Compiler(roots).node(source))


def render(template: Any, context: Context | Mapping[str, Any]) -> Any:
    """Fill a template inside a flow: `render("Hello {{$context.data.name}}", context)`.

    `template` is any JSON value; `context` is the flow's Context. Roots are `$context` and `$now` (ISO 8601, UTC).
    Raises TemplateError that names the placeholder.
    """
    document = context if isinstance(context, Mapping) else context.document
    compiled = compile_template(template, roots=frozenset({"context", "now"}))
    return compiled.render({"context": document, "now": datetime.now(UTC)})
