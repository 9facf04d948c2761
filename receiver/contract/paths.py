"""Custom paths of webhooks: `shops/{shop_id}/orders/{order_id}`. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

_LITERAL = re.compile(r"[A-Za-z0-9._~-]+", re.ASCII)
_PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]{0,63})\}", re.ASCII)
MAX_LENGTH, MAX_SEGMENTS = 256, 20
TOKEN_SEGMENT = "{}"  # noqa: S105 (a place)
"""The last segment of a path where a credential is: it has no name, and is no parameter."""


def check_path(value: Any) -> str:
    """The path without slashes around it. Raises ValueError that names the segment which cannot be used."""
    if not isinstance(value, str) or not value.strip("/"):
        raise ValueError("is a path such as shops/{shop_id}/orders/{order_id}")
    path = value.strip("/")
    segments = path.split("/")
    if len(path) > MAX_LENGTH or len(segments) > MAX_SEGMENTS:
        raise ValueError(f"is longer than {MAX_LENGTH} characters or {MAX_SEGMENTS} segments")
    names: set[str] = set()
    for segment in segments:
        if parameter := _PARAMETER.fullmatch(segment):
            if parameter[1] in names:
                raise ValueError(f"names the parameter {{{parameter[1]}}} twice")
            names.add(parameter[1])
        elif "{" in segment or "}" in segment:
            raise ValueError(
                f"{segment!r}: a parameter is a whole segment, {{name}} of letters, digits and underscores"
            )
        elif segment in {".", ".."} or not _LITERAL.fullmatch(segment):
            raise ValueError(f"{segment!r} cannot be a segment; take letters, digits, '.', '_', '~' and '-'")
    return path


def served_path(key: str, definition: Mapping[str, Any]) -> str | None:
    """The path that requests of a definition (as JSON) come to, None where it is the key.

    Of the scheme `url-token` it has a last segment more, which is the token's.

    >>> served_path("odoo", {"verification": {"scheme": "url-token"}}), served_path("odoo", {"path": "shops/{shop}"})
    ('odoo/{}', 'shops/{shop}')
    """
    path, verification = definition.get("path"), definition.get("verification")
    custom = path if isinstance(path, str) else None
    by_token = isinstance(verification, Mapping) and verification.get("scheme") == "url-token"
    return f"{custom or key}/{TOKEN_SEGMENT}" if by_token else custom


def shown_path(path: str) -> str:
    """A served path for people and OpenAPI: the place of a token as `{url_token}`."""
    return path.replace(TOKEN_SEGMENT, "{url_token}")


def path_parameters(path: str) -> tuple[str, ...]:
    """The names of a path's parameters, in order."""
    return tuple(_PARAMETER.findall(path))


def filled_path(path: str, values: Mapping[str, str]) -> str:
    """The path with a value for each of its parameters, as it stands in a URL. Raises ValueError that names the misfit.

    >>> filled_path("shops/{shop}/orders", {"shop": "a b/c"})
    'shops/a%20b%2Fc/orders'
    """
    names = path_parameters(path)
    if missing := [name for name in names if not values.get(name)]:
        raise ValueError(f"needs a value for {{{missing[0]}}}")
    if unknown := sorted(set(values) - set(names)):
        raise ValueError(f"has no {{{unknown[0]}}}")
    return _PARAMETER.sub(lambda found: quote(values[found[1]], safe=""), path)
