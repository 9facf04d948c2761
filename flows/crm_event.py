"""What a CRM tells of its contacts and deals, field by field. No I/O.

Each field of a record has a version of its own, the time of its last change. So it does not matter in which order
events come, how often, and whether an event tells one field (HubSpot) or the whole record (Salesforce).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictBool, TypeAdapter

DELETED = "$deleted"
"""The field that says whether the record is deleted: `true` or `false`."""
KEY = ("source", "kind", "external_id", "field")
Kind = Literal["contact", "deal"]
Row = dict[str, Any]
"""`source`, `kind`, `external_id`, `field`, `value` (text or None) and `version` (microseconds since 1970)."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OF_TYPE: dict[str, Kind] = {"Contact": "contact", "Opportunity": "deal"}
_LAST = 253_402_300_799_000  # milliseconds: the end of the year 9999


class HubSpotEvent(BaseModel):
    """One item of HubSpot's list: a property that changed, or a record that was created or deleted."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    subscription_type: str = Field(
        alias="subscriptionType", pattern=r"^(contact|deal)\.(creation|deletion|propertyChange)$"
    )
    object_id: str = Field(alias="objectId", min_length=1, max_length=100)
    occurred_at: int = Field(alias="occurredAt", ge=0, le=_LAST)
    property_name: str | None = Field(default=None, alias="propertyName", max_length=200)
    property_value: str | None = Field(default=None, alias="propertyValue")

    def rows(self) -> list[Row]:
        """The fields that it tells."""
        kind, _, what = self.subscription_type.partition(".")
        of_record = {"source": "hubspot", "kind": kind, "external_id": self.object_id}
        at = {"version": self.occurred_at * 1000}
        if what == "propertyChange":
            if not self.property_name:
                raise ValueError("propertyName is missing")
            return [{**of_record, "field": self.property_name, "value": self.property_value, **at}]
        return [{**of_record, "field": DELETED, "value": str(what == "deletion").lower(), **at}]


class _Attributes(BaseModel):
    type: Literal["Contact", "Opportunity"]


class SalesforceRecord(BaseModel):
    """A whole record as Salesforce gives it, with its type under `attributes`."""

    model_config = ConfigDict(extra="allow")

    attributes: _Attributes
    id: str = Field(alias="Id", min_length=1, max_length=100)
    modified_at: AwareDatetime = Field(alias="LastModifiedDate")
    is_deleted: StrictBool = Field(default=False, alias="IsDeleted")

    def rows(self) -> list[Row]:
        """Every plain field, as old as the record's last change."""
        fields = {name: value for name, value in (self.model_extra or {}).items() if not isinstance(value, dict | list)}
        return record_rows(
            "salesforce", _OF_TYPE[self.attributes.type], self.id, fields, self.modified_at, deleted=self.is_deleted
        )


_HUBSPOT, _SALESFORCE = TypeAdapter(HubSpotEvent), TypeAdapter(SalesforceRecord)


def rows_of(event: Any) -> list[Row]:
    """The fields that an event tells; raises ValueError (pydantic's is one) for what is neither CRM's."""
    if isinstance(event, Mapping) and "attributes" in event:
        return _SALESFORCE.validate_python(event).rows()
    return _HUBSPOT.validate_python(event).rows()


def record_rows(
    source: str, kind: str, external_id: str, fields: Mapping[str, Any], changed_at: datetime, *, deleted: bool
) -> list[Row]:
    """The fields of a whole record, all of the same age."""
    version = (changed_at - _EPOCH) // timedelta(microseconds=1)
    told = {**fields, DELETED: deleted}
    return [
        {
            "source": source,
            "kind": kind,
            "external_id": external_id,
            "field": name[:200],
            "value": _text(value),
            "version": version,
        }
        for name, value in told.items()
    ]


def differences(wanted: Iterable[Row], stored: Iterable[Row], *, listed_since: int) -> list[Row]:
    """What is to be stored so that `stored` is as `wanted`, which was listed from `listed_since` on (microseconds).

    A stored field that is as new as the listed one stays: an event has told it since. A record that is not listed any
    more is deleted, unless something was heard of it after the listing began.
    """
    known = {_place(row): row for row in stored}
    listed: set[tuple[Any, ...]] = set()
    missing: list[Row] = []
    for row in wanted:
        listed.add(_record(row))
        have = known.get(_place(row))
        if have is None or (have["value"] != row["value"] and have["version"] < row["version"]):
            missing.append(row)
    latest: dict[tuple[Any, ...], Row] = {}
    for row in known.values():
        if _record(row) not in listed and row["version"] >= latest.get(_record(row), row)["version"]:
            latest[_record(row)] = row
    gone = (row for row in latest.values() if row["version"] < listed_since)
    for row in gone:
        mark = {**row, "field": DELETED, "value": "true", "version": listed_since}
        have = known.get(_place(mark))
        if have is None or have["value"] != "true":
            missing.append({name: mark[name] for name in (*KEY, "value", "version")})
    return missing


def _place(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in KEY)


def _record(row: Row) -> tuple[Any, ...]:
    return _place(row)[:3]


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)
