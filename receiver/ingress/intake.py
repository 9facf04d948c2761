"""Takes a request in: judged, stored, answered, logged. Nothing is acknowledged that is not stored."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

import uuid_utils

from receiver.contract.errors import Refused, Unverified
from receiver.contract.reasons import Reason
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.records import Stored
from receiver.deliveries.store import DeliveryStore
from receiver.deliveries.tickets import Tickets
from receiver.ingress import answers, synchronous
from receiver.ingress.allowlist import NetworkSetLookup
from receiver.ingress.answers import Answer
from receiver.ingress.client_ip import Origin, Proxies, origin, passed_certificate, speaks_for_others
from receiver.ingress.cors import asked_method, preflight, readable
from receiver.ingress.decide import Judgement, admit, judge
from receiver.ingress.parameter_rules import ParameterRules
from receiver.ingress.progress import Progress, log_line, part_row, row_of
from receiver.ingress.prove import Prover
from receiver.ingress.rate import Failures, RateLimits
from receiver.ingress.redact import redact_unknown
from receiver.ingress.request import RawRequest
from receiver.ingress.request_log import RequestLog
from receiver.ingress.verify.base import Handshake
from receiver.ingress.webhook import Webhook
from receiver.prefect_gateway import DeploymentRef
from receiver.replies.rendezvous import HungUp, Outcome, Rendezvous
from receiver.storage import StoreUnavailable
from receiver.webhooks.catalog import Catalog

log = logging.getLogger(__name__)

_NOT_THE_SENDERS = frozenset({Reason.SECRET_UNAVAILABLE, Reason.DOCUMENT_UNAVAILABLE})
"""Why a verification failed for want of something of ours."""
BIG = 256 * 1024
"""A body over so many bytes is in memory no longer than it has to be."""
_LONGEST_LENGTH = 18
"""Digits of a Content-Length that is read; nobody's body needs more."""


class Arrival(Protocol):
    """A request whose head has arrived. `read` gives the whole body or raises `Refused`."""

    @property
    def method(self) -> str: ...

    @property
    def raw_path(self) -> str:
        """The raw path below `/api/webhooks/`."""

    @property
    def query_string(self) -> str: ...

    @property
    def headers(self) -> tuple[tuple[str, str], ...]: ...

    @property
    def peer(self) -> str:
        """The address of the other end of the connection."""

    @property
    def scheme(self) -> str:
        """`http` or `https`: how the other end of the connection speaks."""

    async def read(self, limit: int) -> bytes: ...

    def hold(self, size: int) -> None:
        """So many bytes more are kept of it until its answer, what its body inflates to; raises `Refused`."""

    def let_go(self) -> None:
        """A big body is stored, and nobody has it in memory any more."""

    async def hung_up(self) -> None:
        """Returns when the sender is gone; awaited only after `read`."""


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """What the intake works with; `known_deployment` and `parameter_rules` never ask Prefect, `stored` tells the
    dispatcher, `failures` is None where they are not bounded."""

    catalog: Catalog[Webhook]
    prover: Prover
    store: DeliveryStore
    tickets: Tickets
    rendezvous: Rendezvous
    proxies: Proxies
    allow_plain_http: bool
    sets: NetworkSetLookup
    rates: RateLimits
    failures: Failures | None
    base_url: str
    known_deployment: Callable[[str], DeploymentRef | None]
    parameter_rules: Callable[[str], ParameterRules | None]
    stored: Callable[[], None]
    log: RequestLog


