"""`/api/admin/keys`: who may use this API. A key is shown once, when it is made."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response
from fastapi.routing import APIRoute
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from receiver.admin.guard import BEARER, Caller, needs
from receiver.admin.paging import Cursor, Limit, Page, slice_page
from receiver.admin.problems import Problem, documented
from receiver.admin.services import AdminServices
from receiver.webhooks.keys import KeyRow, Scope


class NewKey(BaseModel):
    """A key to be made."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "ci", "scope": "write"}]})

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)] = Field(
        description="What the key is for."
    )
    scope: Scope = Field(default=Scope.READ, description="What it may do; each scope includes the ones before it.")


class KeyView(BaseModel):
    """What is known of a key, never the key."""

    id: str = Field(description="The key's id, to revoke it by.")
    name: str = Field(description="What it is for.")
    scope: Scope = Field(description="What it may do.")
    hint: str = Field(description="Its first letters, to tell keys apart; empty for one that was chosen elsewhere.")
    created_at: AwareDatetime = Field(description="When it was made.")
    last_used_at: AwareDatetime | None = Field(description="When it was last used, exact to a minute.")


class MadeKey(KeyView):
    """A new key, shown this once."""

    key: str = Field(description="The key itself. Keep it: nobody can see it again.")


def keys_router(services: AdminServices, route_class: type[APIRoute]) -> APIRouter:
    """The routes of the keys; all ask for scope admin."""
    router = APIRouter(prefix="/api/admin/keys", tags=["keys"], route_class=route_class, dependencies=[BEARER])
    scope = needs(Scope.ADMIN)

    @router.get("", summary="List the keys", responses=documented(), openapi_extra=scope)
    async def list_keys(limit: Limit = 100, cursor: Cursor = None) -> Page[KeyView]:
        return slice_page([_view(row) for row in await services.keys.list()], "id", limit, cursor)

    @router.post("", status_code=201, summary="Make a key", responses=documented(), openapi_extra=scope)
    async def make_key(wanted: NewKey) -> MadeKey:
        row, plain = await services.keys.create(wanted.name, wanted.scope, services.now())
        return MadeKey(**_view(row).model_dump(), key=plain)

    @router.delete(
        "/{key_id}", status_code=204, summary="Revoke a key", responses=documented(404, 409), openapi_extra=scope
    )
    async def revoke_key(key_id: str, caller: Caller) -> Response:
        if key_id == caller.key_id:
            raise Problem(409, "This is the key you are using. Revoke it with another key of scope admin.")
        if not await services.keys.revoke(key_id, services.now()):
            raise Problem(404, "There is no such key, or it was revoked before. GET /api/admin/keys lists them.")
        return Response(status_code=204)

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
