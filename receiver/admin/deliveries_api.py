"""`/api/admin/deliveries`: every request that came, refused ones too, and what became of it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.responses import Response

from receiver.admin.guard import BEARER, needs
from receiver.admin.paging import Cursor, Limit, Page
from receiver.admin.problems import Problem, documented
from receiver.admin.services import AdminServices
from receiver.contract.errors import Unusable
from receiver.contract.reasons import Reason
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.records import DeliveryFilter
from receiver.ingress.parse import read_file
from receiver.webhooks.keys import Scope

Values = dict[str, str | list[str]]

_DOWNLOAD = {
    "Content-Disposition": "attachment",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox",
}


class DeliverySummaryView(BaseModel):
    """A request and where it stands. Times spent are in milliseconds."""

    id: str
    webhook: str
    revision: int = Field(description="The revision of the definition that judged it.")
    status: Status
    reason: Reason | None = Field(description="Why it did not simply run.")
    detail: str
    method: str
    path: str
    client_ip: str
    content_type: str
    body_size: int = Field(description="Bytes of the whole body, also where only a part is kept.")
    event_id: str | None = Field(description="The sender's id of the event.")
    duplicate_of: str | None
    id_conflict: bool = Field(description="The event id came before with another body.")
    attempt: int = Field(description="The number of the latest attempt, 0 without one.")
    deployment: str | None
    flow_run_id: str | None
    response_status: int | None = Field(description="The status of our answer.")
    received_at: datetime
    updated_at: datetime
    receive_ms: float
    queue_ms: float | None
    start_ms: float | None
    run_ms: float | None


class AttemptView(BaseModel):
    """One start of a run."""

    number: int
    status: Status
    deployment: str
    deployment_id: str | None
    flow_run_id: str | None
    flow_run_url: str | None = Field(description="The run's page in Prefect's UI.")
    state_name: str | None = Field(description="Prefect's name of the run's state.")
    tries: int = Field(description="Hand-overs to Prefect so far.")
    detail: str
    created_at: datetime
    handed_over_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    queue_ms: float | None
    start_ms: float | None
    run_ms: float | None


class StatusChangeView(BaseModel):
    """A change of status."""

    attempt: int
    at: datetime
    before: Status = Field(serialization_alias="from")
    after: Status = Field(serialization_alias="to")
    source: str = Field(description="Who told: `dispatcher`, `event`, `poll`, ...")
    detail: str


class DeliveryView(DeliverySummaryView):
    """Everything of a delivery but its body. Credentials are masked."""

    headers: Values
    query: Values
    params: dict[str, str]
    verification: dict[str, Any] = Field(description="The scheme, and which of its secrets matched.")
    notes: dict[str, Any]
    attempts: list[AttemptView]
    status_changes: list[StatusChangeView]


def deliveries_router(services: AdminServices, route_class: type[APIRoute]) -> APIRouter:
    """The routes."""
    router = APIRouter(
        prefix="/api/admin/deliveries", tags=["deliveries"], route_class=route_class, dependencies=[BEARER]
    )
    store = services.deliveries

    @router.get("", responses=documented(), openapi_extra=needs(Scope.READ), summary="List, newest first")
    async def list_deliveries(
        webhook: Annotated[str | None, Query(max_length=100)] = None,
        status: Status | None = None,
        reason: Reason | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        event_id: Annotated[str | None, Query(max_length=300)] = None,
        q: Annotated[
            str | None, Query(max_length=200, description="Searched in id, path, event id and flow-run id.")
        ] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Page[DeliverySummaryView]:
        which = DeliveryFilter(
            webhook=webhook,
            status=status,
            reason=reason,
            since=_aware(since),
            until=_aware(until),
            event_id=event_id,
            q=q,
        )
        items, following = await store.list(which, limit, cursor)
        return Page(items=[DeliverySummaryView(**asdict(item)) for item in items], next_cursor=following)

    @router.get("/{delivery_id}", responses=documented(404), openapi_extra=needs(Scope.READ), summary="Show one")
    async def get_delivery(delivery_id: str) -> DeliveryView:
        record = await store.get(delivery_id)
        if record is None:
            raise _unknown(delivery_id)
        fields = asdict(record)
        fields["status_changes"] = fields.pop("changes")
        for attempt in fields["attempts"]:
            attempt["flow_run_url"] = _run_url(services.prefect_ui_url, attempt["flow_run_id"])
        return DeliveryView(**fields)

    @router.get("/{delivery_id}/body", responses=documented(404), openapi_extra=needs(Scope.READ), summary="Its body")
    async def get_body(delivery_id: str) -> Response:
        """The stored bytes, inflated, with the scheme's credentials masked."""
        found = await store.body(delivery_id)
        if found is None:
            raise _unknown(delivery_id)
        return Response(found[1], media_type="application/octet-stream", headers=_DOWNLOAD)

    @router.get("/{delivery_id}/files/{index}", responses=documented(404), openapi_extra=needs(Scope.READ))
    async def get_file(delivery_id: str, index: int) -> Response:
        """One file of a multipart form, by its `index` in `context.files`."""
        found = await store.body(delivery_id)
        if found is None:
            raise _unknown(delivery_id)
        try:
            _, content = read_file(found[0], found[1], index)
        except (IndexError, Unusable):
            raise Problem(404, f"The delivery has no file {index}.") from None
        return Response(content, media_type="application/octet-stream", headers=_DOWNLOAD)

    @router.get("/{delivery_id}/context", responses=documented(404), openapi_extra=needs(Scope.READ))
    async def get_context(delivery_id: str, attempt: Annotated[int, Query(ge=1)] = 1) -> Response:
        """What the flow gets as `context`, as JSON. Flows fetch large bodies here."""
        document = await services.documents(delivery_id, attempt)
        if document is None:
            raise _unknown(delivery_id)
        return Response(document, media_type="application/json", headers=_DOWNLOAD)

    return router


def _unknown(delivery_id: str) -> Problem:
    return Problem(404, f"There is no delivery '{delivery_id[:100]}'. GET /api/admin/deliveries lists them.")


def _run_url(ui_url: str | None, flow_run_id: str | None) -> str | None:
    return f"{ui_url}/runs/flow-run/{flow_run_id}" if ui_url and flow_run_id else None


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
