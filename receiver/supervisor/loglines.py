"""Lines of a part's output: how severe, how to show them, and a file of bounded size. Pure but for the file."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

_LONGEST_LINE = 32 * 1024
_LEVEL = re.compile(r"\b(DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|FATAL|PANIC|LOG)\b")
_NAMES = {"WARN": "WARNING", "FATAL": "ERROR", "PANIC": "CRITICAL", "LOG": "INFO"}
_SHOWN_FIRST = ("event", "message", "method", "path", "status", "reason", "delivery_id")


def level_of(line: str) -> str:
    """`DEBUG`, `INFO`, `WARNING`, `ERROR`, `CRITICAL`, or an empty string when the line names none near its start."""
    found = _LEVEL.search(line[:80])
    return _NAMES.get(found[1], found[1]) if found else ""


def shown(line: str) -> str:
    """The line as a terminal may show it: JSON in short, control characters (senders choose some of it) escaped."""
    return "".join(
        character if character.isprintable() or character == "\t" else character.encode("unicode_escape").decode()
        for character in _in_short(line)
    )


def _in_short(line: str) -> str:
    if not line.startswith("{"):
        return line
    try:
        record = json.loads(line)
    except ValueError:
        return line
    rest = {name: value for name, value in record.items() if value not in (None, "", [], {})}
    level = str(rest.pop("level", "info")).upper()
    for name in ("time", "timestamp", "ts"):
        rest.pop(name, None)
    first = [str(rest.pop(name)) for name in _SHOWN_FIRST if name in rest]
    return " ".join([f"{level:<7}", *first, *(f"{name}={_plain(value)}" for name, value in rest.items())])


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class LineSplitter:
    """Bytes as they come → whole lines, decoded; one longer than 32 KiB is cut there."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[str]:
        """The lines that `data` completes; empty `data` is the end."""
        *lines, self._rest = (self._rest + data).split(b"\n") if data else (self._rest, b"")
        for line in lines:
            if line or data:
                yield line[:_LONGEST_LINE].rstrip(b"\r").decode("utf-8", "backslashreplace")
        if len(self._rest) > _LONGEST_LINE:
            yield self._rest[:_LONGEST_LINE].decode("utf-8", "backslashreplace")
            self._rest = b""


class BoundedLog:
    """A log file of at most `size` bytes, the one before it is `<name>.1`. A full disk loses lines, nothing else."""

    def __init__(self, path: Path, size: int = 5 * 2**20) -> None:
        self._path = path
        self._size = size
        self._file = self._open()

    def write(self, line: str) -> None:
        """Append one line."""
        try:
            os.write(self._file, (line + "\n").encode())
            if os.fstat(self._file).st_size > self._size:
                self._path.replace(self._path.with_name(self._path.name + ".1"))
                os.close(self._file)
                self._file = self._open()
        except OSError:
            return

    def close(self) -> None:
        os.close(self._file)

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
