"""Every exception a block or a node raises on purpose.

ServiceError
├── NotConfigured     no block of that name, no folder for state: what to set up, and how
├── InvalidInput      what the flow asked for cannot be done; nothing was sent
│   ├── UnknownTable      names the tables that are nearly called so
│   └── UnknownColumn     names the columns that are nearly called so
├── Failed            the service said no, or nobody can know whether it said yes; trying again would be wrong
└── TryAgain          a passing trouble, and repeating is safe; a node's task is retried for this one alone
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class ServiceError(Exception):
    """The root of what blocks and nodes raise."""


class NotConfigured(ServiceError):
    """Something has to be set up first; the message says what and how."""


class InvalidInput(ServiceError, ValueError):
    """What the flow asked for cannot be done. Nothing was sent or stored."""


class UnknownTable(InvalidInput):
    """There is no such table; `known` are those that exist."""

    def __init__(self, table: str, known: Iterable[str]) -> None:
        super().__init__(
            f"there is no table {table!r}{_near(table, known)}. "
            "Create it in the database, or declare it in the workflow's file as a SQLAlchemy Table "
            "and pass that Table instead of its name: it is then created when it is missing"
        )


class UnknownColumn(InvalidInput):
    """The table has no such column; `known` are those it has."""

    def __init__(self, table: str, column: str, known: Iterable[str]) -> None:
        known = list(known)
        super().__init__(
            f"table {table!r} has no column {column!r}{_near(column, known)}; it has {', '.join(known) or 'none'}"
        )


class Failed(ServiceError):
    """The service said no, or nobody can know whether it said yes. Never retried by itself."""


class TryAgain(ServiceError):
    """A passing trouble, and repeating is safe. `after` is how many seconds the service asked us to wait."""

    def __init__(self, message: str, *, after: float = 0.0) -> None:
        super().__init__(message)
        self.after = after


def _near(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=3)
    return f" (did you mean {' or '.join(repr(candidate) for candidate in near)}?)" if near else ""
