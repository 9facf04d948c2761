"""`/openapi.json` and `/docs`: what may be called and how, as the definitions are now."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from receiver.admin.docs_page import HEADERS, page
from receiver.admin.guard import needs_in_a_browser
from receiver.admin.openapi import add_webhooks, openapi_document
from receiver.admin.services import AdminServices
from receiver.webhooks.keys import Scope

_READ = needs_in_a_browser(Scope.READ)


def add_documents(router: APIRouter, services: AdminServices) -> None:
    """Add both routes. A browser asks for the key itself: any user name, the key as the password."""

    async def document(request: Request) -> dict[str, Any]:
        rows = await services.definitions.all()
        routes = openapi_document(request.app, version("prefect-webhooks"))
        # In a thread: an example is looked for in every schema that was not seen before.
        return await asyncio.to_thread(add_webhooks, routes, rows, services.deployments.known)

    @router.get("/openapi.json", include_in_schema=False, openapi_extra=_READ)
    async def openapi_json(request: Request) -> JSONResponse:
        return JSONResponse(await document(request))

    @router.get("/docs", include_in_schema=False, openapi_extra=_READ)
    async def docs(request: Request) -> Response:
        described = await document(request)
        if "text/html" in request.headers.get("accept", ""):
            return HTMLResponse(page(described, services.base_url), headers=HEADERS)
        return PlainTextResponse(outline(described))


def outline(document: dict[str, Any]) -> str:
    """The routes of an OpenAPI document as text, a line each."""
    width = max(map(len, document["paths"])) + 2
    lines = ["The admin API and the webhooks; GET /openapi.json has it whole.", ""]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            scope = operation.get("x-required-scope", "-")
            lines.append(f"{method.upper():<8}{path:<{width}}{scope:<8}{operation.get('summary', '')}")
    return "\n".join(lines) + "\n"
