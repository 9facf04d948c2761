"""Answering the waiting caller: the reply leaves the flow's own process as a Prefect event, once for each attempt.

So it works on every kind of worker, and whichever receiver waits hears it. Prefect is imported when it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from receiver.contract.errors import BadReply, WebhooksError
from receiver.contract.reply import Reply

REPLY_EVENT = "webhooks.reply"
RESOURCE = "webhooks.delivery."


@dataclass
class Caller:
    """Whoever waits for this run: of which delivery, and which attempt."""

    delivery_id: str
    attempt: int
    answered: bool = False


_CALLER: ContextVar[Caller | None] = ContextVar("webhooks_caller", default=None)


def respond(status: int | Reply = 200, body: Any = None, headers: dict[str, str] | None = None) -> None:
    """Answer the waiting caller now and go on with the flow. Once; what the flow returns is then no reply any more.

    In place of a status, a whole `Reply`: `respond(Reply.file(...))`. Without a waiting caller (mode `async`, a test)
    it only checks the reply. Raises BadReply and ReplyTooLarge as `Reply` does, WebhooksError at the second call.
    """
    if isinstance(status, Reply) and not (body is None and headers is None):
        raise BadReply("respond takes a Reply alone, or status, body and headers")
    reply = status if isinstance(status, Reply) else Reply(status=status, body=body, headers=headers)
    caller = _CALLER.get()
    if caller is None:
        return
    if caller.answered:
        raise WebhooksError("this run has answered already: respond() is for one call, and a reply is sent once")
    _send(caller, reply.to_wire())


@contextmanager
def caller_of(caller: Caller | None) -> Iterator[Callable[[Any], None]]:
    """Within it `respond` answers this caller, when one waits; it gives what answers with a result.

    A flow that another one calls has no caller of its own: its `respond` is for the caller of the outer one, and its
    result is for the outer flow.
    """
    if _CALLER.get() is not None:
        yield _answer_nobody
        return
    token = _CALLER.set(caller)
    try:
        yield _answer_with
    finally:
        _CALLER.reset(token)


def caller_of_this_run(key: str) -> Caller | None:
    """The caller of the run under way, from what the receiver wrote on it: the tags and the idempotency key.

    None outside a run, and for a run that this webhook did not start (by hand, on a schedule, by another webhook).
    """
    from prefect.context import FlowRunContext

    under_way = FlowRunContext.get()
    run = under_way.flow_run if under_way else None
    delivery_id, _, attempt = ((run.idempotency_key if run else None) or "").rpartition(":")
    if run is None or not {f"webhook:{key}", f"delivery:{delivery_id}"} <= set(run.tags):
        return None
    return Caller(delivery_id, int(attempt)) if attempt.isascii() and attempt.isdigit() else None


def _answer_nobody(result: Any) -> None:
    """The result is for the flow around this one."""


def _answer_with(result: Any) -> None:
    """Answer with what the flow returned, when a caller waits and got no answer yet. Raises BadReply, ReplyTooLarge."""
    caller = _CALLER.get()
    if caller is None or caller.answered:
        return
    if isinstance(result, Reply):
        _send(caller, result.to_wire())
        return
    try:
        wire = Reply(body=None if result is None else {"result": result}).to_wire()
    except BadReply as error:
        raise BadReply(
            f"a caller waits for this flow, and what it returned cannot be sent as JSON: {error}. Return a Reply."
        ) from None
    _send(caller, {**wire, "status": None})


def _send(caller: Caller, wire: dict[str, Any]) -> None:
    from prefect.events import emit_event
    from prefect.runtime import flow_run

    caller.answered = True
    emit_event(
        event=REPLY_EVENT,
        resource={"prefect.resource.id": f"{RESOURCE}{caller.delivery_id}"},
        payload={**wire, "attempt": caller.attempt, "flow_run_id": flow_run.get_id()},
    )
