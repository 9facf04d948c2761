"""Which troubles of a database are worth another try."""

import sqlite3

import psycopg
import pytest
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from blocks.database_errors import explain
from blocks.errors import Failed, TryAgain

LOCKED = OperationalError("INSERT", {}, sqlite3.OperationalError("database is locked"))
NO_TABLE = OperationalError("INSERT", {}, sqlite3.OperationalError("no such table: customers"))
NOT_UNIQUE = IntegrityError("INSERT", {}, sqlite3.IntegrityError("UNIQUE constraint failed: customers.email"))
REFUSED = OperationalError("", {}, psycopg.OperationalError("connection refused"))
DEADLOCK = OperationalError("", {}, psycopg.errors.DeadlockDetected("deadlock detected"))
SHUTDOWN = OperationalError("", {}, psycopg.errors.AdminShutdown("terminating connection"))
SYNTAX = ProgrammingError("", {}, psycopg.errors.SyntaxError("syntax error"))


@pytest.mark.parametrize("error", [LOCKED, REFUSED, DEADLOCK, SHUTDOWN, PoolTimeout(), ConnectionResetError()])
def test_a_passing_trouble_is_worth_another_try(error):
    assert isinstance(explain(error), TryAgain)


@pytest.mark.parametrize("error", [NO_TABLE, NOT_UNIQUE, SYNTAX])
def test_a_refusal_is_final(error):
    assert isinstance(explain(error), Failed)


def test_a_refused_value_names_the_constraint():
    assert "UNIQUE constraint failed: customers.email" in str(explain(NOT_UNIQUE))


@pytest.mark.parametrize("error", [REFUSED, SHUTDOWN, ConnectionResetError()])
def test_a_connection_lost_while_committing_is_tried_again_only_when_that_is_safe(error):
    assert isinstance(explain(error, committing=True, repeatable=True), TryAgain)
    final = explain(error, committing=True, repeatable=False)
    assert isinstance(final, Failed)
    assert "unique=[...]" in str(final)


@pytest.mark.parametrize("error", [LOCKED, DEADLOCK])
def test_what_the_database_rolled_back_itself_is_safe_to_repeat(error):
    assert isinstance(explain(error, committing=True, repeatable=False), TryAgain)


def test_only_the_first_line_is_told_for_the_others_hold_values():
    error = IntegrityError("INSERT", {}, psycopg.errors.UniqueViolation("duplicate key\nDETAIL:  Key (email)=(a@b.c)"))

    assert str(explain(error)) == "the database refused the values: duplicate key"
