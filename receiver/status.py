"""The public routes beside the webhooks: a delivery's status by signed URL, and health."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from receiver.deliveries.store import DeliveryStore
from receiver.deliveries.tickets import Tickets
from receiver.replies.render import as_value
from receiver.storage import StoreUnavailable

_PROBLEM: dict[str, Any] = {"application/problem+json": {}}


def public_router(store: DeliveryStore, tickets: Tickets, ready: Callable[[], Awaitable[dict[str, bool]]]) -> APIRouter:
    """The routes. `ready` tells of each part whether it answers; requests are accepted when the inbox does."""
    router = APIRouter(tags=["public"])

    @router.get(
        "/api/deliveries/{delivery_id}",
        summary="A delivery's status, by the URL its sender was given",
        responses={
            404: {"description": "The token is not good for it.", "content": _PROBLEM},
            503: {"description": "The inbox cannot be read.", "content": _PROBLEM},
        },
    )
    async def delivery_status(delivery_id: str, token: str = "") -> JSONResponse:
        try:
            if tickets.good(delivery_id, token, datetime.now(UTC)):
                delivery = await store.get(delivery_id)
                if delivery is not None:
                    body: dict[str, Any] = {"delivery_id": delivery_id, "status": delivery.status}
                    if (wire := await store.reply(delivery_id)) is not None:
                        body["reply"] = as_value(wire)
                    return JSONResponse(body)
        except StoreUnavailable:
            return _problem(503, "Try again", {"Retry-After": "5"})
        return _problem(404, "Not found")

    @router.get("/health/live", summary="Whether the process answers")
    async def live() -> dict[str, str]:
        return {"status": "alive"}

    @router.get(
        "/health/ready",
        summary="Whether requests are accepted",
        responses={503: {"description": "They are not.", "content": {"application/json": {}}}},
    )
    async def health() -> JSONResponse:
        parts = await ready()
        good = parts["inbox"]
        return JSONResponse({"status": "ready" if good else "not ready", **parts}, 200 if good else 503)

    return router


def _problem(status: int, title: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(
        {"type": "about:blank", "title": title, "status": status},
        status,
        media_type="application/problem+json",
        headers=headers,
    )
