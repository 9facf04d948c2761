"""Whether a text stands in what a sender sent, however it is written there. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote_plus

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|([\"\\/]))")


class Needle:
    """A text to look for, in any case: as it is, as JSON escapes it, and as forms and URLs encode it.

    Raises ValueError for a text of under four characters, which would be found everywhere.
    """

    def __init__(self, text: str) -> None:
        self._text = text.strip().casefold()
        if len(self._text) < 4:
            raise ValueError("give at least four characters")

    def __repr__(self) -> str:
        return "Needle(***)"

    def in_text(self, text: str | None) -> bool:
        """Whether it stands in a text."""
        return bool(text) and any(self._text in form.casefold() for form in _forms(text or ""))

    def in_body(self, body: bytes) -> bool:
        """Whether it stands in a body that is text, in UTF-8 or in Latin-1."""
        try:
            return self.in_text(body.decode())
        except UnicodeDecodeError:
            return self.in_text(body.decode("latin-1")) or self.in_text(body.decode("utf-8", "replace"))


def _forms(text: str) -> Iterator[str]:
    yield text
    if "\\" in text:
        yield _ESCAPE.sub(_unescaped, text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if "%" in text or "+" in text:
        yield unquote_plus(text)


def _unescaped(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16)) if escape[1] else escape[2]
