"""Statements of the nodes that upsert."""

from __future__ import annotations

from importlib import import_module

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql, sqlite

from blocks.errors import InvalidInput, UnknownColumn

upsert_record = import_module("flows.nodes.upsert_record")
upsert_records = import_module("flows.nodes.upsert_records")
upsert_with_lines = import_module("flows.nodes.upsert_with_lines")

CUSTOMERS = Table(
    "customers",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("email", String, unique=True),
    Column("name", String),
    Column("revision", Integer),
)
LINES = Table(
    "lines",
    MetaData(),
    Column("order_id", Integer),
    Column("page", Integer),
    Column("number", Integer),
    Column("sku", String),
    UniqueConstraint("order_id", "page", "number"),
)
EVIL = "'; DROP TABLE customers; --"
DIALECTS = pytest.mark.parametrize(("name", "dialect"), [("sqlite", sqlite), ("postgresql", postgresql)])


def sql(statement, dialect=sqlite) -> str:
    return " ".join(str(statement.compile(dialect=dialect.dialect())).split())


@DIALECTS
def test_one_statement_inserts_or_updates_and_returns_the_row(name, dialect):
    text = sql(
        upsert_record.plan(CUSTOMERS, {"email": "a@b.c", "name": "Ada"}, key=["email"], dialect=name),
        dialect,
    )

    assert "ON CONFLICT (email) DO UPDATE SET name = excluded.name RETURNING" in text
    assert {"sqlite": "last_insert_rowid() = rowid", "postgresql": "xmax = 0"}[name] in text


@DIALECTS
def test_an_older_version_keeps_every_column_of_the_stored_one(name, dialect):
    values = {"email": "a@b.c", "name": "Ada", "revision": 3}
    text = sql(upsert_record.plan(CUSTOMERS, values, key=["email"], version="revision", dialect=name), dialect)

    current = "customers.revision IS NULL OR customers.revision <= excluded.revision"
    for column in ("name", "revision"):
        assert f"{column} = CASE WHEN ({current}) THEN excluded.{column} ELSE customers.{column} END" in text


def test_values_are_bound_and_never_part_of_the_statement():
    statement = upsert_record.plan(CUSTOMERS, {"email": "a@b.c", "name": EVIL}, key=["email"])

    assert "DROP" not in sql(statement)
    assert EVIL in statement.compile(dialect=sqlite.dialect()).params.values()


@pytest.mark.parametrize(
    ("values", "options", "problem"),
    [
        ({"email": "a@b.c"}, {"key": []}, "`key` is empty"),
        ({}, {"key": ["email"]}, "nothing to store in 'customers'"),
        ({"name": "Ada"}, {"key": ["email"]}, "`key` names 'email', so every row needs a value"),
        ({"email": None}, {"key": ["email"]}, "`key` names 'email', so every row needs a value"),
        ({"name": "Ada"}, {"key": ["name"]}, "makes name unique: .*leave `key` out"),
        ({"email": "a@b.c"}, {"key": ["email"], "version": "revision"}, "`version` names 'revision'"),
        ({"email": "a@b.c"}, {"key": ["email"], "dialect": "mssql"}, "not on mssql"),
    ],
)
def test_an_upsert_that_cannot_be_done_says_why(values, options, problem):
    with pytest.raises(InvalidInput, match=problem):
        upsert_record.plan(CUSTOMERS, values, **options)


def test_unknown_columns_are_named():
    for values, key, version in (
        ({"emial": "x"}, ["email"], None),
        ({"email": "x"}, ["emial"], None),
        ({"email": "x"}, ["email"], "revsion"),
    ):
        with pytest.raises(UnknownColumn, match="did you mean"):
            upsert_record.plan(CUSTOMERS, values, key=key, version=version)


def test_a_row_that_is_nothing_but_its_key_is_still_returned():
    assert "DO UPDATE SET email = excluded.email RETURNING" in sql(
        upsert_record.plan(CUSTOMERS, {"email": "a@b.c"}, key=["email"])
    )


def test_of_rows_with_the_same_key_the_last_stands_wherever_it_is():
    rows = [{"email": f"{number % 300}", "name": f"{number}"} for number in range(450)]
    statements = upsert_records.plan(CUSTOMERS, rows, key=["email"])

    params = [
        value for statement in statements for value in statement.compile(dialect=sqlite.dialect()).params.values()
    ]
    assert [len(statements), len(params)] == [2, 600]
    assert params[:4] == ["0", "300", "1", "301"] and params[-2:] == ["99", "399"]


def test_no_rows_are_no_work():
    assert upsert_records.plan(CUSTOMERS, [], key=["email"]) == []


def test_lines_with_a_key_of_several_columns_stay_together():
    lines = [{"page": 1, "number": "1", "sku": "a"}, {"page": 1, "number": 2, "sku": "b"}]
    gone, kept = upsert_with_lines.plan(LINES, lines, line_key=["page", "number"], owner={"order_id": 7})

    assert "(lines.page, lines.number) NOT IN" in sql(gone)
    assert gone.compile(dialect=sqlite.dialect()).params["param_1"] == [[1, 1], [1, 2]]
    assert "ON CONFLICT (order_id, page, number) DO UPDATE SET sku = excluded.sku" in sql(kept[0])


def test_a_record_without_lines_loses_those_it_had_and_no_others():
    gone, kept = upsert_with_lines.plan(LINES, [], line_key=["page", "number"], owner={"order_id": 7})

    assert sql(gone) == "DELETE FROM lines WHERE lines.order_id = ?"
    assert kept == []
