"""Many rows into a table by as few statements as possible.

The interpreter's lock changes hands at every statement; next to a busy event loop that costs more than the inserting.
So rows go in by statements of 64, 32, ... 1 rows, whose few texts the database's drivers keep prepared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table

_SIZES = (64, 32, 16, 8, 4, 2, 1)


class RowInsert:
    """Inserts rows, each a tuple of values in the order of `columns`. `on_conflict` is SQL: `DO NOTHING`."""

    def __init__(self, table: Table, columns: Sequence[str], *, on_conflict: str = "") -> None:
        # Names are ours and of this table; values are always parameters.
        names = ", ".join(table.c[name].name for name in columns)
        self._head = f"INSERT INTO {table.name} ({names}) VALUES "  # noqa: S608 (no value in it)
        self._tail = f" ON CONFLICT {on_conflict}" if on_conflict else ""
        self._width = len(columns)
        self._texts: dict[tuple[str, int], str] = {}

    def insert(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> int:
        """Insert the rows, in order; how many were."""
        mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
        inserted = done = 0
        for size in _SIZES:
            while len(rows) - done >= size:
                values = tuple(value for row in rows[done : done + size] for value in row)
                inserted += connection.exec_driver_sql(self._text(mark, size), values).rowcount
                done += size
        return inserted

    def _text(self, mark: str, size: int) -> str:
        text = self._texts.get((mark, size))
        if text is None:
            row = "(" + ", ".join([mark] * self._width) + ")"
            text = self._texts[mark, size] = self._head + ", ".join([row] * size) + self._tail
        return text
