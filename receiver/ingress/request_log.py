"""One JSON line per request, refused ones too. Holds no body, no query, no header: nothing that could be a secret."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import IO, Any

import orjson


class RequestLog:
    """Writes lines to a text stream (default: standard output), each whole and flushed.

    What is logged in one round of the event loop is written together at the round's end: under load that is one call of
    the system for all requests that shared a commit, and for a single request it is at once. Each of `counted` is
    called with the fields of each line.
    """

    def __init__(self, stream: IO[str] | None = None, counted: Sequence[Callable[[dict[str, Any]], None]] = ()) -> None:
        self._stream = stream or sys.stdout
        self._counted = counted
        self._waiting: list[str] = []

    def write(self, *, received_at: datetime, **fields: Any) -> None:
        """Write one line; fields without a value are left out."""
        for count in self._counted:
            count(fields)
        line = {"time": received_at, **{name: value for name, value in fields.items() if value not in (None, "")}}
        text = orjson.dumps(line, default=str, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE).decode()
        self._waiting.append(_printable(text))
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        text = "".join(self._waiting)
        self._waiting.clear()
        # A request is not refused for want of its line: the disk is full, or whoever read the lines is gone.
        with suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()


def _printable(text: str) -> str:
    """JSON leaves control characters of the second block and bidirectional marks as they are; a terminal obeys them."""
    if text.isascii():
        return text
    return "".join(c if c == "\n" or c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else "\\ufffd"
