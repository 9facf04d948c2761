"""The order of the rules: from a request's bytes to what becomes of it. Pure.

find → method → address → transport → size → (read) → handshake → verify → inflate → parse → (split) → filter →
schema → parameters.
The first rule that objects decides; its reason goes to the row and the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from receiver.contract.envelope import render_parameters
from receiver.contract.errors import Refused, Unusable
from receiver.contract.reasons import Reason
from receiver.contract.reply import Reply
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.records import DeduplicationClaim
from receiver.ingress import claims
from receiver.ingress.allowlist import NetworkSetLookup
from receiver.ingress.client_ip import Networks
from receiver.ingress.document import build_document, travels_by_reference
from receiver.ingress.inflate import inflate
from receiver.ingress.parameter_rules import ParameterRules
from receiver.ingress.parse import parse_body
from receiver.ingress.parts import Part, body_of, fresh_ids, items_of
from receiver.ingress.redact import Redacted, redact
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.base import Handshake, Secrets, Verified
from receiver.ingress.webhook import Webhook

_NO_SETS: Mapping[str, Networks] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Proven:
    """A request whose source is proven, with the body that its scheme opened; `answer` is what its sender needs."""

    request: RawRequest
    verified: Verified
    answer: Reply | None = None


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What becomes of a verified request. `reply` is the configured response, rendered, else the answer that the
    scheme's sender needs; None for the plain answer."""

    status: Status
    reason: Reason | None = None
    detail: str = ""
    problems: tuple[Mapping[str, str], ...] = ()
    redacted: Redacted
    document: Mapping[str, Any] = field(default_factory=dict)
    reply: Reply | None = None
    deduplication: DeduplicationClaim | None = None
    ordering_key: str | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()

    def without_body(self, *, keep_document: bool) -> Judgement:
        """The same, when all of it is stored."""
        document = self.document if keep_document else {}
        return replace(self, document=document, redacted=replace(self.redacted, body=b""), parts=())


def admit(
    webhook: Webhook,
    *,
    method: str,
    client_ip: str,
    content_length: int | None,
    in_clear: bool = False,
    sets: NetworkSetLookup = _NO_SETS,
) -> None:
    """The rules that need nothing of the body; raises `Refused`.

    `in_clear`: others on its way could read it; `sets` are the networks that an allowlist may name.
    """
    if webhook.state == "disabled":
        raise Refused(Reason.WEBHOOK_DISABLED)
    if webhook.problem:
        raise Refused(Reason.DEFINITION_BROKEN, webhook.problem)
    if method not in webhook.methods and method not in webhook.scheme.handshake_methods():
        raise Refused(Reason.METHOD_NOT_ALLOWED, f"{method} is not among {', '.join(webhook.methods)}")
    if webhook.allowlist is not None:
        webhook.allowlist.check(client_ip, sets)
    if in_clear and webhook.scheme.shows_secret():
        raise Refused(
            Reason.INSECURE_TRANSPORT,
            f"the scheme '{webhook.scheme.name}' shows its secret, and the request came by plain http from {client_ip}",
        )
    if content_length is not None and content_length > webhook.max_body:
        raise Refused(Reason.BODY_TOO_LARGE, f"{content_length} bytes announced, {webhook.max_body} allowed")


def verify(webhook: Webhook, request: RawRequest, secrets: Secrets | None, now: datetime) -> Proven | Handshake:
    """Prove where the request comes from, over its raw bytes; raises `Refused`. A handshake is answered at once."""
    handshake = webhook.scheme.handshake(request, secrets, now)
    if handshake is not None:
        return handshake
    if request.method not in webhook.methods:
        raise Refused(Reason.METHOD_NOT_ALLOWED, f"{request.method} is only for this sender's handshake")
    verified = webhook.scheme.verify(request, secrets, now)
    answer = webhook.scheme.answer(request, secrets, now)
    return Proven(request=_opened(request, verified), verified=verified, answer=answer)


