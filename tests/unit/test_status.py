"""The status URL when the inbox cannot be read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
from fastapi import FastAPI

from receiver.deliveries.tickets import Tickets
from receiver.status import Readiness, public_router
from receiver.storage import StoreUnavailable


async def test_an_inbox_that_cannot_be_read_is_503_and_a_forged_token_404():
    class Away:
        async def get(self, delivery_id: str) -> Any:
            raise StoreUnavailable("the inbox cannot be read: a path of ours")

    async def ready() -> Readiness:
        return Readiness(inbox=False, prefect=True, behind_seconds=None)

    store: Any = Away()
    tickets = Tickets(b"k" * 32)
    app = FastAPI()
    app.include_router(public_router(store, tickets, ready))
    token = tickets.make("d", datetime.now(UTC))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://receiver.test") as http:
        answer = await http.get("/api/deliveries/d", params={"token": token})
        assert answer.status_code == 503 and answer.headers["retry-after"] and "of ours" not in answer.text
        assert (await http.get("/api/deliveries/d", params={"token": "1.2"})).status_code == 404
        assert (await http.get("/health/ready")).status_code == 503
