"""`/api/admin/webhooks`: what may be called, and a signed sample request to try it."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Query, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from receiver.admin.guard import BEARER, Caller, needs
from receiver.admin.paging import Cursor, Limit, Page, slice_page
from receiver.admin.plain_secret import take_out_secret
from receiver.admin.problems import Problem, documented
from receiver.admin.services import AdminServices
from receiver.contract.errors import DefinitionError
from receiver.contract.parse import generate_key, parse_definition
from receiver.contract.secret_reference import Author
from receiver.ingress.sample import Sample
from receiver.prefect_gateway import PrefectUnavailable
from receiver.webhooks.definitions import DefinitionRow
from receiver.webhooks.keys import Scope

Origin = Annotated[
    Literal["api", "code"], Query(description="`code` is for `webhooks deploy` and needs a key of scope admin.")
]
Definition = Annotated[
    dict[str, Any],
    Body(
        description="The definition; docs/webhooks.md names its fields. A plain `verification.secret` is put into a "
        "Prefect block and only the reference is kept.",
        examples=[{"key": "crm", "deployment": "crm-sync/crm-sync", "verification": {"scheme": "none"}}],
    ),
]


class Stats(BaseModel):
    """How many deliveries there are."""

    total: int
    by_status: dict[str, int] = Field(description="By status, only those that occur.")


class WebhookView(BaseModel):
    """A webhook: the fields of its definition, and what the receiver knows of it."""

    model_config = ConfigDict(extra="allow")

    key: str
    url: str = Field(description="Where it is called; braces stand for path parameters.")
    state: str = Field(description="`enabled`, `paused` or `disabled`.")
    origin: str = Field(description="`code` when a flow's decorator defines it, else `api`.")
    revision: int = Field(description="Grows with each change of the definition; deliveries name it.")
    created_at: datetime
    updated_at: datetime
    warnings: list[str] = Field(default=[], description="What would not work yet.")
    stats: Stats | None = None


class SampleRequest(BaseModel):
    """A request to be signed and sent to the webhook."""

    method: str | None = Field(default=None, max_length=10)
    headers: list[tuple[str, str]] = Field(default=[], max_length=100)
    query: str = Field(default="", max_length=8000)
    body_base64: str | None = Field(default=None, description="The body's bytes in Base64.")
    example: str | None = Field(default=None, max_length=100)


class SampleAnswer(BaseModel):
    """What a sender would have got."""

    status: int
    headers: list[tuple[str, str]]
    body: str | None = Field(description="The body, null where it is not text.")
    body_base64: str | None = Field(description="The body's bytes where they are not text.")
    delivery_id: str | None


def webhooks_router(services: AdminServices, route_class: type[APIRoute]) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api/admin/webhooks", tags=["webhooks"], route_class=route_class, dependencies=[BEARER])
    desk = _Desk(services)

    @router.get("", responses=documented(), openapi_extra=needs(Scope.READ), summary="List webhooks")
    async def list_webhooks(limit: Limit = 50, cursor: Cursor = None) -> Page[WebhookView]:
        rows = sorted(await services.definitions.all(), key=lambda row: row.key)
        return slice_page([desk.view(row) for row in rows], "key", limit, cursor)

    @router.post(
        "", status_code=201, responses=documented(409, 503), openapi_extra=needs(Scope.WRITE), summary="Create"
    )
    async def create_webhook(definition: Definition, who: Caller, response: Response) -> WebhookView:
        definition = {"key": generate_key(), **definition}
        key = str(definition["key"])
        if await services.definitions.get(key) is not None:
            raise Problem(409, f"There is a webhook '{key}' already. Change it with PUT or PATCH.")
        view = await desk.put(key, definition, None, by=_author(who.scope), origin="api", actor=who.name)
        response.headers["Location"] = f"/api/admin/webhooks/{key}"
        return view

    @router.get("/{key}", responses=documented(404), openapi_extra=needs(Scope.READ), summary="Show one with its stats")
    async def get_webhook(key: str) -> WebhookView:
        view = desk.view(await desk.existing(key))
        return view.model_copy(update={"stats": Stats(**await services.deliveries.stats(key))})

    @router.put("/{key}", responses=documented(409, 503), openapi_extra=needs(Scope.WRITE), summary="Make or replace")
    async def put_webhook(key: str, definition: Definition, who: Caller, origin: Origin = "api") -> WebhookView:
        known = await services.definitions.get(key)
        if origin == "code":
            who.require(Scope.ADMIN)
            if known is not None and known.origin != "code":
                raise Problem(409, f"'{key}' was not made by code. Delete it, or give the flow's webhook another key.")
        elif known is not None:
            _refuse_code(known)
        if str(definition.get("key", key)) != key:
            raise DefinitionError("key", f"the address says '{key}'; leave it out or say the same")
        by: Author = "code" if origin == "code" else _author(who.scope)
        return await desk.put(key, {**definition, "key": key}, known, by=by, origin=origin, actor=who.name)

    @router.patch("/{key}", responses=documented(404, 409, 503), openapi_extra=needs(Scope.WRITE), summary="Change")
    async def patch_webhook(key: str, changes: Definition, who: Caller) -> WebhookView:
        known = await desk.existing(key)
        if set(changes) == {"state"}:
            parse_definition({**known.definition, "state": changes["state"]}, by="code")
            row = await services.definitions.set_state(key, changes["state"], services.now())
            await services.catalog.refresh()
            return desk.view(row or known)
        _refuse_code(known)
        if "key" in changes and changes["key"] != key:
            raise DefinitionError("key", "cannot be changed: make another webhook")
        merged = {name: value for name, value in {**known.definition, **changes}.items() if value is not None}
        return await desk.put(key, merged, known, by=_author(who.scope), origin="api", actor=who.name)

    @router.delete("/{key}", status_code=204, responses=documented(404, 409), openapi_extra=needs(Scope.WRITE))
    async def delete_webhook(key: str, who: Caller, origin: Origin = "api") -> None:
        """Delete a webhook. Its deliveries stay."""
        known = await desk.existing(key)
        if origin == "code":
            who.require(Scope.ADMIN)
        else:
            _refuse_code(known)
        await services.definitions.delete(key, services.now())
        await services.catalog.refresh()

    @router.post("/{key}/send", responses=documented(404), openapi_extra=needs(Scope.WRITE), summary="Send a sample")
    async def send_sample(key: str, sample: SampleRequest) -> SampleAnswer:
        """Sign a request as the webhook's sender would, and take it in like any other."""
        await desk.existing(key)
        try:
            body = None if sample.body_base64 is None else base64.b64decode(sample.body_base64, validate=True)
        except binascii.Error:
            raise DefinitionError("body_base64", "is not Base64") from None
        answer = await services.intake.send(
            key,
            Sample(method=sample.method, headers=sample.headers, query=sample.query, body=body, example=sample.example),
        )
        text = _text(answer.body)
        return SampleAnswer(
            status=answer.status,
            headers=list(answer.headers),
            body=text,
            body_base64=base64.b64encode(answer.body).decode() if text is None else None,
            delivery_id=dict(answer.headers).get("webhook-delivery-id"),
        )

    return router


