"""One JSON line per request, refused ones too. Holds no body, no query, no header: nothing that could be a secret."""

from __future__ import annotations

import sys
from contextlib import suppress
from datetime import datetime
from typing import IO, Any

import orjson


class RequestLog:
    """Writes lines to a text stream (default: standard output), each whole and flushed."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream or sys.stdout

    def write(self, *, received_at: datetime, **fields: Any) -> None:
        """Write one line; fields without a value are left out."""
        line = {"time": received_at, **{name: value for name, value in fields.items() if value not in (None, "")}}
        text = orjson.dumps(line, default=str, option=orjson.OPT_UTC_Z).decode()
        # A request is not refused for want of its line: the disk is full, or whoever read the lines is gone.
        with suppress(OSError, ValueError):
            self._stream.write(_printable(text) + "\n")
            self._stream.flush()


def _printable(text: str) -> str:
    """JSON leaves control characters of the second block and bidirectional marks as they are; a terminal obeys them."""
    if text.isascii():
        return text
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" if ord(c) < 0x10000 else "\\ufffd" for c in text)
