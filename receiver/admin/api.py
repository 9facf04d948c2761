"""The admin API as one router: `admin_router(services)` has `/api/admin/...`, `/openapi.json` and `/docs`."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route

from receiver.admin.address_api import address_router
from receiver.admin.alerts_api import alerts_router
from receiver.admin.audit_api import audit_router
from receiver.admin.check_api import check_router
from receiver.admin.deliveries_api import deliveries_router
from receiver.admin.docs_api import add_documents
from receiver.admin.guard import guarded_route, needs
from receiver.admin.keys_api import keys_router
from receiver.admin.metrics_api import metrics_router
from receiver.admin.problems import Problem
from receiver.admin.queue_api import queue_router
from receiver.admin.replay_api import replay_router
from receiver.admin.runs_api import runs_router
from receiver.admin.services import AdminServices
from receiver.admin.stats_api import stats_router
from receiver.admin.upkeep_api import upkeep_router
from receiver.admin.webhooks_api import webhooks_router
from receiver.webhooks.keys import Scope

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def admin_router(services: AdminServices) -> APIRouter:
    """Everything behind an API key. Include it in an app that was made with `openapi_url=None, docs_url=None`."""
    route_class = guarded_route(services)
    makers = (
        *(webhooks_router, deliveries_router, replay_router, runs_router, stats_router, keys_router, check_router),
        *(audit_router, address_router, metrics_router, queue_router, alerts_router, upkeep_router),
    )
    parts = [make(services, route_class) for make in makers]
    router = APIRouter(route_class=route_class)
    for part in parts:
        router.include_router(part)
    add_documents(router, services)
    _add_refusals(router, [route for part in parts for route in part.routes])
    return router


def _add_refusals(router: APIRouter, known: Sequence[BaseRoute]) -> None:
    """What no route takes is a problem too: 405 with Allow where another method would do, else 404."""

    @router.api_route(
        "/api/admin/{rest:path}", methods=_METHODS, include_in_schema=False, openapi_extra=needs(Scope.READ)
    )
    async def refuse(request: Request) -> Response:
        allowed = {
            method
            for route in known
            if isinstance(route, Route) and route.matches(request.scope)[0] is Match.PARTIAL
            for method in route.methods or ()
        }
        if allowed:
            names = ", ".join(sorted(allowed))
            raise Problem(405, f"{request.method} is not for this; {names} would be.", headers={"Allow": names})
        raise Problem(404, "There is no such route. GET /docs lists them.")
