"""What the CRM has and we have not heard of: found in its list, repaired, and told in an artifact.

The block `http-service/crm` says where the CRM's API is and how to log in. Its list comes page by page in HubSpot's
shape: `{"results": [{"id", "properties", "updatedAt", "archived"}], "paging": {"next": {"after"}}}`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from prefect import flow
from prefect.artifacts import acreate_table_artifact
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from flows.crm_event import KEY, Kind, Row, differences, record_rows
from flows.crm_sync import CRM_FIELDS
from flows.nodes import http_pages, query_records, upsert_records

_PAGE = 5_000
_SHOWN = 500


class _Listed(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)

    id: str = Field(min_length=1, max_length=100)
    properties: dict[str, str | None]
    updated_at: AwareDatetime = Field(alias="updatedAt")
    archived: bool = False


_LIST = TypeAdapter(list[_Listed])


@flow(log_prints=True)
async def crm_reconcile(kind: Kind = "contact", service: str = "crm", source: str = "hubspot") -> dict[str, int]:
    """Compare all records of a kind with the CRM's list, store what differs, and keep the differences as an artifact.

    Returns how many records were listed and how many fields were repaired. What changes meanwhile is left to its event.
    """
    began = int(datetime.now(UTC).timestamp() * 1_000_000)
    pages = await http_pages(
        f"/crm/v3/objects/{kind}s",
        query={"limit": 100},
        items="results",
        by="cursor",
        field="paging.next.after",
        parameter="after",
        service=service,
        max_pages=10_000,
        max_items=1_000_000,
    )
    listed = _LIST.validate_python(pages["items"])
    wanted = [
        row
        for one in listed
        for row in record_rows(source, kind, one.id, one.properties, one.updated_at, deleted=one.archived)
    ]
    missing = differences(wanted, await _stored(source, kind), listed_since=began)
    for start in range(0, len(missing), _PAGE):
        await upsert_records(CRM_FIELDS, missing[start : start + _PAGE], key=KEY, version="version")
    await acreate_table_artifact(
        table=[{"record": row["external_id"], "field": row["field"], "now": row["value"]} for row in missing[:_SHOWN]],
        key=f"crm-reconcile-{kind}",
        description=f"{len(listed)} records listed, {len(missing)} fields repaired (at most {_SHOWN} shown)",
    )
    print(f"{kind}: {len(listed)} records listed, {len(missing)} fields repaired")  # noqa: T201 (log_prints)
    return {"listed": len(listed), "repaired": len(missing)}


async def _stored(source: str, kind: str) -> list[Row]:
    rows: list[Row] = []
    last: dict[str, Any] | None = None
    while True:
        page = await query_records(
            CRM_FIELDS,
            {"source": source, "kind": kind},
            order_by=["external_id", "field"],
            limit=_PAGE,
            after=last,
        )
        rows += page
        if len(page) < _PAGE:
            return rows
        last = page[-1]
