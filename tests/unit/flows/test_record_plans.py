"""Statements of the nodes that store and look up records."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from importlib import import_module
from uuid import UUID

import pytest
from sqlalchemy import (
    JSON,
    Column,
    Date,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Uuid,
)
from sqlalchemy.dialects import postgresql, sqlite

from blocks.errors import InvalidInput, UnknownColumn
from flows.nodes._values import as_json, for_column

create_record = import_module("flows.nodes.create_record")
create_records = import_module("flows.nodes.create_records")
query_records = import_module("flows.nodes.query_records")

CUSTOMERS = Table(
    "customers",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("email", String, unique=True),
    Column("name", String),
    Column("age", Integer),
    Column("born", Date),
    Column("seen_at", DateTime(timezone=True)),
    Column("local_at", DateTime),
    Column("balance", Numeric(12, 2)),
    Column("token", Uuid),
    Column("photo", LargeBinary),
    Column("extra", JSON),
)
EVIL = "'; DROP TABLE customers; --"


def sql(statement, dialect=sqlite) -> str:
    return " ".join(str(statement.compile(dialect=dialect.dialect())).split())


def test_values_are_bound_and_never_part_of_the_statement():
    statement = create_record.plan(CUSTOMERS, {"name": EVIL})

    assert EVIL not in sql(statement)
    assert EVIL in statement.compile(dialect=sqlite.dialect()).params.values()


def test_conditions_are_bound_and_never_part_of_the_statement():
    statement = query_records.plan(CUSTOMERS, {"name": {"like": EVIL}, "age": {"in": [1, 2]}})

    assert "DROP" not in sql(statement)


def test_an_unknown_column_names_near_ones():
    with pytest.raises(UnknownColumn, match=r"no column 'emial' \(did you mean 'email'\?\); it has id, email"):
        create_record.plan(CUSTOMERS, {"emial": "ada@example.com"})
    with pytest.raises(UnknownColumn, match="did you mean 'name'"):
        query_records.plan(CUSTOMERS, {"nam": "Ada"})
    with pytest.raises(UnknownColumn):
        query_records.plan(CUSTOMERS, order_by=f"-{EVIL}")


def test_nothing_to_store_is_said():
    with pytest.raises(InvalidInput, match="nothing to store in 'customers'"):
        create_record.plan(CUSTOMERS, {})


@pytest.mark.parametrize(("name", "dialect"), [("sqlite", sqlite), ("postgresql", postgresql)])
def test_a_unique_record_that_exists_is_given_back_by_the_same_statement(name, dialect):
    text = sql(create_record.plan(CUSTOMERS, {"email": "a@b.c"}, unique=["email"], dialect=name), dialect)

    assert "ON CONFLICT (email) DO UPDATE SET email = excluded.email RETURNING" in text


def test_unique_columns_must_be_unique_in_the_table():
    with pytest.raises(InvalidInput, match="nothing in table 'customers' makes name unique"):
        create_record.plan(CUSTOMERS, {"name": "Ada"}, unique=["name"])


def test_unique_columns_need_a_value():
    with pytest.raises(InvalidInput, match="every row needs a value for it"):
        create_record.plan(CUSTOMERS, {"name": "Ada", "email": None}, unique=["email"])


def test_a_dialect_without_upsert_is_named():
    with pytest.raises(InvalidInput, match="not on mysql"):
        create_record.plan(CUSTOMERS, {"email": "a@b.c"}, unique=["email"], dialect="mysql")


def test_rows_need_the_same_columns():
    with pytest.raises(InvalidInput, match="they differ in age"):
        create_records.plan(CUSTOMERS, [{"name": "Ada"}, {"name": "Bob", "age": 3}])


def test_a_row_given_twice_is_stored_once_and_the_first_stands():
    [statement] = create_records.plan(
        CUSTOMERS,
        [{"email": "a@b.c", "name": "first"}, {"email": "a@b.c", "name": "second"}],
        unique=["email"],
    )

    assert list(statement.compile(dialect=sqlite.dialect()).params.values()) == ["a@b.c", "first"]


def test_no_rows_are_no_work():
    assert create_records.plan(CUSTOMERS, []) == []


@pytest.mark.parametrize(
    ("condition", "clause"),
    [
        (None, "customers.age IS NULL"),
        (3, "customers.age = ?"),
        ({"eq": 3}, "customers.age = ?"),
        ({"ne": 3}, "customers.age != ?"),
        ({"ne": None}, "customers.age IS NOT NULL"),
        ({"gte": 1, "lt": 3}, "customers.age >= ? AND customers.age < ?"),
        ({"gt": 1, "lte": 3}, "customers.age > ? AND customers.age <= ?"),
        ({"in": [1, 2]}, "customers.age IN (__[POSTCOMPILE_age_1])"),
        ({"is_null": True}, "customers.age IS NULL"),
        ({"is_null": False}, "customers.age IS NOT NULL"),
    ],
)
def test_conditions(condition, clause):
    assert sql(query_records.plan(CUSTOMERS, {"age": condition}).whereclause) == clause


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"where": {"age": {"bigger": 3}}}, "'bigger' is no comparison for 'age': use eq"),
        ({"where": {"age": {"in": "12"}}}, "takes a list"),
        ({"limit": 0}, "limit is from 1"),
        ({"limit": 10_001}, "limit is from 1 to 10000"),
        ({"offset": -1}, "offset is 0 or more"),
    ],
)
def test_a_query_that_cannot_be_asked_says_why(options, problem):
    with pytest.raises(InvalidInput, match=problem):
        query_records.plan(CUSTOMERS, **options)


def test_a_query_is_ordered_and_bounded():
    text = sql(query_records.plan(CUSTOMERS, order_by=["-age", "name"], limit=5, offset=10))

    assert text.endswith("ORDER BY customers.age DESC, customers.name ASC LIMIT ? OFFSET ?")


UUID_TEXT = "5f0c1c0e-6f0a-4a57-9d7e-1d8d0f3f6a10"


@pytest.mark.parametrize(
    ("column", "given", "stored"),
    [
        ("born", "2026-03-01", date(2026, 3, 1)),
        ("seen_at", "2026-03-01T10:00:00Z", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        (
            "seen_at",
            datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2))),
            datetime(2026, 3, 1, 10, tzinfo=UTC),
        ),
        ("local_at", "2026-03-01T10:00:00+02:00", datetime(2026, 3, 1, 8)),  # noqa: DTZ001 (a column without a zone)
        ("balance", "10.10", Decimal("10.10")),
        ("balance", 10.1, Decimal("10.1")),
        ("age", "42", 42),
        ("token", UUID_TEXT, UUID(UUID_TEXT)),
        ("photo", "aGk=", b"hi"),
        ("extra", {"a": [1]}, {"a": [1]}),
        ("name", "Оксана", "Оксана"),
        ("name", None, None),
    ],
)
def test_what_json_can_hold_becomes_what_the_column_takes(column, given, stored):
    assert for_column(CUSTOMERS.c[column], given) == stored


@pytest.mark.parametrize(
    ("column", "given", "problem"),
    [
        ("born", "tomorrow", "column 'born' takes date"),
        ("age", "many", "column 'age' takes int"),
        ("age", 2**63, "64 bits"),
        ("balance", "much", "takes Decimal"),
        ("token", "x", "takes UUID"),
        ("name", {"a": 1}, "takes text"),
        ("name", "\ud800", "surrogate"),
    ],
)
def test_what_a_column_cannot_take_is_refused_by_name(column, given, problem):
    with pytest.raises(InvalidInput, match=problem):
        for_column(CUSTOMERS.c[column], given)


def test_a_row_becomes_json():
    row = {"born": date(2026, 3, 1), "balance": Decimal("10.10"), "token": UUID(UUID_TEXT), "photo": b"hi", "n": None}

    assert as_json(CUSTOMERS, row) == {
        "born": "2026-03-01",
        "balance": "10.10",
        "token": UUID_TEXT,
        "photo": "aGk=",
        "n": None,
    }
    json.dumps(as_json(CUSTOMERS, row))


def test_a_time_that_sqlite_gives_back_without_its_zone_is_utc_where_the_column_has_one():
    naive = datetime(2026, 3, 1, 10)  # noqa: DTZ001 (what SQLite gives back)

    assert as_json(CUSTOMERS, {"seen_at": naive, "local_at": naive}) == {
        "seen_at": "2026-03-01T10:00:00+00:00",
        "local_at": "2026-03-01T10:00:00",
    }
