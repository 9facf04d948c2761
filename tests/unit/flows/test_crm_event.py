"""What a CRM's events tell, and what a list tells that no event did."""

from __future__ import annotations

from typing import Any

import pytest

from flows.crm_event import DELETED, Row, differences, rows_of

HUBSPOT = {"subscriptionType": "contact.propertyChange", "objectId": 512, "occurredAt": 1772352000123}
SALESFORCE = {
    "attributes": {"type": "Opportunity", "url": "/x"},
    "Id": "006x",
    "LastModifiedDate": "2026-03-01T08:00:00.000+0000",
    "Name": "Lamps",
    "Amount": 12.5,
    "Account": {"Name": "nested"},
}


def test_a_change_of_a_property_tells_one_field():
    [row] = rows_of({**HUBSPOT, "propertyName": "email", "propertyValue": "ada@example.com"})
    assert row == {
        "source": "hubspot",
        "kind": "contact",
        "external_id": "512",
        "field": "email",
        "value": "ada@example.com",
        "version": 1_772_352_000_123_000,
    }


@pytest.mark.parametrize(("what", "value"), [("creation", "false"), ("deletion", "true")])
def test_a_record_that_comes_or_goes_tells_that(what: str, value: str):
    [row] = rows_of({**HUBSPOT, "subscriptionType": f"deal.{what}"})
    assert (row["kind"], row["field"], row["value"]) == ("deal", DELETED, value)


def test_a_whole_record_tells_each_of_its_plain_fields():
    rows = rows_of(SALESFORCE)
    assert {row["field"]: row["value"] for row in rows} == {"Name": "Lamps", "Amount": "12.5", DELETED: "false"}
    assert {(row["kind"], row["external_id"], row["version"]) for row in rows} == {("deal", "006x", 1772352000000000)}


@pytest.mark.parametrize(
    "event",
    [
        None,
        7,
        {},
        {**HUBSPOT, "subscriptionType": "company.creation"},
        HUBSPOT,
        {**HUBSPOT, "propertyName": "email", "occurredAt": -1},
        {**SALESFORCE, "attributes": {"type": "Lead"}},
        {**SALESFORCE, "LastModifiedDate": "yesterday"},
    ],
)
def test_what_is_no_event_of_a_contact_or_a_deal_is_a_value_error(event: Any):
    with pytest.raises(ValueError):
        rows_of(event)


def row(record: str, field: str, value: str, version: int) -> Row:
    return {
        "source": "s",
        "kind": "contact",
        "external_id": record,
        "field": field,
        "value": value,
        "version": version,
    }


def test_what_is_missing_or_older_is_repaired_and_what_is_as_new_stays():
    wanted = [row("1", "a", "new", 5), row("1", "b", "listed", 5), row("1", "c", "same", 5), row("1", "d", "x", 5)]
    stored = [row("1", "a", "old", 4), row("1", "b", "heard since", 6), row("1", "c", "same", 1)]
    assert differences(wanted, stored, listed_since=10) == [wanted[0], wanted[3]]


def test_what_is_not_listed_any_more_is_deleted_unless_something_was_heard_since():
    stored = [row("1", "a", "x", 4), row("2", "a", "x", 4), row("2", "b", "x", 11), row("3", DELETED, "true", 2)]
    assert differences([], stored, listed_since=10) == [row("1", DELETED, "true", 10)]
