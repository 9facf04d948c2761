"""`/metrics`: the figures of this process, for Prometheus."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.responses import Response

from receiver.admin.guard import BEARER, needs
from receiver.admin.problems import documented
from receiver.admin.services import AdminServices
from receiver.metrics import CONTENT_TYPE
from receiver.webhooks.keys import Scope

_TEXT: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {}}, "description": "Prometheus's text format."}
}


def metrics_router(services: AdminServices, route_class: type[APIRoute]) -> APIRouter:
    """The route of the figures."""
    router = APIRouter(tags=["metrics"], route_class=route_class, dependencies=[BEARER])

    @router.get(
        "/metrics",
        summary="Figures for Prometheus",
        response_class=Response,
        responses={**documented(), **_TEXT},
        openapi_extra=needs(Scope.READ),
    )
    async def metrics() -> Response:
        """Requests are this process's, the queue is everybody's. 503 while the inbox cannot be read."""
        return Response(await services.metrics(), media_type=CONTENT_TYPE)

    return router
