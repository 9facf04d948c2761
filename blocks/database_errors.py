"""What a database's error means for the one who asked: try again, or not. No I/O."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from blocks.errors import Failed, ServiceError, TryAgain

_PASSING = ("08", "40001", "40P01", "53", "55P03", "57P")
"""PostgreSQL's codes for a lost connection, serialisation, deadlock, resources, a lock, and a shutdown."""

_BUSY = ("database is locked", "database is busy", "database table is locked", "database schema is locked")


def explain(error: Exception, *, committing: bool = False, repeatable: bool = True) -> ServiceError:
    """The exception to raise for `error`, whose text never holds the values of the statement.

    A connection lost while `committing` leaves open whether the rows are stored: that may only be tried again when
    the statement is `repeatable`, that is when doing it twice equals doing it once.
    """
    text = _first_line(error)
    if not _is_passing(error):
        kind = "the database refused the values" if isinstance(error, IntegrityError) else "the database said no"
        return Failed(f"{kind}: {text}")
    if committing and not repeatable and not _is_rolled_back(error):
        return Failed(
            f"the connection was lost while storing, so nobody knows whether the rows are there: {text}. "
            "Name the columns that make a row unique with `unique=[...]`: then it can safely be tried again"
        )
    return TryAgain(f"the database cannot be used just now: {text}")


def _is_passing(error: Exception) -> bool:
    if isinstance(error, PoolTimeout | OSError | TimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if code := _code(error):
        return code.startswith(_PASSING)
    if _is_sqlite(error):
        return any(words in str(error.orig).lower() for words in _BUSY)
    return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)


def _is_rolled_back(error: Exception) -> bool:
    """Whether the database itself says that nothing was stored."""
    return isinstance(error, DBAPIError) and (
        _is_sqlite(error) or (_code(error) or "").startswith(("40001", "40P01", "55P03"))
    )


def _is_sqlite(error: DBAPIError) -> bool:
    return type(error.orig).__module__.startswith(("sqlite3", "aiosqlite"))


def _code(error: DBAPIError) -> str | None:
    code = getattr(error.orig, "sqlstate", None)
    return code if isinstance(code, str) else None


def _first_line(error: Exception) -> str:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    lines = str(cause).strip().splitlines()
    return lines[0] if lines else type(cause).__name__


DATABASE_ERRORS = (SQLAlchemyError, OSError, TimeoutError)
"""What `explain` is for."""
