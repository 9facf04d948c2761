"""`/api/admin/address`: where the receiver is for the world outside."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from receiver.admin.guard import BEARER, needs
from receiver.admin.problems import documented
from receiver.admin.services import AdminServices
from receiver.webhooks.keys import Scope


class Address(BaseModel):
    """The receiver's public address."""

    url: str = Field(description="Without a trailing slash; links for people and senders begin with it.")


def address_router(services: AdminServices, route_class: type[APIRoute]) -> APIRouter:
    """The route of the address."""
    router = APIRouter(prefix="/api/admin/address", tags=["check"], route_class=route_class, dependencies=[BEARER])

    @router.get("", summary="The receiver's public address", responses=documented(), openapi_extra=needs(Scope.READ))
    async def address() -> Address:
        """Flows make links of it that people open."""
        return Address(url=services.base_url)

    return router
