"""Statements of the nodes that change, delete and sum up records, and of upserts on MySQL."""

from __future__ import annotations

from importlib import import_module

import pytest
from sqlalchemy import Boolean, Column, DateTime, Index, Integer, MetaData, Numeric, String, Table
from sqlalchemy.dialects import mysql, postgresql, sqlite

from blocks.errors import InvalidInput, UnknownColumn
from flows.nodes._where import columns_of

change_records = import_module("flows.nodes.change_records")
delete_record = import_module("flows.nodes.delete_record")
delete_records = import_module("flows.nodes.delete_records")
query_records = import_module("flows.nodes.query_records")
summarize_records = import_module("flows.nodes.summarize_records")
update_record = import_module("flows.nodes.update_record")
update_records = import_module("flows.nodes.update_records")
upsert_records = import_module("flows.nodes.upsert_records")

CONTACTS = Table(
    "contacts",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("email", String, nullable=False),
    Column("name", String),
    Column("revision", Integer),
    Column("deleted", Boolean),
    Column("spent", Numeric(12, 2)),
    Column("seen_at", DateTime(timezone=True)),
    Index("one_email", "email", unique=True),
)
EVIL = "'; DROP TABLE contacts; --"


def sql(statement, dialect=sqlite) -> str:
    return " ".join(str(statement.compile(dialect=dialect.dialect())).split())


def where(condition) -> str:
    return sql(query_records.plan(CONTACTS, condition).whereclause)


def test_an_upsert_on_mysql_compares_versions_before_it_assigns_the_version():
    rows = [{"id": 1, "revision": 3, "name": "Ada"}, {"id": 2, "revision": 1, "name": "Bob"}]
    [statement] = upsert_records.plan(CONTACTS, rows, key=["id"], version="revision", dialect="mysql")

    current = "(contacts.revision IS NULL OR contacts.revision <= VALUES(revision))"
    assert sql(statement, mysql) == (
        "INSERT INTO contacts (id, name, revision) VALUES (%s, %s, %s), (%s, %s, %s) ON DUPLICATE KEY UPDATE "
        f"name = CASE WHEN {current} THEN VALUES(name) ELSE contacts.name END, "
        f"revision = CASE WHEN {current} THEN VALUES(revision) ELSE contacts.revision END"
    )
    assert sql(upsert_records.plan(CONTACTS, rows, key=["id"], dialect="mysql")[0], mysql).endswith(
        "ON DUPLICATE KEY UPDATE revision = VALUES(revision), name = VALUES(name)"
    )


def test_of_rows_with_the_same_key_the_newest_stands_wherever_it_is():
    rows = [{"id": 1, "revision": "10"}, {"id": 2, "revision": 1}, {"id": 1, "revision": 9}]
    [statement] = upsert_records.plan(CONTACTS, rows, key=["id"], version="revision")

    assert list(statement.compile(dialect=sqlite.dialect()).params.values()) == [1, 10, 2, 1]
    with pytest.raises(InvalidInput, match="`version` names 'revision'"):
        upsert_records.plan(CONTACTS, [*rows, {"id": 3, "revision": None}], key=["id"], version="revision")


def test_values_and_conditions_are_bound_and_never_part_of_the_statement():
    statements = [
        update_record.plan(CONTACTS, {"name": EVIL}, where={"email": EVIL}).statement,
        update_records.plan(CONTACTS, {"name": EVIL, "revision": 1}, {"email": EVIL}, version="revision"),
        delete_record.plan(CONTACTS, {"email": EVIL}).statement,
        delete_records.plan(CONTACTS, {"or": [{"email": EVIL}, {"name": {"contains": EVIL}}]}),
    ]

    for statement in statements:
        assert "DROP" not in sql(statement) and "DROP" not in sql(statement, postgresql)


@pytest.mark.parametrize(
    "condition",
    [
        {},
        {"id": {}},
        {"email": None},
        {"email": {"ne": None}},
        {"id": {"not_in": []}},
        {"not": {"id": {"in": []}}},
        {"not": {"not": {"id": {"in": []}}}},
        {"email": {"starts_with": ""}},
        {"or": []},
        {"or": [{"id": 1}, {}]},
        {"not": {}},
    ],
)
def test_a_change_of_the_whole_table_by_accident_is_refused(condition):
    with pytest.raises(InvalidInput):
        update_record.plan(CONTACTS, {"name": "x"}, where=condition)
    with pytest.raises(InvalidInput):
        update_records.plan(CONTACTS, {"name": "x"}, condition)
    with pytest.raises(InvalidInput):
        delete_record.plan(CONTACTS, condition)
    with pytest.raises(InvalidInput):
        delete_records.plan(CONTACTS, condition)


def test_a_deletion_by_its_version_alone_is_the_whole_table_too():
    with pytest.raises(InvalidInput, match="`where` is empty"):
        delete_records.plan(CONTACTS, {"revision": 3}, version="revision")


def test_nothing_and_those_without_a_value_may_be_meant():
    assert "IS NULL" in sql(delete_records.plan(CONTACTS, {"name": {"is_null": True}}))
    assert "IN (" in sql(delete_records.plan(CONTACTS, {"id": {"in": []}}))


