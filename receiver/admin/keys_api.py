"""`/api/admin/keys`: who may use this API. A key is shown once, when it is made."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Response
from fastapi.routing import APIRoute
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from receiver.admin.guard import BEARER, Caller, needs
from receiver.admin.paging import Cursor, Limit, Page, slice_page
from receiver.admin.problems import Problem, documented
from receiver.admin.services import AdminServices
from receiver.contract.quantities import parse_duration
from receiver.webhooks.keys import KeyRow, Scope

_LONGEST_LIFE = timedelta(days=3650)


def _lifetime(text: str) -> str:
    try:
        if timedelta(minutes=1) <= parse_duration(text) <= _LONGEST_LIFE:
            return text
    except (ValueError, OverflowError):  # whose words repeat what was sent
        pass
    raise ValueError(f"is a duration from 1m to {_LONGEST_LIFE.days}d, e.g. 90d or 12h")


class NewKey(BaseModel):
    """A key to be made."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "ci", "scope": "write", "expires": "90d"}]}
    )

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)] = Field(
        description="What the key is for."
    )
    scope: Scope = Field(default=Scope.READ, description="What it may do; each scope includes the ones before it.")
    expires: Annotated[str, AfterValidator(_lifetime)] | None = Field(
        default=None, description="After how long it is refused, e.g. `90d` or `12h`; left out: never."
    )


class KeyView(BaseModel):
    """What is known of a key, never the key."""

    id: str = Field(description="The key's id, to revoke it by.")
    name: str = Field(description="What it is for.")
    scope: Scope = Field(description="What it may do.")
    hint: str = Field(description="Its first letters, to tell keys apart; empty for one that was chosen elsewhere.")
    created_at: AwareDatetime = Field(description="When it was made.")
    last_used_at: AwareDatetime | None = Field(description="When it was last used, exact to a minute.")
    expires_at: AwareDatetime | None = Field(description="From when on it is refused; null: never.")


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
    async def make_key(wanted: NewKey, caller: Caller) -> MadeKey:
        now = services.now()
        expires_at = None if wanted.expires is None else now + parse_duration(wanted.expires)
        row, plain = await services.keys.create(wanted.name, wanted.scope, caller.by(), now, expires_at)
        return MadeKey(**_view(row).model_dump(), key=plain)

    @router.delete(
        "/{key_id}", status_code=204, summary="Revoke a key", responses=documented(404, 409), openapi_extra=scope
    )
    async def revoke_key(key_id: str, caller: Caller) -> Response:
        if key_id == caller.key_id:
            raise Problem(409, "This is the key you are using. Revoke it with another key of scope admin.")
        if not await services.keys.revoke(key_id, caller.by(), services.now()):
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
        expires_at=row.expires_at,
    )
