"""`/api/admin/webhooks`: what may be called, and a signed sample request to try it."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.routing import APIRoute

from receiver.admin.guard import BEARER, Caller, needs
from receiver.admin.paging import Cursor, Limit, Page, slice_page
from receiver.admin.problems import documented
from receiver.admin.services import AdminServices
from receiver.admin.webhook_desk import Give, WebhookDesk
from receiver.admin.webhook_models import (
    Changes,
    Definition,
    DryRun,
    FieldChange,
    IfMatch,
    Key,
    Origin,
    Revision,
    SampleAnswer,
    SampleRequest,
    Source,
    Stats,
    TakeOver,
    WebhookView,
    etag,
    revision_of,
)
from receiver.contract.errors import DefinitionError
from receiver.ingress.answers import Answer
from receiver.ingress.sample import Sample
from receiver.webhooks.audit import Action
from receiver.webhooks.definitions import RevisionRow
from receiver.webhooks.differences import differences
from receiver.webhooks.keys import Scope

Revisions = Annotated[int | None, Query(ge=1, le=10**9, description="`next_cursor` of the page before.")]
_READ, _WRITE = needs(Scope.READ), needs(Scope.WRITE)


def webhooks_router(services: AdminServices, route_class: type[APIRoute]) -> APIRouter:
    """The routes of the webhooks."""
    router = APIRouter(prefix="/api/admin/webhooks", tags=["webhooks"], route_class=route_class, dependencies=[BEARER])
    desk = WebhookDesk(services)
    _add_reading(router, services, desk)
    _add_changing(router, desk)
    _add_sending(router, services, desk)
    return router


def _add_reading(router: APIRouter, services: AdminServices, desk: WebhookDesk) -> None:
    @router.get("", summary="List the webhooks, by key", responses=documented(), openapi_extra=_READ)
    async def list_webhooks(limit: Limit = 50, cursor: Cursor = None) -> Page[WebhookView]:
        rows = sorted(await services.definitions.all(), key=lambda row: row.key)
        return slice_page([desk.view(row) for row in rows], "key", limit, cursor)

    @router.get("/{key}", summary="One webhook with its stats", responses=documented(404), openapi_extra=_READ)
    async def get_webhook(key: Key, response: Response) -> WebhookView:
        view = desk.view(await desk.existing(key))
        response.headers["ETag"] = etag(view.revision)
        return view.model_copy(update={"stats": Stats(**await services.deliveries.stats(key))})

    @router.get(
        "/{key}/revisions", summary="What a webhook was, latest first", responses=documented(404), openapi_extra=_READ
    )
    async def list_revisions(key: Key, limit: Limit = 50, cursor: Revisions = None) -> Page[Revision]:
        """Who changed what, when. They outlive the webhook, as its deliveries do."""
        rows = await services.definitions.revisions(key, limit + 1, below=cursor)
        if not rows and cursor is None:
            await desk.existing(key)
        more = len(rows) > limit
        items = [_revision(row) for row in rows[:limit]]
        return Page(items=items, next_cursor=str(items[-1].revision) if more else None)


def _add_changing(router: APIRouter, desk: WebhookDesk) -> None:
    @router.post("", status_code=201, summary="Make a webhook", responses=documented(409, 503), openapi_extra=_WRITE)
    async def create_webhook(definition: Definition, who: Caller, response: Response) -> WebhookView:
        """The key is generated, and nobody can guess it, when it is left out."""
        view = await desk.create(definition, who)
        response.headers["Location"] = f"/api/admin/webhooks/{view.key}"
        response.headers["ETag"] = etag(view.revision)
        return view

    @router.put(
        "/{key}", summary="Make or replace a webhook", responses=documented(409, 412, 503), openapi_extra=_WRITE
    )
    async def put_webhook(
        key: Key,
        definition: Definition,
        who: Caller,
        response: Response,
        origin: Origin = "api",
        source: Source = None,
        take_over: TakeOver = False,
        dry_run: DryRun = False,
        if_match: IfMatch = None,
    ) -> WebhookView:
        """201 when it was made. A state that is left out stays as it is, and so does a `source`."""
        revision = revision_of(if_match)
        how = Give(origin=origin, source=source, take_over=take_over, dry_run=dry_run, revision=revision)
        view, made = await desk.put(key, definition, who, how)
        if not dry_run:
            response.headers["ETag"] = etag(view.revision)
        if made and not dry_run:
            response.status_code = 201
            response.headers["Location"] = f"/api/admin/webhooks/{key}"
        return view

    @router.patch(
        "/{key}", summary="Change fields of a webhook", responses=documented(404, 409, 412, 503), openapi_extra=_WRITE
    )
    async def patch_webhook(
        key: Key, changes: Changes, who: Caller, response: Response, if_match: IfMatch = None
    ) -> WebhookView:
        """Of a webhook that code defines only the `state` can be changed here."""
        view = await desk.patch(key, changes, who, revision_of(if_match))
        response.headers["ETag"] = etag(view.revision)
        return view

    @router.delete(
        "/{key}", status_code=204, summary="Delete a webhook", responses=documented(404, 409, 412), openapi_extra=_WRITE
    )
    async def delete_webhook(
        key: Key, who: Caller, origin: Origin = "api", source: Source = None, if_match: IfMatch = None
    ) -> None:
        """Its deliveries and revisions stay. With a `source` only a webhook of that one is deleted."""
        await desk.delete(key, who, Give(origin=origin, source=source, revision=revision_of(if_match)))


def _add_sending(router: APIRouter, services: AdminServices, desk: WebhookDesk) -> None:
    @router.post(
        "/{key}/send", summary="Send a signed sample to a webhook", responses=documented(404), openapi_extra=_WRITE
    )
    async def send_sample(key: Key, sample: SampleRequest, who: Caller) -> SampleAnswer:
        """Sign a request as the webhook's sender would, take it in like any other, and tell the answer."""
        await desk.existing(key)
        body = None if sample.body_base64 is None else _from_base64(sample.body_base64)
        wanted = Sample(
            method=sample.method.upper() if sample.method else None,
            headers=sample.headers,
            params=sample.params,
            query=sample.query,
            body=body,
            example=sample.example,
        )
        await services.audit.note(who.by(), Action.WEBHOOK_SEND, key, services.now())
        return _tell(await services.intake.send(key, wanted))


def _revision(row: RevisionRow) -> Revision:
    changes = [] if row.before is None else differences(row.before, row.definition)
    return Revision(
        revision=row.revision,
        created_at=row.created_at,
        actor=row.actor,
        origin=row.origin,
        changes=[FieldChange(field=each.field, before=each.before, after=each.after) for each in changes],
        definition=row.definition,
    )


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise DefinitionError("body_base64", "is not Base64") from None


def _tell(answer: Answer) -> SampleAnswer:
    try:
        text = answer.body.decode()
    except UnicodeDecodeError:
        text = None
    return SampleAnswer(
        status=answer.status,
        headers=list(answer.headers),
        body=text,
        body_base64=None if text is not None else base64.b64encode(answer.body).decode(),
        delivery_id=dict(answer.headers).get("webhook-delivery-id"),
    )