@pytest.mark.parametrize(
    ("plan", "problem"),
    [
        (lambda: update_record.plan(CONTACTS, {"name": "x"}), "by `key` .* or by `where`"),
        (lambda: update_record.plan(CONTACTS, {"name": "x"}, key=["id"], where={"id": 1}), "one of them"),
        (lambda: update_record.plan(CONTACTS, {"name": "x"}, key=["id"]), "`key` names 'id'"),
        (lambda: update_record.plan(CONTACTS, {"id": 1}, key=["id"]), "nothing to store"),
        (lambda: update_record.plan(CONTACTS, {"name": "x"}, where={"id": 1}, version="revision"), "`version` names"),
        (lambda: delete_record.plan(CONTACTS, {"id": 1}, version="revision"), "`version` names 'revision'"),
    ],
)
def test_a_change_that_cannot_be_done_says_why(plan, problem):
    with pytest.raises(InvalidInput, match=problem):
        plan()


@pytest.mark.parametrize(
    "plan",
    [
        lambda: update_record.plan(CONTACTS, {"nam": "x"}, where={"id": 1}),
        lambda: update_record.plan(CONTACTS, {"name": "x"}, where={"emial": "y"}),
        lambda: update_records.plan(CONTACTS, {"name": "x"}, {"id": 1}, version="revison"),
        lambda: delete_records.plan(CONTACTS, {"not": {"emial": "y"}}),
        lambda: summarize_records.plan(CONTACTS, {"total": {"sum": "spend"}}),
        lambda: summarize_records.plan(CONTACTS, order_by="-cuont"),
    ],
)
def test_unknown_columns_name_near_ones(plan):
    with pytest.raises(UnknownColumn, match="did you mean"):
        plan()


@pytest.mark.parametrize(
    ("condition", "clause"),
    [
        ({"id": {"between": ["1", 3]}}, "contacts.id BETWEEN ? AND ?"),
        ({"id": {"not_in": [1]}}, "(contacts.id NOT IN (__[POSTCOMPILE_id_1]))"),
        ({"name": {"contains": "a%"}}, "(lower(contacts.name) LIKE '%' || lower(?) || '%' ESCAPE '/')"),
        ({"name": {"starts_with": "a"}}, "(lower(contacts.name) LIKE lower(?) || '%' ESCAPE '/')"),
        ({"name": {"ends_with": "a"}}, "(lower(contacts.name) LIKE '%' || lower(?) ESCAPE '/')"),
        ({"or": [{"id": 1, "name": "a"}, {"id": 2}]}, "contacts.id = ? AND contacts.name = ? OR contacts.id = ?"),
        ({"not": {"id": 1, "name": "a"}}, "NOT (contacts.id = ? AND contacts.name = ?)"),
    ],
)
def test_conditions(condition, clause):
    assert where(condition) == clause


def test_what_stands_for_any_text_stands_for_itself():
    statement = query_records.plan(CONTACTS, {"name": {"contains": "100%_"}})

    assert "100/%/_" in statement.compile(dialect=sqlite.dialect()).params.values()


def test_the_columns_of_a_condition_are_found_inside_it_too():
    assert columns_of({"id": 1, "or": [{"name": "a"}, {"not": {"email": "b"}}]}) == ["id", "name", "email"]
    assert columns_of(None) == []


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        ({"id": {"contains": "1"}}, "compares text"),
        ({"name": {"like": 3}}, "compares text"),
        ({"id": {"between": [1]}}, "the two ends"),
        ({"id": {"not_in": 3}}, "takes a list"),
        ({"id": {"lt": None}}, "needs a value"),
        ({"or": {"id": 1}}, "`or` takes a list"),
        ({"not": [{"id": 1}]}, "`not` takes one"),
        ({"id": {}}, "is empty: use eq"),
    ],
)
def test_a_condition_that_cannot_be_asked_says_why(condition, problem):
    with pytest.raises(InvalidInput, match=problem):
        where(condition)


def test_the_next_page_starts_behind_the_last_row():
    statement = query_records.plan(CONTACTS, order_by=["-email", "id"], after={"email": "b", "id": 7, "name": "x"})

    assert sql(statement.whereclause) == "contacts.email < ? OR contacts.email = ? AND contacts.id > ?"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"order_by": "name", "after": {"name": "a"}, "where": {"name": {"ne": "x"}}}, "end `order_by` with id"),
        ({"order_by": ["name", "id"], "after": {"name": "a", "id": 1}}, "leave out rows without 'name'"),
        ({"order_by": "id", "after": {}}, "needs a value for 'id'"),
        ({"after": {"id": 1}}, "end `order_by` with id"),
    ],
)
def test_a_page_that_would_skip_rows_is_refused(options, problem):
    with pytest.raises(InvalidInput, match=problem):
        query_records.plan(CONTACTS, **options)


def test_a_count_alone_is_of_the_table():
    assert sql(summarize_records.plan(CONTACTS)).startswith("SELECT count(*) AS count FROM contacts")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"figures": {"total": {"sum": "name"}}}, "'name' holds no numbers"),
        ({"figures": {"total": {"median": "id"}}}, "one of count, distinct, sum"),
        ({"figures": {"total": "spent"}}, "one of count"),
        ({"figures": {"name": {"max": "id"}}, "group_by": "name"}, "another name"),
        ({"limit": 0}, "limit is from 1"),
    ],
)
def test_a_summary_that_cannot_be_made_says_why(options, problem):
    with pytest.raises(InvalidInput, match=problem):
        summarize_records.plan(CONTACTS, **options)


async def test_changes_are_what_the_four_functions_give():
    with pytest.raises(InvalidInput, match="`create`, `upsert`, `update` and `delete`"):
        await change_records.change_records.fn([{"table": "contacts"}])
    with pytest.raises(InvalidInput, match="too many"):
        await change_records.change_records.fn([change_records.delete("contacts", {"id": 1})] * 1_001)
