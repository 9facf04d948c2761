"""Markdown as tests read it: fenced blocks, tables, links. Knows what our documents use, no more."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

ROOT = Path(__file__).parents[2]
DOCUMENTS = (ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md")))

_FENCE = re.compile(r"^( *)```(\w*)([^\n]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, what else stands behind the fence (`run`), its text and first line."""

    file: str
    line: int
    language: str
    mark: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"

    def compiled(self) -> CodeType:
        """The block as Python, which may `await` as a notebook may; errors name the document's line."""
        source = "\n" * self.line + self.text
        code = compile(source, self.file, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        assert isinstance(code, CodeType)
        return code


def blocks(path: Path, language: str | None = None, mark: str | None = None) -> list[Block]:
    """The fenced blocks of a document, in order."""
    text = path.read_text(encoding="utf-8")
    found = [
        Block(
            file=str(path.relative_to(ROOT)),
            line=text.count("\n", 0, match.start()) + 1,
            language=match[2],
            mark=match[3].strip(),
            text=textwrap.dedent(match[4]),
        )
        for match in _FENCE.finditer(text)
    ]
    return [
        block
        for block in found
        if (language is None or block.language == language) and (mark is None or block.mark == mark)
    ]


def tables(path: Path) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Each table outside fenced blocks: its header and its rows, cells stripped."""
    lines = _FENCE.sub("", path.read_text(encoding="utf-8")).splitlines()
    number = 0
    while number < len(lines):
        if lines[number].startswith("|") and number + 1 < len(lines) and re.fullmatch(r"[|\s:-]+", lines[number + 1]):
            header, rows = _cells(lines[number]), []
            number += 2
            while number < len(lines) and lines[number].startswith("|"):
                rows.append(_cells(lines[number]))
                assert len(rows[-1]) == len(header), f"{path.name}: a row of other width: {lines[number]}"
                number += 1
            yield header, rows
        number += 1


def table(path: Path, *columns: str) -> list[list[str]]:
    """The rows of the one table whose header begins with these columns."""
    found = [rows for header, rows in tables(path) if tuple(header[: len(columns)]) == columns]
    assert len(found) == 1, f"{path.name} has {len(found)} tables that begin with {columns}"
    return found[0]


def names(cell: str) -> list[str]:
    """What stands in backticks in a cell, in order."""
    return _CODE.findall(cell)


def links(path: Path) -> list[str]:
    """Targets of the links outside code."""
    text = _FENCE.sub("", path.read_text(encoding="utf-8"))
    return _LINK.findall(re.sub(r"`[^`\n]*`", "", text))


def anchors(path: Path) -> set[str]:
    """The anchors of a document's headings, as they are made where repositories are shown."""
    text = _FENCE.sub("", path.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ +(.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def _cells(line: str) -> list[str]:
    """The cells of a row; a bar inside backticks does not end one."""
    cells, inside, begin = [], False, 1
    for place, character in enumerate(line):
        if character == "`":
            inside = not inside
        elif character == "|" and not inside and place > 0:
            cells.append(line[begin:place].strip())
            begin = place + 1
    return cells
