"""`/api/admin/deliveries`: what came and what became of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from receiver.admin.delivery_models import DeliverySummaryView, DeliveryView, tell_delivery
from receiver.admin.download import download, streamed
from receiver.admin.guard import BEARER, needs
from receiver.admin.paging import MOST_ITEMS, Page
from receiver.admin.problems import Problem, documented
from receiver.admin.services import AdminServices
from receiver.contract.errors import Unusable
from receiver.contract.reasons import Reason
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.records import DeliveryFilter, StoredRequest
from receiver.ingress.parse import find_file
from receiver.webhooks.keys import Scope


def _storable(moment: datetime) -> datetime:
    if not datetime(1970, 1, 2, tzinfo=UTC) <= moment <= datetime(2400, 1, 1, tzinfo=UTC):
        raise ValueError("is a time from 1970 to 2400")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_storable)]


class DeliveryQuery(BaseModel):
    """Which deliveries are listed. A parameter that is not known is refused: it would list what nobody asked for."""

    model_config = ConfigDict(extra="forbid")

    webhook: str | None = Field(default=None, max_length=100, description="Of this webhook.")
    status: Status | None = Field(default=None, description="With this status.")
    reason: Reason | None = Field(default=None, description="With this reason.")
    since: Moment | None = Field(default=None, description="Received at or after this time.")
    until: Moment | None = Field(default=None, description="Received before this time.")
    event_id: str | None = Field(default=None, max_length=300, description="With this id of the sender's.")
    parent: str | None = Field(default=None, max_length=100, description="The parts of this split request.")
    q: str | None = Field(
        default=None,
        max_length=200,
        description="A whole event id or flow-run id, or a part of the id or path. A page may be short or empty and "
        "have a `next_cursor`: it looks for parts in 2,000 deliveries.",
    )
    limit: int = Field(default=50, ge=1, le=MOST_ITEMS, description=f"Items in a page, at most {MOST_ITEMS}.")
    cursor: str | None = Field(default=None, max_length=500, description="`next_cursor` of the page before.")


DeliveryId = Annotated[str, Path(max_length=100, description="The delivery's id.")]
AttemptNumber = Annotated[
    int | None, Query(ge=1, le=1_000_000, description="As this attempt has it; default the latest.")
]
_BYTES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"*/*": {}}, "description": "The bytes, of the type they were sent as where that is harmless."},
    206: {"content": {"*/*": {}}, "description": "The part of them that `Range` asks for."},
}


def deliveries_router(services: AdminServices, route_class: type[APIRoute]) -> APIRouter:
    """The routes of the deliveries."""
    router = APIRouter(
        prefix="/api/admin/deliveries", tags=["deliveries"], route_class=route_class, dependencies=[BEARER]
    )
    _add_reading(router, services)
    _add_contents(router, services)
    return router


def _add_reading(router: APIRouter, services: AdminServices) -> None:
    @router.get(
        "", summary="List deliveries, the latest first", responses=documented(), openapi_extra=needs(Scope.READ)
    )
    async def list_deliveries(asked: Annotated[DeliveryQuery, Query()]) -> Page[DeliverySummaryView]:
        which = DeliveryFilter(**asked.model_dump(exclude={"limit", "cursor"}))
        items, next_cursor = await services.deliveries.list(which, asked.limit, asked.cursor)
        return Page(items=[DeliverySummaryView.model_validate(item) for item in items], next_cursor=next_cursor)

    @router.get(
        "/{delivery_id}", summary="One delivery, whole", responses=documented(404), openapi_extra=needs(Scope.READ)
    )
    async def get_delivery(delivery_id: DeliveryId) -> DeliveryView:
        record = await services.deliveries.get(delivery_id)
        if record is None:
            raise unknown_delivery()
        return tell_delivery(record, services.prefect_ui_url)


def _add_contents(router: APIRouter, services: AdminServices) -> None:
    @router.get(
        "/{delivery_id}/body",
        summary="The body's bytes, as a download",
        response_class=Response,
        responses={**documented(404, 410, 416), **_BYTES},
        openapi_extra=needs(Scope.READ),
    )
    async def get_body(delivery_id: DeliveryId, asked: Request, attempt: AttemptNumber = None) -> Response:
        """As it came, or as it was edited for the attempt; a part of it where the request's `Range` asks for one."""
        request = await _stored(services, delivery_id, attempt)
        return await download(services.deliveries.content(request), request.content_type, f"{delivery_id}.body", asked)

    @router.get(
        "/{delivery_id}/files/{index}",
        summary="An uploaded file, as a download",
        response_class=Response,
        responses={**documented(404, 410, 416), **_BYTES},
        openapi_extra=needs(Scope.READ),
    )
    async def get_file(
        delivery_id: DeliveryId,
        index: Annotated[int, Path(ge=0, le=100_000, description="The file's position.")],
        asked: Request,
        attempt: AttemptNumber = None,
    ) -> Response:
        request = await _stored(services, delivery_id, attempt)
        try:
            async with services.deliveries.whole(request) as whole:
                file, start, stop = find_file(request.content_type, whole.body, index)
        except (IndexError, Unusable):
            raise Problem(404, f"This delivery has no file {index}.") from None
        content = services.deliveries.content(request, start, stop)
        return await download(content, file.content_type, file.filename, asked)

    @router.get(
        "/{delivery_id}/context",
        summary="The request as its flow gets it",
        response_class=Response,
        responses={
            **documented(404, 409, 410),
            200: {"content": {"application/json": {}}, "description": "The document."},
        },
        openapi_extra=needs(Scope.READ),
    )
    async def get_context(delivery_id: DeliveryId, attempt: AttemptNumber = None) -> Response:
        number = await _attempt(services, delivery_id, attempt)
        try:
            document = await services.documents(delivery_id, number)
        except Unusable as error:
            raise Problem(409, f"This request cannot be read: {error}. Its bytes are at .../body.") from None
        if document is None:
            raise _gone()
        return await streamed(document, {"content-type": "application/json"})


async def _attempt(services: AdminServices, delivery_id: str, asked: int | None) -> int:
    """The number of the attempt that is asked for: the latest unless it is said, 1 while there is none."""
    found = await services.deliveries.candidate(delivery_id)
    if found is None:
        raise unknown_delivery()
    latest = max(found.attempt, 1)
    if asked is not None and asked > latest:
        raise Problem(404, f"This delivery has no attempt {asked}.")
    return asked or latest


async def _stored(services: AdminServices, delivery_id: str, asked: int | None) -> StoredRequest:
    request = await services.deliveries.request(delivery_id, await _attempt(services, delivery_id, asked))
    if request is None:
        raise _gone()
    return request


def _gone() -> Problem:
    return Problem(410, "The body of this delivery was deleted when it came of age: see the webhook's `retention`.")


def unknown_delivery() -> Problem:
    """A 404 that says what to do."""
    return Problem(404, "There is no such delivery. GET /api/admin/deliveries lists them.")
