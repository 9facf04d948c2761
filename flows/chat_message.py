"""Somebody asks in a chat for a deployment; it starts once a person has approved it, and the chat hears of it.

In Slack: make an app with a slash command (`/ops`), give it this webhook's URL as request URL, and put the app's
signing secret into the block `webhook-secret/slack`. Then type `/ops deploy lantern-works/site 5c0d3a9e`. Messages of
DingTalk and WeCom have webhooks of their own for the same deployment (schemes `dingtalk-robot` and `wecom`).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from flows.chat_answer import CHAT_REQUESTS, answer
from flows.chat_request import USAGE, Message, Wish, read_message, read_wish
from flows.nodes import approval, create_record, notify, start_deployment, update_record
from receiver import Context, webhook

_GRACE = timedelta(minutes=1)
"""So much later than the question ends it is told that nobody has decided."""


@webhook(
    "chat-message",
    verification={"scheme": "slack", "secret": "block:webhook-secret/slack"},
    filter="has(context.data.command) || (has(context.data.event) && context.data.event.type == 'app_mention'"
    " && !has(context.data.event.bot_id))",
    response={
        "status": 200,
        "body": {"response_type": "ephemeral", "text": "One moment: you will read here what becomes of it."},
    },
)
@flow(log_prints=True)
async def chat_message(
    context: Context,
    approvers: str = "smtp/default",
    room: str | None = None,
    deployment: str = "deploy-site/deploy-site",
    expiry: str = "chat-expiry/chat-expiry",
    hours: float = 24,
    relay: str | None = None,
) -> dict[str, Any]:
    """Ask `approvers` (a block) whether `deployment` may start as the message wants it, and tell the chat.

    The run is suspended meanwhile, and starts anew from here when somebody has decided.
    """
    message = read_message(context.data)
    wish = read_wish(message.text)
    if wish is None:
        told = await answer(vars(message), USAGE, room=room, relay=relay)
        return {"outcome": "not understood", "told": told}
    run = str(flow_run.id)
    await create_record(CHAT_REQUESTS, asked(message, wish, run, context.received_at), unique=["run"])
    question = f"{message.sender} asks in {message.platform} for {wish.words}. May it start?"

    async def tell(url: str) -> None:
        late = datetime.now(UTC) + timedelta(hours=hours) + _GRACE
        await start_deployment(expiry, {"run": run, "room": room, "relay": relay}, at=late)
        await notify(approvers, f"Please decide on {wish.words}", f"{question}\n\nDecide here: {url}")

    decision = await approval(question, tell, expires=timedelta(hours=hours))
    outcome = "approved" if decision.approved else "refused"
    # Not when the chat has read that nobody decided; again when this run is repeated.
    values = {"outcome": outcome, "comment": decision.comment}
    kept = await update_record(CHAT_REQUESTS, values, where={"run": run, "outcome": {"in": ["asked", outcome]}})
    if not kept["found"]:
        await notify(approvers, f"Too late for {wish.words}", "The chat has read that nobody decided. Nothing starts.")
        return {"outcome": "expired", "told": "approvers"}
    text = f"{message.sender}: {wish.words} was {outcome}."
    if decision.approved:
        started = await start_deployment(deployment, wish.parameters())
        text += f" It has started as {started['name']}."
    if decision.comment:
        text += f" {decision.comment}"
    return {"outcome": outcome, "told": await answer(kept["record"], text, room=room, relay=relay)}


def asked(message: Message, wish: Wish, run: str, received_at: datetime) -> dict[str, Any]:
    """The row of a question that is asked now."""
    return {
        "run": run,
        "platform": message.platform,
        "sender": message.sender,
        "wish": wish.words,
        "reply_url": message.reply_url,
        "outcome": "asked",
        "received_at": received_at,
    }
