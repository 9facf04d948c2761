"""`/api/admin/audit`: who changed what, when, from where."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.routing import APIRoute
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from receiver.admin.deliveries_api import Moment
from receiver.admin.guard import BEARER, needs
from receiver.admin.paging import MOST_ITEMS, Page
from receiver.admin.problems import documented
from receiver.admin.services import AdminServices
from receiver.admin.webhook_models import FieldChange
from receiver.webhooks.audit import Action, AuditEntry, AuditFilter
from receiver.webhooks.keys import Scope


class AuditQuery(BaseModel):
    """Which entries are listed. A parameter that is not known is refused: it would list what nobody asked for."""

    model_config = ConfigDict(extra="forbid")

    since: Moment | None = Field(default=None, description="At or after this time.")
    until: Moment | None = Field(default=None, description="Before this time.")
    action: Action | None = Field(default=None, description="Of this action, e.g. `webhook.delete`.")
    object: str | None = Field(
        default=None, max_length=500, description="Of this webhook's key, API key's id or delivery's id."
    )
    limit: int = Field(default=50, ge=1, le=MOST_ITEMS, description=f"Items in a page, at most {MOST_ITEMS}.")
    cursor: int | None = Field(default=None, ge=1, lt=2**63, description="`next_cursor` of the page before.")


class AuditView(BaseModel):
    """An administrative change."""

    id: int = Field(description="The entry's number; later ones are greater.")
    at: AwareDatetime = Field(description="When.")
    action: Action = Field(description="What was done.")
    object: str = Field(description="To which webhook (its key), API key (its id) or delivery (its id).")
    origin: str = Field(
        description="`api`; `code` for what `webhooks deploy` did; `settings` for what a receiver's settings do."
    )
    key_id: str | None = Field(description="The id of the API key that did it; null for settings.")
    key_name: str = Field(description="Its name, or the setting's.")
    address: str = Field(description="The client's address; empty for settings.")
    revision_before: int | None = Field(description="The definition's revision before; null where it is not about one.")
    revision_after: int | None = Field(description="And after.")
    changes: list[FieldChange] = Field(description="The fields that changed. Secrets are references.")


def audit_router(services: AdminServices, route_class: type[APIRoute]) -> APIRouter:
    """The route of the audit log."""
    router = APIRouter(prefix="/api/admin/audit", tags=["audit"], route_class=route_class, dependencies=[BEARER])

    @router.get(
        "",
        summary="Who changed what, latest first",
        responses=documented(),
        openapi_extra=needs(Scope.ADMIN),
    )
    async def list_audit(asked: Annotated[AuditQuery, Query()]) -> Page[AuditView]:
        """Entries are kept for 400 days. Reading is not entered."""
        which = AuditFilter(action=asked.action, object=asked.object, since=asked.since, until=asked.until)
        entries, below = await services.audit.list(which, asked.limit, asked.cursor)
        return Page(items=[_view(entry) for entry in entries], next_cursor=None if below is None else str(below))

    return router


def _view(entry: AuditEntry) -> AuditView:
    told: dict[str, Any] = {
        name: getattr(entry, name) for name in ("id", "at", "action", "object", "revision_before", "revision_after")
    }
    changes = [FieldChange(field=each.field, before=each.before, after=each.after) for each in entry.changes]
    by = entry.by
    return AuditView(**told, origin=by.origin, key_id=by.key_id, key_name=by.name, address=by.address, changes=changes)
