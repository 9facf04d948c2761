"""What is kept of a request from a chat, and how the chat hears what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Column, DateTime, MetaData, String, Table, Text

from flows.chat_request import spoken, was_taken
from flows.nodes import ServiceError, http_request, notify

CHAT_REQUESTS = Table(
    "chat_requests",
    MetaData(),
    Column("run", String(36), primary_key=True),
    Column("platform", String(20), nullable=False),
    Column("sender", String(100), nullable=False),
    Column("wish", Text, nullable=False),
    Column("reply_url", Text),
    Column("outcome", String(20), nullable=False),
    Column("comment", Text),
    Column("received_at", DateTime(timezone=True), nullable=False),
)
"""One row for each question. `outcome` is `asked`, and then once and for good `approved`, `refused` or `expired`."""


async def answer(request: Mapping[str, Any], text: str, *, room: str | None, relay: str | None) -> str:
    """Tell the chat, and how it was told: `chat`, `room`, or `nobody`.

    The answer goes to the address that came with the message. Where there is none, or the chat does not take it any
    more (Slack's is good for half an hour), the block `room` says it. `relay` is the `http-service` that is called in
    place of the chat's own host, where this machine does not reach it.
    """
    platform, url = request["platform"], request["reply_url"]
    if url is not None:
        parts = urlsplit(url)
        target = url if relay is None else f"{parts.path}?{parts.query}".removesuffix("?")
        try:
            told = await http_request("POST", target, json=spoken(platform, text), service=relay)
            if was_taken(platform, told):
                return "chat"
        except ServiceError as error:
            print(f"the chat did not take the answer: {type(error).__name__}")  # noqa: T201 (log_prints)
    if room is not None:
        await notify(room, "Deployment", text)
        return "room"
    print(f"nobody could be told: {text}")  # noqa: T201 (log_prints)
    return "nobody"
