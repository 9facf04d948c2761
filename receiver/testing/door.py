"""A request at the webhook's door: the receiver's own rules, in their order, without the receiver. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from receiver.contract.envelope import render_batch, render_parameters
from receiver.contract.errors import Refused
from receiver.contract.reasons import Reason
from receiver.deliveries.lifecycle import Status
from receiver.ingress import answers
from receiver.ingress.answers import Answer
from receiver.ingress.client_ip import Networks, parse_networks
from receiver.ingress.decide import Judgement, Proven, admit, judge, verify
from receiver.ingress.document import travels_by_reference
from receiver.ingress.parameter_rules import ParameterRules
from receiver.ingress.parse import parse_body
from receiver.ingress.parts import CONTENT_TYPE
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.base import Handshake, Verified
from receiver.ingress.webhook import Webhook
from receiver.testing.sender import BASE_URL, secrets_of_nobody, sign
from receiver.webhooks.catalog import Routes


class _EverySet:
    """Sets of networks, whose addresses a test does not know: its sender's is in each."""

    def get(self, name: str) -> Networks:  # noqa: ARG002 (the signature of a look-up)
        return parse_networks(["0.0.0.0/0", "::/0"])


@dataclass(frozen=True, kw_only=True)
class TurnedAway:
    """A request that starts no run, with its answer."""

    answer: Answer
    status: str
    reason: Reason | None = None
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class LetIn:
    """A request that starts a run. `body` is what the receiver would keep of it."""

    webhook: Webhook
    judgement: Judgement
    delivery_id: str
    content_type: str | None
    body: bytes
    now: datetime

    def document(self, attempt: int) -> dict[str, Any]:
        """The request as the flow of an attempt sees it."""
        return {**self.judgement.document, "attempt": attempt}

    def parameters(self, attempt: int) -> dict[str, Any]:
        """The parameters of an attempt's run; raises `Unusable`."""
        if self.webhook.sharing is not None:
            by_reference = travels_by_reference(len(self.body), (), always=self.webhook.by_reference)
            return render_batch(
                self.webhook.parameters, [(self.document(attempt), self.delivery_id, attempt, by_reference)]
            )
        return render_parameters(
            self.webhook.parameters,
            self.document(attempt),
            delivery_id=self.delivery_id,
            attempt=attempt,
            by_reference=travels_by_reference(
                len(self.body),
                parse_body(self.content_type, self.body).files,
                always=self.webhook.by_reference,
            ),
            now=self.now,
        )


def knock(
    webhook: Webhook, request: RawRequest, rules: ParameterRules, *, signed: bool, delivery_id: str, now: datetime
) -> TurnedAway | LetIn:
    """What becomes of a request of this sender's, by the rules that the receiver applies."""
    try:
        return _knock(webhook, request, rules, signed=signed, delivery_id=delivery_id, now=now)
    except Refused as error:
        allow = sorted(webhook.methods) if error.reason is Reason.METHOD_NOT_ALLOWED else ()
        hidden = webhook.scheme.carriers().last_segment
        answer = answers.refused(error.reason, delivery_id, allow=allow, hidden=hidden)
        return TurnedAway(answer=answer, status=Status.REJECTED, reason=error.reason, detail=error.detail)


def accepted(judgement: Judgement, delivery_id: str) -> Answer:
    """The answer to a request that nobody waits for: the configured response, else the plain one."""
    if judgement.reply is not None:
        return answers.replied(judgement.reply, delivery_id)
    if judgement.status is Status.FILTERED:
        return answers.plain(200, {"status": "filtered"}, delivery_id)
    return answers.accepted(delivery_id, status_url(delivery_id), header_id=delivery_id)


def status_url(delivery_id: str) -> str:
    """Where the sender would look for what became of the delivery; in a test nothing answers there."""
    return f"{BASE_URL}/api/deliveries/{delivery_id}?token=none"


def _knock(
    webhook: Webhook, request: RawRequest, rules: ParameterRules, *, signed: bool, delivery_id: str, now: datetime
) -> TurnedAway | LetIn:
    found = Routes([webhook]).find(request.path.removeprefix("/api/webhooks/"))
    if found is None:
        raise Refused(Reason.UNKNOWN_PATH)
    size = len(request.wire_body)
    admit(webhook, method=request.method, client_ip=request.client_ip, content_length=size, sets=_EverySet())
    proven = _proven(webhook, request, now) if signed else verify(webhook, request, secrets_of_nobody(), now)
    if isinstance(proven, Handshake):
        return TurnedAway(answer=answers.handshake(proven, delivery_id), status="handshake")
    judgement = judge(webhook, proven, params=found.params, delivery_id=delivery_id, now=now, rules=rules)
    if judgement.status is Status.SPLIT:
        return _only_part(webhook, judgement, delivery_id, now)
    if judgement.status is Status.QUEUED and judgement.reason is None:
        return LetIn(
            webhook=webhook,
            judgement=judgement,
            delivery_id=delivery_id,
            content_type=proven.request.header("content-type"),
            body=judgement.redacted.body,
            now=now,
        )
    if judgement.status is Status.REJECTED:
        assert judgement.reason is not None
        answer = answers.refused(judgement.reason, delivery_id, problems=judgement.problems)
    else:
        answer = accepted(judgement, delivery_id)
    return TurnedAway(answer=answer, status=judgement.status, reason=judgement.reason, detail=judgement.detail)


def _proven(webhook: Webhook, request: RawRequest, now: datetime) -> Proven | Handshake:
    """The request, signed and verified; where only its sender can sign, taken as if it had."""
    made = sign(request, webhook.scheme, now)
    if made is not None:
        signed, secrets = made
        return verify(webhook, signed, secrets, now)
    verified = Verified(scheme=webhook.scheme.name, secret="current")  # noqa: S106 (a label)
    return Proven(request=request, verified=verified, answer=webhook.scheme.answer(request, None, now))


def _only_part(webhook: Webhook, judgement: Judgement, delivery_id: str, now: datetime) -> TurnedAway | LetIn:
    """A test delivers one event: the one that the request was split into."""
    if len(judgement.parts) != 1:
        raise ValueError(f"this request is split into {len(judgement.parts)} deliveries; a test delivers one: send one")
    [part] = judgement.parts
    if part.status is Status.QUEUED and part.reason is None:
        document = {**part.document, "delivery_id": delivery_id}
        redacted = replace(judgement.redacted, body=part.body)
        return LetIn(
            webhook=webhook,
            judgement=replace(judgement, document=document, redacted=redacted),
            delivery_id=delivery_id,
            content_type=CONTENT_TYPE,
            body=part.body,
            now=now,
        )
    answer = accepted(judgement, delivery_id)
    return TurnedAway(answer=answer, status=part.status, reason=part.reason, detail=part.detail)
