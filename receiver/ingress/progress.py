"""What is known of a request so far: for its row and its line in the log, whatever happens."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from receiver.contract.reasons import Reason
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.priority import Priority
from receiver.deliveries.records import NewDelivery
from receiver.ingress.client_ip import Origin
from receiver.ingress.decide import Judgement, Proven
from receiver.ingress.parts import CONTENT_TYPE, Part
from receiver.ingress.redact import Redacted, redact, redact_unknown
from receiver.ingress.request import RawRequest
from receiver.ingress.webhook import Webhook
from receiver.prefect_gateway import DeploymentRef
from receiver.webhooks.catalog import Found

REFUSED_BODY_KEPT = 16 * 1024


@dataclass(kw_only=True)
class Progress:
    """What is known of a request so far, for the row and the log line whatever happens.

    `size`: of the body that came.
    """

    delivery_id: str
    received_at: datetime
    began: float
    request: RawRequest
    origin: Origin
    found: Found[Webhook] | None = None
    proven: Proven | None = None
    judgement: Judgement | None = None
    unjudged: Redacted | None = None
    size: int = 0

    @property
    def webhook(self) -> Webhook | None:
        return self.found.webhook if self.found else None

    @property
    def redacted(self) -> Redacted:
        """What may be kept of the request, masked once however often it is asked for; of a known webhook only."""
        if self.judgement is not None:
            return self.judgement.redacted
        if self.unjudged is None:
            assert self.webhook is not None
            # Cut before it is masked: what a stranger sends is not to cost more than what is kept of it.
            kept = replace(self.request, body=self.request.body[:REFUSED_BODY_KEPT])
            self.unjudged = redact(kept, self.webhook.scheme.carriers())
        return self.unjudged

    def let_go(self, judgement: Judgement) -> None:
        """Its body and what was made of it are stored: go on with this judgement, which has neither."""
        self.request = replace(self.request, body=b"", wire_body=b"")
        if self.proven is not None:
            self.proven = replace(self.proven, request=self.request)
        self.judgement = judgement

    def elapsed_ms(self) -> float:
        return round((time.perf_counter() - self.began) * 1000, 3)


def row_of(
    progress: Progress,
    status: Status,
    reason: Reason | None,
    known: DeploymentRef | None,
    *,
    detail: str = "",
    response_status: int | None = None,
) -> NewDelivery:
    """The delivery of a request for a webhook that exists; `known` is its deployment, None where it is not known."""
    webhook = progress.webhook
    assert webhook is not None and progress.found is not None
    judgement, request = progress.judgement, progress.request
    redacted = progress.redacted
    verified = progress.proven.verified if progress.proven else None
    return NewDelivery(
        id=progress.delivery_id,
        webhook=webhook.key,
        revision=webhook.revision,
        status=status,
        reason=reason,
        detail=detail or (judgement.detail if judgement else ""),
        method=request.method,
        path=redacted.path,
        headers=redacted.headers,
        query=redacted.query,
        params=progress.found.params,
        client_ip=request.client_ip,
        content_type=request.header("content-type") or "",
        body=redacted.body[:REFUSED_BODY_KEPT] if status is Status.REJECTED else redacted.body,
        body_size=len(redacted.body if judgement else request.body),
        verification={"scheme": webhook.scheme.name, "secret": verified.secret} if verified else {},
        deduplication=judgement.deduplication if judgement else None,
        ordering_key=judgement.ordering_key if judgement else None,
        sharing=webhook.sharing,
        priority=Priority.SYNC if webhook.mode == "sync" else Priority.LIVE,
        deployment=webhook.deployment,
        deployment_id=known.id if known else None,
        flow_id=known.flow_id if known else None,
        notes=judgement.notes if judgement else {},
        response_status=response_status,
        received_at=progress.received_at,
        receive_ms=progress.elapsed_ms(),
    )


def part_row(whole: NewDelivery, part: Part) -> NewDelivery:
    """The delivery of one part of a request that was split."""
    return replace(
        whole,
        id=part.id,
        parent_id=whole.id,
        status=part.status,
        reason=part.reason,
        detail=part.detail,
        content_type=CONTENT_TYPE,
        body=part.body,
        body_size=len(part.body),
        deduplication=part.deduplication,
        ordering_key=part.ordering_key,
        notes=part.notes,
        priority=Priority.LIVE,
        response_status=None,
    )


def log_line(progress: Progress, status: str, answered: int | None, **more: Any) -> dict[str, Any]:
    """The fields of a request's line in the log."""
    webhook, request, judgement = progress.webhook, progress.request, progress.judgement
    if judgement is not None:
        more = {"reason": judgement.reason, "detail": judgement.detail, **more}
    return {
        "received_at": progress.received_at,
        "delivery_id": progress.delivery_id,
        "webhook": webhook.key if webhook else None,
        "method": request.method,
        "path": progress.redacted.path if webhook else redact_unknown(request.path),
        "client_ip": request.client_ip,
        "bytes": progress.size,
        "status": str(status),
        "secret": progress.proven.verified.secret if progress.proven else None,
        "answered": answered,
        "ms": progress.elapsed_ms(),
        **more,
    }
