"""What a caller that waited gets: the flow's reply, or words about why there is none. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from receiver.contract.errors import BadReply, ReplyTooLarge, Unusable
from receiver.contract.reasons import Reason
from receiver.contract.reply import Reply
from receiver.deliveries.lifecycle import Status
from receiver.ingress import answers
from receiver.ingress.answers import Answer, Header
from receiver.ingress.webhook import Webhook
from receiver.replies.rendezvous import Ended, HungUp, Outcome, Replied, TimeOver

RETRY_AFTER: tuple[Header, ...] = (("retry-after", str(answers.RETRY_AFTER_SECONDS)),)


def answer(
    outcome: Outcome,
    webhook: Webhook,
    document: Mapping[str, Any],
    *,
    delivery_id: str,
    shown_id: str,
    status_url: str,
    now: datetime,
    needed: Reply | None = None,
    extra: Sequence[Header] = (),
) -> tuple[Answer, Reason | None]:
    """The answer for an outcome, and `bad_reply` when that is why it is none the flow meant.

    `delivery_id` is this request's, `shown_id` the one whose run was awaited. `needed` is the answer that the scheme's
    sender needs: what the flow itself replies and the configured response go before it.
    """
    match outcome:
        case Replied(wire):
            try:
                reply = reply_of(wire, webhook, document, now, needed)
            except (BadReply, ReplyTooLarge, Unusable):
                words = "The reply of the workflow cannot be sent."
                return _failed(500, words, delivery_id, shown_id, extra), Reason.BAD_REPLY
            return answers.replied(reply, delivery_id, extra=extra), None
        case Ended() | TimeOver() | HungUp():
            return _without_reply(outcome, webhook, needed, delivery_id, shown_id, status_url, extra), None


def _without_reply(
    outcome: Ended | TimeOver | HungUp,
    webhook: Webhook,
    needed: Reply | None,
    delivery_id: str,
    shown_id: str,
    status_url: str,
    extra: Sequence[Header],
) -> Answer:
    match outcome:
        case Ended(Status.COMPLETED) if needed is not None:
            return answers.replied(needed, delivery_id, extra=extra)
        case Ended(Status.COMPLETED):
            # A flow without @webhook sends no reply; its result may be anything, so its end is the answer.
            return answers.plain(200, {"delivery_id": shown_id, "status": "completed"}, delivery_id, extra=extra)
        case Ended(Status.DEAD):
            words = "The workflow could not be started. Send the request again later."
            return _failed(503, words, delivery_id, shown_id, [*extra, *RETRY_AFTER])
        case Ended(status):
            return _failed(500, f"The workflow {status}.", delivery_id, shown_id, extra)
        case TimeOver() | HungUp():  # who hung up sees none of it
            if webhook.on_timeout == 504:
                words = "The workflow goes on; its answer did not come in time."
                return _failed(504, words, delivery_id, shown_id, extra, status_url=status_url)
            if needed is not None:
                return answers.replied(needed, delivery_id, extra=extra)
            return answers.accepted(shown_id, status_url, header_id=delivery_id, extra=extra)


def reply_of(
    wire: Mapping[str, Any], webhook: Webhook, document: Mapping[str, Any], now: datetime, needed: Reply | None = None
) -> Reply:
    """The flow's own Reply, else the configured response over its result, else the answer that the scheme's sender
    needs, else 200 with the result as JSON.

    Raises BadReply for a reply that cannot be sent, Unusable where the response lacks something.
    """
    if wire.get("status") is not None:
        return Reply.from_wire(wire)
    body = Reply.from_wire({**wire, "status": 200}).body
    result = body.get("result") if isinstance(body, dict) else None
    if webhook.response is not None:
        return webhook.response.render(document, now, result)
    if needed is not None:
        return needed
    return Reply(status=200, body=result)


def _failed(status: int, words: str, delivery_id: str, shown_id: str, extra: Sequence[Header], **more: str) -> Answer:
    return answers.problem(status, words, delivery_id, extra, delivery_id=shown_id, **more)
