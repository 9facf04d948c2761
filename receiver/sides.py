"""The receiver's two sides, where the admin API has a port of its own: the public one, and the one for operators."""

from __future__ import annotations

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from receiver.ingress.endpoint import for_webhooks
from receiver.security_headers import with_security_headers

_PUBLIC_BELOW = ("/api/deliveries/", "/api/approvals/")
_PUBLIC = frozenset({"/health/live", "/health/ready"})


def is_public(scope: Scope) -> bool:
    """Whether a request is for a route that strangers have."""
    path: str = scope["path"]  # decoded, as the routes see it
    return for_webhooks(scope) or path in _PUBLIC or path.startswith(_PUBLIC_BELOW)


class PublicSide:
    """The routes for strangers. Whatever else there is looks like a page that does not exist."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._https = https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if is_public(scope):
            await self._app(scope, receive, send)
        else:
            await _nothing_here(scope, receive, with_security_headers(send, https=self._https))


class AdminSide:
    """Everything but the webhooks: a sender has no business here."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._https = https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if for_webhooks(scope):
            await _nothing_here(scope, receive, with_security_headers(send, https=self._https))
        else:
            await self._app(scope, receive, send)


async def _nothing_here(scope: Scope, receive: Receive, send: Send) -> None:
    await JSONResponse({"detail": "Not Found"}, 404)(scope, receive, send)  # as FastAPI says it
