"""Answering the waiting caller: the reply leaves the flow's own process as a Prefect event, once for each attempt.

So it works on every kind of worker, and whichever receiver waits hears it. Prefect is imported when it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from receiver.contract.context import Context
from receiver.contract.errors import BadReply, WebhooksError
from receiver.contract.reply import Reply

REPLY_EVENT = "webhooks.reply"
RESOURCE = "webhooks.delivery."


class _Caller:
    """Whoever waits for this run, if anybody does."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.answered = False


_CALLER: ContextVar[_Caller | None] = ContextVar("webhooks_caller", default=None)


def respond(status: int = 200, body: Any = None, headers: dict[str, str] | None = None) -> None:
    """Answer the waiting caller now and go on with the flow. Once; what the flow returns is then no reply any more.

    Without a waiting caller (mode `async`, a test) it only checks the reply. Raises BadReply and ReplyTooLarge as
    `Reply` does, WebhooksError at the second call.
    """
    reply = Reply(status=status, body=body, headers=headers)
    caller = _CALLER.get()
    if caller is None:
        return
    if caller.answered:
        raise WebhooksError("this run has answered already: respond() is for one call, and a reply is sent once")
    _send(caller, reply.to_wire())


@contextmanager
def caller_of(context: Context | None) -> Iterator[Callable[[Any], None]]:
    """Within it `respond` answers the caller of this request, when one waits; it gives what answers with a result.

    A flow that another one calls has no caller of its own: its `respond` is for the caller of the outer one, and its
    result is for the outer flow.
    """
    if _CALLER.get() is not None:
        yield _answer_nobody
        return
    waits = context is not None and context.document.get("mode") == "sync"
    token = _CALLER.set(_Caller(context) if waits and context is not None else None)
    try:
        yield _answer_with
    finally:
        _CALLER.reset(token)


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


def _send(caller: _Caller, wire: dict[str, Any]) -> None:
    from prefect.events import emit_event
    from prefect.runtime import flow_run

    caller.answered = True
    context = caller.context
    emit_event(
        event=REPLY_EVENT,
        resource={"prefect.resource.id": f"{RESOURCE}{context.delivery_id}"},
        payload={**wire, "attempt": context.attempt, "flow_run_id": flow_run.get_id()},
    )
