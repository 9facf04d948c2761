"""Templates of a webhook's definition: `{{$context.data.items[0].price}}`. No code runs in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Template:
    """A compiled template: any JSON value with placeholders in its strings, at any depth."""

    source: Any

    @property
    def is_static(self) -> bool:
        """Whether there is no placeholder: rendering always gives `source`."""
        raise NotImplementedError

    def render(self, roots: Mapping[str, Any]) -> Any:
        """The value with each placeholder replaced. `roots` by name without `$`: `{"context": document}`.

        Raises TemplateError that names the path that is missing.
        """
        raise NotImplementedError


def compile_template(source: Any, *, roots: frozenset[str]) -> Template:
    """Check a template once, so that it can be rendered often. `roots` are allowed names without `$`.

    Raises TemplateError that names the placeholder.
    """
    raise NotImplementedError
