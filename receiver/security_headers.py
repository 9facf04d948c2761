"""What a browser is told about every answer but the webhooks' own. The one place: no route sets these by itself.

A page says what it needs (`page_policy`). Whatever says nothing is no page, and opened as one it may do nothing.
Pure, but for `with_security_headers`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping

from starlette.types import Message, Send

_NOTHING = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"
_NO_PAGE = f"sandbox; {_NOTHING}; form-action 'none'"
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Content-Security-Policy": _NO_PAGE,
}
_HSTS = {"Strict-Transport-Security": "max-age=31536000"}
"""For a year, and of this host alone: what its neighbours speak is not ours to say."""

NO_ICON = '<link rel="icon" href="data:,">'
"""In the head of each page: else a browser asks for an icon, which is not there and which the policy forbids."""


def page_policy(*, style: str = "", form: bool = False) -> Mapping[str, str]:
    """The header of a page without scripts, with just this text in its `<style>`, whose form goes to where it is from.

    Nothing is loaded from anywhere and nothing runs, whatever the page shows.
    """
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    styles = f"; style-src 'sha256-{digest}'" if style else ""
    sends = "'self'" if form else "'none'"
    return {"Content-Security-Policy": f"{_NOTHING}; img-src data:; form-action {sends}{styles}"}


def completed(headers: Iterable[tuple[bytes, bytes]], *, https: bool) -> list[tuple[bytes, bytes]]:
    """An answer's headers with those that it does not have; `https`: the receiver's address begins so."""
    given = list(headers)
    named = {name.lower() for name, _ in given}
    wanted = {**_ALWAYS, **(_HSTS if https else {})}
    missing = ((name.lower().encode(), value.encode()) for name, value in wanted.items())
    return [*given, *(each for each in missing if each[0] not in named)]


def with_security_headers(send: Send, *, https: bool) -> Send:
    """An ASGI `send` that completes the headers of what goes through it."""

    async def complete(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": completed(message["headers"], https=https)}
        await send(message)

    return complete
