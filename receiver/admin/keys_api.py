"""`/api/admin/keys`: the keys of the admin API. A key itself is answered once, when it is made."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field, StringConstraints

from receiver.admin.guard import BEARER, needs
from receiver.admin.paging import Cursor, Limit, Page, slice_page
from receiver.admin.problems import Problem, documented
from receiver.admin.services import AdminServices
from receiver.webhooks.keys import KeyRow, Scope


class NewKey(BaseModel):
    """A key to be made."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)] = Field(
        description="What the key is for."
    )
    scope: Scope = Field(default=Scope.READ, description="What it may do; each scope includes the ones before it.")


class KeyView(BaseModel):
    """What is known of a key, never the key."""

    id: str
    name: str
    scope: Scope
    hint: str = Field(description="The first letters of the key.")
    created_at: datetime
    last_used_at: datetime | None = Field(description="Exact to a minute.")


class MadeKey(KeyView):
    """A key that was just made."""

    key: str = Field(description="The key. It is answered this once.")


def keys_router(services: AdminServices, route_class: type[APIRoute]) -> APIRouter:
    """The routes; all of them need the scope admin."""
    router = APIRouter(prefix="/api/admin/keys", tags=["keys"], route_class=route_class, dependencies=[BEARER])
    extra = needs(Scope.ADMIN)

    @router.get("", responses=documented(), openapi_extra=extra, summary="List keys")
    async def list_keys(limit: Limit = 50, cursor: Cursor = None) -> Page[KeyView]:
        return slice_page([_view(row) for row in await services.keys.list()], "id", limit, cursor)

    @router.post("", status_code=201, responses=documented(), openapi_extra=extra, summary="Make a key")
    async def create_key(wanted: NewKey) -> MadeKey:
        row, key = await services.keys.create(wanted.name, wanted.scope, services.now())
        return MadeKey(**_view(row).model_dump(), key=key)

    @router.delete("/{key_id}", status_code=204, responses=documented(404), openapi_extra=extra, summary="Revoke a key")
    async def revoke_key(key_id: str) -> None:
        if not await services.keys.revoke(key_id, services.now()):
            raise Problem(404, "There is no such key, or it was revoked before.")

    return router


def _view(row: KeyRow) -> KeyView:
    return KeyView(
        id=row.id,
        name=row.name,
        scope=row.scope,
        hint=row.hint,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
    )