def judge(
    webhook: Webhook,
    proven: Proven,
    *,
    params: Mapping[str, str],
    delivery_id: str,
    now: datetime,
    rules: ParameterRules | None = None,
) -> Judgement:
    """What becomes of a verified request; raises `Refused` only for a body that cannot be inflated.

    `rules` are the deployment's, None where they are not known (yet): Prefect checks the parameters again.
    """
    request, verified = proven.request, proven.verified
    if verified.body is None:
        body = inflate(request.wire_body, request.header("content-encoding"), webhook.max_body)
        if body is not request.body:
            request = replace(request, body=body)
    else:
        body = request.body
    redacted = redact(request, webhook.scheme.carriers())
    document: dict[str, Any] = {}
    made = _Made(mark=verified.mark if webhook.guards_replay else b"")
    try:
        parsed = parse_body(request.header("content-type"), redacted.body)
        document = build_document(
            delivery_id=delivery_id,
            attempt=1,
            webhook=webhook.key,
            mode=webhook.mode,
            method=request.method,
            path=redacted.path,
            headers=redacted.headers,
            query=redacted.query,
            params=params,
            client_ip=request.client_ip,
            verification={"scheme": verified.scheme, "secret": verified.secret},
            received_at=request.received_at,
            data=parsed.data,
            files=parsed.files,
        )
        parts: tuple[Part, ...] = ()
        if webhook.split is not None:
            parts = _parts(webhook, document, now, rules)
            status = Status.SPLIT
        else:
            by_reference = travels_by_reference(len(body), parsed.files, always=webhook.by_reference)
            status = _judge_one(webhook, document, body, made, now=now, rules=rules, by_reference=by_reference)
        reply = _reply(webhook, document, now) or proven.answer
    except Unusable as error:
        held = webhook.hold_invalid
        reply = proven.answer
        if held and document:
            with suppress(Unusable):
                reply = _reply(webhook, document, now) or reply
        return Judgement(
            status=Status.HELD if held else Status.REJECTED,
            reason=error.reason,
            detail=error.detail,
            problems=error.problems,
            redacted=redacted,
            reply=reply,
            deduplication=made.claim if held else None,
            ordering_key=made.ordering_key,
            notes=made.notes,
        )
    return Judgement(
        status=status,
        reason=_reason(webhook, status),
        detail=f"into {len(parts)}" if status is Status.SPLIT else "",
        redacted=redacted,
        document={} if status is Status.FILTERED else document,
        reply=reply,
        deduplication=made.claim,
        ordering_key=made.ordering_key,
        notes=made.notes,
        parts=parts,
    )


def _opened(request: RawRequest, verified: Verified) -> RawRequest:
    """The request as it was before its body was encrypted."""
    if verified.body is None:
        return request
    headers = [pair for pair in request.headers if pair[0].lower() not in {"content-type", "content-encoding"}]
    headers.append(("content-type", verified.body.content_type))
    return replace(request, headers=tuple(headers), body=verified.body.content)


@dataclass
class _Made:
    """What was made of a document before a rule objected to it; `mark` is its request's, where replays are guarded."""

    mark: bytes = b""
    claim: DeduplicationClaim | None = None
    ordering_key: str | None = None
    notes: dict[str, Any] = field(default_factory=dict)


def _judge_one(
    webhook: Webhook,
    document: Mapping[str, Any],
    body: bytes,
    made: _Made,
    *,
    now: datetime,
    rules: ParameterRules | None,
    by_reference: bool,
) -> Status:
    """Filtered or queued: what becomes of one event; raises `Unusable`. What is made on the way goes into `made`."""
    if webhook.filter is not None and not webhook.filter.matches(document):
        return Status.FILTERED
    made.claim, made.notes = claims.deduplication(webhook, document, body, made.mark, now)
    made.ordering_key = claims.ordering_key(webhook, document)
    if webhook.schema is not None:
        webhook.schema.check(document["data"])
    if webhook.maps_parameters:
        parameters = render_parameters(
            webhook.parameters,
            document,
            delivery_id=document["delivery_id"],
            attempt=1,
            by_reference=by_reference,
            now=now,
        )
        if rules is not None:
            rules.check(parameters)
    elif rules is not None:
        rules.check_names(webhook.parameters.source)
    return Status.QUEUED


def _parts(
    webhook: Webhook, document: Mapping[str, Any], now: datetime, rules: ParameterRules | None
) -> tuple[Part, ...]:
    """Each item of a split request, judged; raises `Unusable` where one cannot be used and is not to be held."""
    assert webhook.split is not None
    if document["files"]:
        raise Unusable(Reason.SPLIT_ERROR, "split: a request with files cannot be split")
    items = items_of(webhook.split, document)
    return tuple(
        _part(webhook, document, item, index, part_id, now, rules)
        for index, (item, part_id) in enumerate(zip(items, fresh_ids(len(items)), strict=True))
    )


def _part(
    webhook: Webhook,
    whole: Mapping[str, Any],
    item: Any,
    index: int,
    part_id: str,
    now: datetime,
    rules: ParameterRules | None,
) -> Part:
    body, made = body_of(item), _Made()
    document = {**whole, "data": item, "delivery_id": part_id}
    reason, detail = None, ""
    try:
        by_reference = travels_by_reference(len(body), (), always=webhook.by_reference)
        status = _judge_one(webhook, document, body, made, now=now, rules=rules, by_reference=by_reference)
        reason = _reason(webhook, status)
    except Unusable as error:
        where = f"event {index + 1}: {error.detail}"
        if not webhook.hold_invalid:
            raise Unusable(error.reason, where, error.problems) from None
        status, reason, detail = Status.HELD, error.reason, where
    return Part(
        id=part_id,
        status=status,
        reason=reason,
        detail=detail,
        body=body,
        document=document,
        deduplication=made.claim,
        ordering_key=made.ordering_key,
        notes=made.notes,
    )


def _reason(webhook: Webhook, status: Status) -> Reason | None:
    if status is Status.FILTERED:
        return Reason.FILTERED
    return Reason.PAUSED if status is Status.QUEUED and webhook.state == "paused" else None


def _reply(webhook: Webhook, document: Mapping[str, Any], now: datetime) -> Reply | None:
    # A synchronous webhook's response is made of the flow's result, which is not there yet.
    if webhook.response is None or webhook.mode == "sync":
        return None
    return webhook.response.render(document, now)