class _Desk:
    """What the routes share: checking, keeping secrets apart, and telling what is stored."""

    def __init__(self, services: AdminServices) -> None:
        self._services = services

    async def existing(self, key: str) -> DefinitionRow:
        row = await self._services.definitions.get(key)
        if row is None:
            raise Problem(404, f"There is no webhook '{key[:100]}'. GET /api/admin/webhooks lists them.")
        return row

    async def put(
        self,
        key: str,
        fields: Mapping[str, Any],
        known: DefinitionRow | None,
        *,
        by: Author,
        origin: Literal["api", "code"],
        actor: str,
    ) -> WebhookView:
        services = self._services
        others = {_secret_of(row) for row in await services.definitions.all() if row.key != key} - {None}
        safe, plain = take_out_secret(
            fields,
            key=key,
            current=_secret_of(known) if known else None,
            others=[other for other in others if other],
            suffix=secrets.token_hex(4),
        )
        definition = parse_definition(safe, by=by)
        await services.check_definition(definition)
        if plain is not None:
            await services.vault.store(plain.block, plain.value)
        stored = definition.to_json()
        if "state" not in fields:
            stored.pop("state", None)
        row = await services.definitions.put(stored, key=key, origin=origin, actor=actor, now=services.now())
        await services.catalog.refresh()
        return self.view(row, await self._warnings(definition.deployment))

    def view(self, row: DefinitionRow, warnings: list[str] | None = None) -> WebhookView:
        path = row.definition.get("path") or row.key
        return WebhookView(
            **{
                **row.definition,
                "key": row.key,
                "url": f"{self._services.base_url}/api/webhooks/{path}",
                "state": row.state,
                "origin": row.origin,
                "revision": row.revision,
                "created_at": row.created_at,
                "updated_at": row.updated_at,
                "warnings": warnings or [],
            }
        )

    async def _warnings(self, deployment: str | None) -> list[str]:
        if deployment is None:
            return []
        try:
            if await self._services.deployments.resolve_deployment(deployment) is not None:
                return []
        except PrefectUnavailable:
            return ["Prefect does not answer now, so it is not known whether the deployment exists."]
        return [f"Prefect has no deployment {deployment!r} yet: deliveries wait until it appears."]


def _author(scope: Scope) -> Author:
    return "admin" if scope is Scope.ADMIN else "write"


def _secret_of(row: DefinitionRow) -> str | None:
    secret = (row.definition.get("verification") or {}).get("secret")
    return secret if isinstance(secret, str) else None


def _refuse_code(row: DefinitionRow) -> None:
    if row.origin == "code":
        raise Problem(
            409,
            f"'{row.key}' is defined in code. Change the flow's @webhook and run `webhooks deploy`; here only its "
            "`state` can be changed.",
        )


def _text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None
