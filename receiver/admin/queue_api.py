"""`/api/admin/queue`: how far the hand-over to Prefect is behind."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from receiver.admin.guard import BEARER, needs
from receiver.admin.problems import documented
from receiver.admin.services import AdminServices
from receiver.dispatch.breaker import Circuit
from receiver.webhooks.keys import Scope


class QueueView(BaseModel):
    """The hand-over to Prefect, now."""

    model_config = ConfigDict(from_attributes=True)

    behind_seconds: float = Field(description="How long the first of what is due has been due; 0 when nothing is.")
    circuit: Circuit = Field(description="`open` while Prefect is not asked since it does not answer; of this process.")
    at_once: int = Field(description="How many hand-overs this process makes at the same time, as Prefect takes them.")


def queue_router(services: AdminServices, route_class: type[APIRoute]) -> APIRouter:
    """The route of the queue."""
    router = APIRouter(prefix="/api/admin/queue", tags=["deliveries"], route_class=route_class, dependencies=[BEARER])

    @router.get(
        "",
        summary="How far the hand-over to Prefect is behind",
        responses=documented(),
        openapi_extra=needs(Scope.READ),
    )
    async def get_queue() -> QueueView:
        """Quick however much waits. 503 while the inbox cannot be read."""
        return QueueView.model_validate(await services.queue())

    return router
