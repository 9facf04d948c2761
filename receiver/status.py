"""The public routes beside the webhooks: a delivery's status by signed URL, and health."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from receiver.deliveries.store import DeliveryStore
from receiver.deliveries.tickets import Tickets
from receiver.replies.render import as_value
from receiver.storage import StoreUnavailable

_PROBLEM: dict[str, Any] = {"application/problem+json": {}}


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """Which parts answer, and for how long the first of what is due has waited for Prefect; None when nobody knows."""

    inbox: bool
    prefect: bool
    behind_seconds: float | None


def public_router(store: DeliveryStore, tickets: Tickets, ready: Callable[[], Awaitable[Readiness]]) -> APIRouter:
    """The routes. Requests are accepted when the inbox answers; that Prefect does not is only told."""
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
        found = await ready()
        behind = None if found.behind_seconds is None else round(found.behind_seconds)
        told = {"inbox": found.inbox, "prefect": found.prefect, "behind_seconds": behind}
        status = "ready" if found.inbox else "not ready"
        return JSONResponse({"status": status, **told}, 200 if found.inbox else 503)

    return router


def _problem(status: int, title: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(
        {"type": "about:blank", "title": title, "status": status},
        status,
        media_type="application/problem+json",
        headers=headers,
    )
