"""Tells a chat that nobody has decided in time. `chat_message` starts it for later with each question it asks."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.chat_answer import CHAT_REQUESTS, answer
from flows.nodes import update_record


@flow(log_prints=True)
async def chat_expiry(run: str, room: str | None = None, relay: str | None = None) -> dict[str, Any]:
    """End the question of that run, unless it was decided; Prefect itself has failed the run then."""
    kept = await update_record(CHAT_REQUESTS, {"outcome": "expired"}, where={"run": run, "outcome": "asked"})
    if not kept["found"]:
        return {"outcome": "decided", "told": "nobody"}
    request = kept["record"]
    text = f"{request['sender']}: {request['wish']} was not decided in time. Ask again."
    return {"outcome": "expired", "told": await answer(request, text, room=room, relay=relay)}
