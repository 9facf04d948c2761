"""What stands before every route of the admin API: the key, a bound on the body, problems for errors."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from receiver.admin.auth import Principal
from receiver.admin.door import Door
from receiver.admin.problems import Problem, problem_from
from receiver.admin.services import AdminServices
from receiver.webhooks.keys import Scope

_SCOPE = "x-required-scope"
_BROWSER = "x-browser"
_LARGEST_BODY = 36 * 1024 * 1024
"""Room for `send` with the largest body a webhook takes, 25 MiB, in Base64."""

BEARER = Depends(HTTPBearer(auto_error=False, scheme_name="API key", description="`Authorization: Bearer whk_...`"))
"""Only tells OpenAPI how to authenticate; the guard does it."""


def needs(scope: Scope) -> dict[str, Any]:
    """The `openapi_extra` of a route that asks for a scope. A route without it asks for `admin`."""
    return {_SCOPE: scope.value}


def needs_in_a_browser(scope: Scope) -> dict[str, Any]:
    """The same for a page that is only read: the key may come as the password of HTTP Basic, which browsers ask for."""
    return {_SCOPE: scope.value, _BROWSER: True}


def caller(request: Request) -> Principal:
    """Whoever holds the key of this request."""
    principal = request.state.principal
    assert isinstance(principal, Principal)
    return principal


Caller = Annotated[Principal, Depends(caller)]


def guarded_route(services: AdminServices) -> type[APIRoute]:
    """The route class of the admin API. Nothing of a request is read before its key is known to be enough."""
    door = Door(services)

    class GuardedRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()
            scope = Scope((self.openapi_extra or {}).get(_SCOPE, Scope.ADMIN))
            in_a_browser = bool((self.openapi_extra or {}).get(_BROWSER))
            route = self.path

            async def guarded(request: Request) -> Response:
                try:
                    request.state.principal = await door.let_in(request, scope, route, in_a_browser=in_a_browser)
                    return await handle(Request(request.scope, _replay(await _bounded_body(request))))
                except Exception as error:  # noqa: BLE001 (the edge: whatever it is, the caller gets a problem)
                    return problem_from(error).response()

            return guarded

    return GuardedRoute


async def _bounded_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_BODY:
            raise Problem(413, f"The body is over {_LARGEST_BODY // 2**20} MiB.", headers={"Connection": "close"})
    return bytes(body)


def _replay(body: bytes) -> Callable[[], Coroutine[Any, Any, Message]]:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
