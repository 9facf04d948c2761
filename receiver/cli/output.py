"""What commands print: tables for people, JSON for programs, and nothing that a sender could make the terminal do."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

_UNPRINTABLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_PLAIN_WIDTH = 10_000
STATUS_STYLES = {
    "rejected": "magenta",
    "filtered": "dim",
    "duplicate": "dim",
    "held": "bold yellow",
    "queued": "cyan",
    "dispatched": "cyan",
    "running": "blue",
    "completed": "green",
    "failed": "bold red",
    "crashed": "bold red",
    "cancelled": "yellow",
    "dead": "bold red",
}
"""The colour of each status, wherever one is shown."""


def printable(value: object) -> str:
    """Text that cannot move the cursor, colour the terminal or turn its direction: such characters become `\\x1b`."""
    text = "" if value is None else str(value)
    return "".join(
        character.encode("unicode_escape").decode("ascii")
        if unicodedata.category(character) in _UNPRINTABLE
        else character
        for character in text
    )


def printable_lines(text: str) -> str:
    """The same for text of several lines: line ends and tabs stay."""
    return "\n".join("\t".join(printable(part) for part in line.split("\t")) for line in text.splitlines())


def print_json(value: object) -> None:
    """Print a value as JSON in ASCII, which is safe on every terminal."""
    print(json.dumps(value, indent=2, ensure_ascii=True))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, header: bool = True) -> None:
    """Print rows in columns; piped into a program, no row is ever folded or cut.

    A cell is any value, made `printable` here, or a `Text` that is so already.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", show_header=header)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(value if isinstance(value, Text) else Text(printable(value)) for value in row))
    print_rich(table)


def status_text(status: str) -> Text:
    """A status in its colour."""
    from rich.text import Text

    return Text(printable(status), style=STATUS_STYLES.get(status, ""))


def print_line(line: Text) -> None:
    """Print a line of `printable` text at once, never folded; in colour on a terminal."""
    from rich.console import Console

    if sys.stdout.isatty():
        Console().print(line, soft_wrap=True)
    else:
        print(line.plain.rstrip(), flush=True)


def print_rich(what: RenderableType) -> None:
    """Print what rich can draw: as wide as the terminal; piped into a program without colours, neither folded nor cut.

    Its texts have to be `printable` already.
    """
    from rich.console import Console

    if sys.stdout.isatty():
        Console().print(what)
        return
    console = Console(width=_PLAIN_WIDTH, color_system=None)
    with console.capture() as printed:
        console.print(what)
    print("\n".join(line.rstrip() for line in printed.get().splitlines()))
