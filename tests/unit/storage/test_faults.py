"""Whose fault an error is."""

import sqlite3

import psycopg
import pytest
from psycopg import errors
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from receiver.storage.faults import describe, is_unavailable


def sqlite_error(code: int) -> OperationalError:
    cause = sqlite3.OperationalError("some words")
    cause.sqlite_errorcode = code
    return OperationalError("SELECT secret", {"a": "secret"}, cause)


@pytest.mark.parametrize(
    "code",
    [
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_BUSY_SNAPSHOT,
        sqlite3.SQLITE_IOERR_WRITE,
        sqlite3.SQLITE_IOERR_FSYNC,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY_DBMOVED,
        sqlite3.SQLITE_CORRUPT,
    ],
)
def test_a_full_locked_or_broken_file_is_the_databases(code: int) -> None:
    assert is_unavailable(sqlite_error(code))


@pytest.mark.parametrize("code", [sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_TOOBIG])
def test_a_wrong_statement_is_the_callers(code: int) -> None:
    assert not is_unavailable(sqlite_error(code))


@pytest.mark.parametrize(
    "cause",
    [
        psycopg.OperationalError("no connection"),
        errors.DiskFull(),
        errors.TooManyConnections(),
        errors.AdminShutdown(),
        errors.CannotConnectNow(),
        errors.ReadOnlySqlTransaction(),
        errors.LockNotAvailable(),
        errors.QueryCanceled(),
        errors.DeadlockDetected(),
        errors.InternalError_(),
    ],
)
def test_a_server_that_is_full_away_a_standby_or_in_a_deadlock_is_the_databases(cause: psycopg.Error) -> None:
    assert is_unavailable(DBAPIError("SELECT", {}, cause))


@pytest.mark.parametrize("cause", [errors.UniqueViolation(), errors.SyntaxError(), errors.SerializationFailure()])
def test_a_violation_is_the_callers(cause: psycopg.Error) -> None:
    assert not is_unavailable(IntegrityError("SELECT", {}, cause))


def test_what_is_no_database_error_is_the_callers() -> None:
    assert not is_unavailable(KeyError("x"))
    assert is_unavailable(OSError(28, "No space left on device"))


def test_an_error_is_told_without_the_statement_and_its_values() -> None:
    assert describe(sqlite_error(sqlite3.SQLITE_FULL)) == "OperationalError: some words"
    assert describe(ValueError()) == "ValueError: no details"