class Intake:
    """The receiver's front door. `take` never raises for anything a sender can send."""

    def __init__(self, wiring: Wiring) -> None:
        self._w = wiring

    async def take(self, arrival: Arrival) -> Answer:
        """Judge, store, answer and log one request."""
        now = datetime.now(UTC)
        came = origin(arrival.peer, arrival.headers, arrival.scheme, self._w.proxies)
        progress = Progress(
            delivery_id=str(uuid_utils.uuid7()),
            received_at=now,
            began=time.perf_counter(),
            request=self._head(arrival, came, now),
            origin=came,
        )
        try:
            answer = self._for_pages(progress, await self._take(arrival, progress))
        except Refused as error:
            self._count_failure(arrival, progress, error)
            answer = self._for_pages(progress, await self._refuse(progress, error))
        except StoreUnavailable as error:
            answer = self._cannot_store(progress, error)
        except Exception as error:
            log.exception("the request %s failed", progress.delivery_id)
            answer = answers.refused(Reason.INTERNAL_ERROR, progress.delivery_id)
            self._log(progress, "failed", answer.status, reason=Reason.INTERNAL_ERROR, detail=type(error).__name__)
        return answer

    def _head(self, arrival: Arrival, came: Origin, now: datetime) -> RawRequest:
        query = f"?{arrival.query_string}" if arrival.query_string else ""
        return RawRequest(
            method=arrival.method,
            path=f"/api/webhooks/{arrival.raw_path}",
            query_string=arrival.query_string,
            headers=arrival.headers,
            body=b"",
            wire_body=b"",
            client_ip=came.ip,
            client_certificate=passed_certificate(arrival.peer, arrival.headers, self._w.proxies),
            url=f"{self._w.base_url}/api/webhooks/{arrival.raw_path}{query}",
            received_at=now,
        )

    async def _take(self, arrival: Arrival, progress: Progress) -> Answer:
        progress.found = await self._w.catalog.find(arrival.raw_path)
        webhook = progress.webhook
        if webhook is None:
            raise Refused(Reason.UNKNOWN_PATH)
        head = progress.request
        asked = asked_method(head.method, head.headers) if webhook.cors is not None else None
        admit(
            webhook,
            method=asked or head.method,
            client_ip=head.client_ip,
            content_length=_content_length(head),
            sets=self._w.sets,
            in_clear=progress.origin.in_clear and asked is None and not self._w.allow_plain_http,
        )
        if webhook.cors is not None and asked is not None:
            answer = preflight(webhook.cors, webhook.methods, head.headers, progress.delivery_id)
            self._log(progress, "preflight", answer.status)
            return answer
        self._check_failures(webhook, head)
        taken = await self._judged_and_stored(arrival, progress, webhook)
        if isinstance(taken, Handshake):
            self._log(progress, "handshake", taken.status)
            return answers.handshake(taken, progress.delivery_id)
        return await self._told(arrival, progress, webhook, *taken)

    async def _judged_and_stored(
        self, arrival: Arrival, progress: Progress, webhook: Webhook
    ) -> Handshake | tuple[Judgement, Stored]:
        """What becomes of a request, stored; or the answer to a handshake. A big body is gone when this returns."""
        progress.request = request = await self._whole(arrival, progress.request, webhook)
        progress.size = len(request.wire_body)
        now = progress.received_at
        proven = await self._w.prover.prove(webhook, request, now)
        if isinstance(proven, Handshake):
            return proven
        progress.proven, progress.request = proven, proven.request
        if webhook.rate is not None and (wait := await self._w.rates.take(webhook.key, webhook.rate)):
            rate = f"{webhook.rate.count} in {webhook.rate.seconds} s"
            raise Refused(Reason.RATE_LIMITED, f"over rate_limit, {rate}", retry_after=wait)
        assert progress.found is not None
        progress.judgement = judgement = judge(
            webhook,
            proven,
            params=progress.found.params,
            delivery_id=progress.delivery_id,
            now=now,
            rules=self._w.parameter_rules(webhook.deployment),
        )
        if (inflated := len(judgement.redacted.body) - len(request.wire_body)) > 0:
            arrival.hold(inflated)
        is_big = len(judgement.redacted.body) > BIG
        if is_big and judgement.status is not Status.REJECTED and _answer_is_made_of(webhook):
            arrival.hold(2 * len(judgement.redacted.body))
        if judgement.status is Status.REJECTED:
            assert judgement.reason is not None
            raise Refused(judgement.reason, judgement.detail)
        known = self._w.known_deployment(webhook.deployment)
        row = row_of(progress, judgement.status, judgement.reason, known, response_status=_answered(judgement))
        parts = [part_row(row, part) for part in judgement.parts]
        if is_big:
            # From here on the row alone has the body, and nobody what was made of it.
            judgement = judgement.without_body(keep_document=_answer_is_made_of(webhook))
            progress.let_go(judgement)
            del request, proven
        return judgement, await self._w.store.accept(row, now, parts)

    async def _told(
        self, arrival: Arrival, progress: Progress, webhook: Webhook, judgement: Judgement, stored: Stored
    ) -> Answer:
        """The answer to a request that is stored."""
        arrival.let_go()
        if webhook.state != "paused" and (stored.status is Status.QUEUED or stored.parts):
            self._w.stored()  # of a paused webhook nothing is to be started; the dispatcher's own round will do
        reason: Reason | None = None
        more: dict[str, Any] = {"reason": Reason.REPLAYED} if stored.replayed else {}
        outcome = await self._outcome(arrival, progress, webhook, judgement, stored)
        if outcome is None:
            answer = self._accepted(progress, webhook, judgement, stored)
        else:
            answer, reason = self._answer_of(outcome, progress, webhook, judgement, stored)
        # Who hung up got no answer: neither the row nor the log names a status of one.
        answered = None if isinstance(outcome, HungUp) else answer.status
        if answered != _answered(judgement):
            with suppress(StoreUnavailable):
                await self._w.store.answered(stored.id, answered, reason)
        if reason is not None:
            more["reason"] = reason
        if answered is None:
            more["detail"] = "the caller hung up before the answer"
        self._log(progress, stored.status, answered, duplicate_of=stored.duplicate_of, **more)
        return answer

    async def _outcome(
        self, arrival: Arrival, progress: Progress, webhook: Webhook, judgement: Judgement, stored: Stored
    ) -> Outcome | None:
        """What became of a synchronous webhook's run; None where nothing is to be waited for."""
        if webhook.mode != "sync" or judgement.reason is Reason.PAUSED:
            return None
        runs = stored.status is Status.QUEUED
        if not runs and (stored.duplicate_of is None or webhook.is_open):
            return None
        left = max(webhook.timeout - progress.elapsed_ms() / 1000, 0.001)
        awaited = stored.duplicate_of or stored.id
        return await self._w.rendezvous.wait(awaited, left, fresh=runs, hung_up=arrival.hung_up)

    def _answer_of(
        self, outcome: Outcome, progress: Progress, webhook: Webhook, judgement: Judgement, stored: Stored
    ) -> tuple[Answer, Reason | None]:
        awaited = stored.duplicate_of or stored.id
        extra = [("webhook-duplicate-of", awaited)] if stored.duplicate_of else []
        return synchronous.answer(
            outcome,
            webhook,
            judgement.document,
            delivery_id=stored.id,
            shown_id=awaited,
            status_url=self._status_url(awaited, progress.received_at),
            now=progress.received_at,
            needed=judgement.reply,
            extra=extra,
        )

    def _for_pages(self, progress: Progress, answer: Answer) -> Answer:
        """The answer as pages of the origins in `cors` may read it; what is not there says nothing to anybody."""
        webhook = progress.webhook
        if webhook is None or webhook.cors is None or answer.hides:
            return answer
        return readable(webhook.cors, progress.request.headers, answer)

    def _check_failures(self, webhook: Webhook, head: RawRequest) -> None:
        """Raise `Refused` for an address with too many failures of late: verifying costs, and guessing takes many."""
        failures = self._w.failures
        if failures is None or webhook.is_open:
            return
        if wait := failures.wait(head.client_ip, time.monotonic()):
            words = f"{failures.rate.count} requests of {head.client_ip} in {failures.rate.seconds} s were not verified"
            raise Refused(Reason.RATE_LIMITED, words, retry_after=wait)

    def _count_failure(self, arrival: Arrival, progress: Progress, error: Refused) -> None:
        if self._w.failures is None or not isinstance(error, Unverified) or error.reason in _NOT_THE_SENDERS:
            return
        # Behind a proxy that nobody named, or that does not say for whom it speaks, one stranger would else close the
        # door for all senders.
        ip, proxies = progress.request.client_ip, self._w.proxies
        if not (proxies.networks.contains(ip) or speaks_for_others(arrival.peer, arrival.headers, proxies)):
            self._w.failures.count(ip, time.monotonic())

    async def _whole(self, arrival: Arrival, head: RawRequest, webhook: Webhook) -> RawRequest:
        body = await arrival.read(webhook.max_body)
        return replace(head, body=body, wire_body=body)

    def _accepted(self, progress: Progress, webhook: Webhook, judgement: Judgement, stored: Stored) -> Answer:
        """Accepted, filtered, held and duplicate answer alike: the response, the scheme's answer, or the plain one."""
        extra: list[answers.Header] = []
        shown_id = stored.id
        if stored.duplicate_of is not None:
            extra.append(("webhook-duplicate-of", stored.duplicate_of))
            if webhook.is_open:
                return answers.plain(200, {"status": "duplicate"}, stored.id, extra=extra)
            shown_id = stored.duplicate_of
        if judgement.reply is not None:
            return answers.replied(judgement.reply, stored.id, extra=extra)
        if stored.status is Status.FILTERED:
            return answers.plain(200, {"status": "filtered"}, stored.id, extra=extra)
        status_url = self._status_url(shown_id, progress.received_at)
        return answers.accepted(shown_id, status_url, header_id=stored.id, extra=extra)

    def _status_url(self, delivery_id: str, now: datetime) -> str:
        token = self._w.tickets.make(delivery_id, now)
        return f"{self._w.base_url}/api/deliveries/{delivery_id}?token={token}"

    async def _refuse(self, progress: Progress, error: Refused) -> Answer:
        webhook = progress.webhook
        problems = progress.judgement.problems if progress.judgement else ()
        allow = sorted(webhook.methods) if webhook and error.reason is Reason.METHOD_NOT_ALLOWED else ()
        close = error.reason in {Reason.BODY_TOO_LARGE, Reason.BODY_INCOMPLETE, Reason.OVERLOADED}
        hidden = webhook is not None and webhook.scheme.carriers().last_segment
        answer = answers.refused(
            error.reason,
            progress.delivery_id,
            allow=allow,
            problems=problems,
            close=close,
            hidden=hidden,
            retry_after=error.retry_after,
        )
        try:
            if webhook is None:
                await self._w.store.record_unknown_path(redact_unknown(progress.request.path), progress.received_at)
            elif error.reason is not Reason.OVERLOADED:  # the last thing that one needs is a write more
                known = self._w.known_deployment(webhook.deployment)
                row = row_of(
                    progress, Status.REJECTED, error.reason, known, detail=error.detail, response_status=answer.status
                )
                await self._w.store.record_refusal(row)
        except StoreUnavailable as unavailable:
            # The refusal stands without its row: nothing was acknowledged.
            error = Refused(error.reason, f"{error.detail} (not recorded: {unavailable})".strip())
        self._log(progress, Status.REJECTED, answer.status, reason=error.reason, detail=error.detail)
        return answer

    def _cannot_store(self, progress: Progress, error: StoreUnavailable) -> Answer:
        answer = answers.refused(Reason.STORE_UNAVAILABLE, progress.delivery_id, close=True)
        self._log(progress, "not stored", answer.status, reason=Reason.STORE_UNAVAILABLE, detail=str(error))
        return answer

    def _log(self, progress: Progress, status: str, answered: int | None, **more: Any) -> None:
        self._w.log.write(**log_line(progress, status, answered, **more))


def _answered(judgement: Judgement) -> int:
    """The status of the answer that is given once the request is stored."""
    if judgement.reply is not None:
        return judgement.reply.status
    return 200 if judgement.status is Status.FILTERED else 202


def _answer_is_made_of(webhook: Webhook) -> bool:
    """Whether a synchronous webhook's answer is made of the request once more, when its result is there."""
    return webhook.mode == "sync" and webhook.response is not None


def _content_length(request: RawRequest) -> int | None:
    text = request.header("content-length")
    if text is None or not text.isascii() or not text.isdigit():
        return None
    return int(text) if len(text) <= _LONGEST_LENGTH else sys.maxsize
