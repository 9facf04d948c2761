"""A delivery from the sender's request to the sender's answer, in the test's process."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import uuid_utils

from receiver.contract.definition import get_definition
from receiver.contract.reasons import Reason
from receiver.deliveries.lifecycle import FROM_PREFECT, Status
from receiver.ingress import synchronous
from receiver.ingress.answers import Answer
from receiver.ingress.parameter_rules import rules_of
from receiver.ingress.webhook import compile_webhook
from receiver.prefect_gateway import DeploymentRef, Handover
from receiver.replies.rendezvous import Ended, Outcome, Replied, TimeOver
from receiver.testing import door
from receiver.testing.delivered import Delivered, Received
from receiver.testing.door import LetIn, TurnedAway
from receiver.testing.runs import Ran, run, schema_of
from receiver.testing.sender import Sample, request_of

_GOES_ON = frozenset({Status.DISPATCHED, Status.RUNNING})


async def deliver_request(flow: Any, sample: Sample, delivery_id: str | None) -> Delivered:
    """What `receiver.testing.deliver` promises."""
    definition = get_definition(flow)
    if definition is None:
        raise ValueError(f"{flow!r} has no webhook: put @webhook(...) above @flow")
    now = datetime.now(UTC)
    delivery_id = delivery_id or str(uuid_utils.uuid7())
    named = definition.model_copy(update={"deployment": definition.deployment or f"{flow.name}/test"})
    webhook = compile_webhook(named, revision=1, state=definition.state)
    request = request_of(sample, definition, now)
    rules = rules_of(DeploymentRef(name=webhook.deployment, id="", flow_id="", parameter_schema=schema_of(flow)))
    match door.knock(webhook, request, rules, signed=sample.signed, delivery_id=delivery_id, now=now):
        case TurnedAway() as turned_away:
            return Delivered(
                delivery_id=delivery_id,
                reply=_received(turned_away.answer),
                status=str(turned_away.status),
                reason=str(turned_away.reason) if turned_away.reason else None,
                detail=turned_away.detail,
            )
        case LetIn() as let_in:
            return _delivered(let_in, await run(flow, let_in))


def _delivered(let_in: LetIn, ran: Ran | Handover) -> Delivered:
    webhook, delivery_id = let_in.webhook, let_in.delivery_id
    status = FROM_PREFECT[ran.state.type.value] if isinstance(ran, Ran) else Status.DEAD
    reason = Reason.HANDOVER_REFUSED if isinstance(ran, Handover) else None
    answer = door.accepted(let_in.judgement, delivery_id)
    if webhook.mode == "sync":
        answer, bad_reply = synchronous.answer(
            _outcome(ran, status),
            webhook,
            let_in.judgement.document,
            delivery_id=delivery_id,
            shown_id=delivery_id,
            status_url=door.status_url(delivery_id),
            now=let_in.now,
            needed=let_in.judgement.reply,
        )
        reason = bad_reply or reason
    delivered = Delivered(
        delivery_id=delivery_id,
        reply=_received(answer),
        status=str(status),
        reason=str(reason) if reason else None,
    )
    if isinstance(ran, Handover):
        return replace(delivered, detail=ran.detail)
    return replace(
        delivered,
        detail=ran.state.message or "",
        state=ran.state,
        flow_run_id=ran.flow_run_id,
        result=ran.result,
        error=ran.error,
        task_runs=ran.task_runs,
    )


def _outcome(ran: Ran | Handover, status: Status) -> Outcome:
    if isinstance(ran, Ran) and ran.wire is not None:
        return Replied(ran.wire)
    return TimeOver() if status in _GOES_ON else Ended(status)


def _received(answer: Answer) -> Received:
    return Received(status=answer.status, headers=dict(answer.headers), content=answer.body)
