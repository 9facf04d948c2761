"""Whose fault an error of the database is: the statement's, or the database's own. Pure."""

from __future__ import annotations

import sqlite3

import psycopg
from sqlalchemy.exc import DBAPIError, InterfaceError

_SQLITE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOTADB,
}
_POSTGRES_CLASSES = ("08", "53", "57P", "58", "XX")
"""SQLSTATE: connection, resources (disk full too), operator, system, internal."""
_POSTGRES_YIELDED = {"40001", "40P01"}
"""Two transactions that cannot be made to follow each other, a deadlock."""
_POSTGRES_CODES = {"25006", "40P01", "55P03", "57014"}
"""A standby that takes no writes, a deadlock, a lock that was not given in time, a statement that took too long."""


def is_unavailable(error: BaseException) -> bool:
    """Whether the database cannot work now: disk full, locked, connection lost. False: the statement is wrong."""
    if isinstance(error, OSError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    cause = error.orig
    if error.connection_invalidated or isinstance(error, InterfaceError):
        return True
    if isinstance(cause, sqlite3.Error):
        # The low byte is the kind; the rest tells which of its cases.
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in _SQLITE
    if isinstance(cause, psycopg.Error):
        state = cause.sqlstate
        if state is None:
            return isinstance(cause, psycopg.OperationalError)
        return state.startswith(_POSTGRES_CLASSES) or state in _POSTGRES_CODES
    return False


def is_for_another_try(error: BaseException) -> bool:
    """Whether the database ended the transaction for the sake of another one: nothing was done, and it may be now."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    return isinstance(cause, psycopg.Error) and cause.sqlstate in _POSTGRES_YIELDED


def describe(error: BaseException) -> str:
    """An error in one line, without the statement and its values: they hold what senders sent."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return f"{type(cause).__name__}: {str(cause).splitlines()[0] if str(cause) else 'no details'}"
