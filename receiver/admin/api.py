"""The admin API as one router: `admin_router(services)` has `/api/admin/...`, `/openapi.json` and `/docs`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Match, Route

from receiver.admin.check_api import check_router
from receiver.admin.deliveries_api import deliveries_router
from receiver.admin.guard import guarded_route, needs
from receiver.admin.keys_api import keys_router
from receiver.admin.problems import Problem, ProblemModel
from receiver.admin.runs_api import runs_router
from receiver.admin.services import AdminServices
from receiver.admin.stats_api import stats_router
from receiver.admin.webhooks_api import webhooks_router
from receiver.webhooks.keys import Scope

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_DESCRIPTION = """Webhooks, the deliveries they took, and the keys of this API.

Send a key with each request: `Authorization: Bearer whk_...`. Scopes are `read`, `write` and `admin`; each includes
the ones before it. Every error is `application/problem+json` (RFC 9457). Times are ISO 8601 in UTC. Lists are answered
in pages: pass `next_cursor` as `cursor` until it is null. No answer ever holds a secret.
"""
_TAGS = [
    {"name": "webhooks", "description": "What may be called, how it is verified and which deployment it runs."},
    {"name": "deliveries", "description": "Every request that came, refused ones too, and what became of it."},
    {"name": "keys", "description": "The keys of this API."},
    {"name": "check", "description": "What would not work, and what mends it."},
]


def admin_router(services: AdminServices) -> APIRouter:
    """Everything behind an API key. Include it in an app that was made with `openapi_url=None, docs_url=None`."""
    route_class = guarded_route(services)
    makers = (webhooks_router, deliveries_router, runs_router, stats_router, keys_router, check_router)
    parts = [make(services, route_class) for make in makers]
    router = APIRouter(route_class=route_class)
    for part in parts:
        router.include_router(part)
    _add_documents(router)
    _add_refusals(router, [route for part in parts for route in part.routes])
    return router


def openapi_document(app: FastAPI, version: str) -> dict[str, Any]:
    """The OpenAPI description of the app's routes."""
    document = get_openapi(
        title="Webhooks for Prefect", version=version, description=_DESCRIPTION, routes=app.routes, tags=_TAGS
    )
    components = document.setdefault("components", {}).setdefault("schemas", {})
    components["Problem"] = ProblemModel.model_json_schema()
    return document


def _add_documents(router: APIRouter) -> None:
    @router.get("/openapi.json", include_in_schema=False, openapi_extra=needs(Scope.READ))
    async def openapi_json(request: Request) -> JSONResponse:
        from importlib.metadata import version

        return JSONResponse(openapi_document(request.app, version("prefect-webhooks")))

    @router.get("/docs", include_in_schema=False, openapi_extra=needs(Scope.READ))
    async def docs(request: Request) -> Response:
        # A page that loads a viewer from elsewhere would hand this machine's API to whoever serves it.
        return PlainTextResponse(outline(openapi_document(request.app, "")))


def outline(document: dict[str, Any]) -> str:
    """The routes of an OpenAPI document as text, a line each."""
    width = max(map(len, document["paths"])) + 2
    lines = ["The admin API; GET /openapi.json has it whole.", ""]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            scope = operation.get("x-required-scope", "-")
            lines.append(f"{method.upper():<8}{path:<{width}}{scope:<8}{operation.get('summary', '')}")
    return "\n".join(lines) + "\n"


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
