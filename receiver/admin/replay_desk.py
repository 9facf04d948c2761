"""What may be run again, and as what: each decision of a replay, before anything is stored.

A replay is judged by the definition in force now, so that a mended template, schema or mapping takes effect; where the
webhook was deleted, by the revision that its delivery came under.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from receiver.admin.auth import Principal
from receiver.admin.problems import Problem, problem_from
from receiver.admin.services import AdminServices
from receiver.bodies import BodyGone
from receiver.contract.errors import DefinitionError, Unusable
from receiver.contract.parse import parse_definition
from receiver.contract.reasons import Reason
from receiver.deliveries.lifecycle import UNFINISHED, Status
from receiver.deliveries.records import Candidate, NewReplay, StoredRequest
from receiver.ingress.parameter_rules import ParameterRules, rules_of
from receiver.ingress.parameters import judge_again
from receiver.ingress.parse.content_type import parse_media_type
from receiver.ingress.redact import MASK
from receiver.ingress.redact_body import mask_body
from receiver.ingress.webhook import Webhook, compile_webhook
from receiver.prefect_gateway import DeploymentRef, PrefectUnavailable
from receiver.webhooks.keys import Scope

_UNREAD = frozenset(
    {Reason.METHOD_NOT_ALLOWED, Reason.ADDRESS_NOT_ALLOWED, Reason.BODY_TOO_LARGE, Reason.BODY_INCOMPLETE}
    | {Reason.WEBHOOK_DISABLED, Reason.DEFINITION_BROKEN, Reason.ENCODING_UNSUPPORTED, Reason.ENCODING_INVALID}
)
"""Refused before their body was read, or made readable: no use can be made of what is kept of it."""


_Target = tuple[DeploymentRef | None, ParameterRules | None]
"""A deployment and what it takes; None where Prefect has none, or does not answer."""


@dataclass(frozen=True, kw_only=True)
class Changes:
    """How replays differ from what came: another body (None: the same), its type ("": the same), another deployment."""

    body: bytes | None = None
    content_type: str = ""
    deployment: str | None = None


@dataclass(kw_only=True)
class ReplayDesk:
    """Decides the replays of one call. What it learns of webhooks and deployments holds for that call.

    `warnings` is what stands in the way of what it let through.
    """

    services: AdminServices
    who: Principal
    changes: Changes
    warnings: list[str] = field(default_factory=list)
    _webhooks: dict[tuple[str, int | None], Webhook] = field(default_factory=dict)
    _deployments: dict[str, _Target] = field(default_factory=dict)

    async def decide(self, found: Candidate, due_at: datetime) -> NewReplay:
        """The replay of a delivery; raises the `Problem` that stands against it."""
        refuse_status(found, self.who, edited=self.changes.body is not None)
        webhook = await self._webhook(found)
        request = await self.services.deliveries.request(found.id)
        if request is None:
            raise Problem(409, "The request is no longer kept. Ask the sender to send it again.")
        request = self._edited(request, webhook)
        name = self.changes.deployment or webhook.deployment
        deployment, rules = await self._deployment(name)
        try:
            async with self.services.deliveries.whole(request) as whole:
                judge_again(webhook, whole, found.attempt + 1, self.services.now(), rules)
        except Unusable as error:
            raise Problem(422, f"{error.reason}: {error.detail}", problems=list(error.problems)) from None
        except BodyGone as gone:
            raise problem_from(gone) from None
        return NewReplay(
            delivery_id=found.id,
            after=found.attempt,
            revision=webhook.revision,
            actor=self.who.name,
            deployment=name,
            deployment_id=deployment.id if deployment else None,
            flow_id=deployment.flow_id if deployment else None,
            content_type=request.content_type,
            body=request.body if request.edited else None,
            due_at=due_at,
        )

    def _edited(self, request: StoredRequest, webhook: Webhook) -> StoredRequest:
        body = self.changes.body
        if body is None:
            if request.size < request.body_size:
                raise Problem(
                    409,
                    f"Only the first {request.size // 1024} KiB of this refused request are kept. Give the whole "
                    "body with `body`, or ask the sender to send it again.",
                )
            if not request.verification and request.headers.get("content-encoding", "identity") != "identity":
                raise Problem(409, "It was refused while its body was compressed, and is kept so. Give it with `body`.")
            return request
        if len(body) > webhook.max_body:
            raise Problem(422, f"The body has {len(body)} bytes; the webhook's max_body is {webhook.max_body}.")
        content_type = self.changes.content_type or request.content_type
        if parse_media_type(content_type)[1].get("charset", "utf-8").lower() not in {"utf-8", "utf8", "us-ascii"}:
            raise Problem(
                422, "The request came in another charset, and an edited body is UTF-8: say its content_type."
            )
        masked = mask_body(content_type, body, webhook.scheme.carriers().body_fields, MASK)
        return request.edited_to(masked, content_type)

    async def _webhook(self, found: Candidate) -> Webhook:
        row = await self._in_force(found.webhook)
        if row is not None:
            return row
        known = self._webhooks.get((found.webhook, found.revision))
        if known is not None:
            return known
        stored = await self.services.definitions.revision(found.webhook, found.revision)
        if stored is None:
            raise Problem(409, f"The webhook '{found.webhook}' and its revision {found.revision} are gone.")
        return self._keep((found.webhook, found.revision), stored, found.revision, "enabled")

    async def _in_force(self, key: str) -> Webhook | None:
        known = self._webhooks.get((key, None))
        if known is None:
            row = await self.services.definitions.get(key)
            if row is None:
                return None
            known = self._keep((key, None), row.definition, row.revision, row.state)
            if row.state == "paused":
                self.warnings.append(f"The webhook '{key}' is paused: this waits until it is resumed.")
        return known

    def _keep(self, place: tuple[str, int | None], stored: dict[str, Any], revision: int, state: str) -> Webhook:
        try:
            webhook = compile_webhook(parse_definition(stored, by="code"), revision=revision, state=state)
        except DefinitionError as error:
            raise Problem(422, f"The definition of '{place[0]}' cannot be used: {error}") from None
        self._webhooks[place] = webhook
        return webhook

    async def _deployment(self, name: str) -> _Target:
        if name in self._deployments:
            return self._deployments[name]
        target: _Target = (None, None)
        try:
            found = await self.services.deployments.resolve_deployment(name)
        except PrefectUnavailable:
            self.warnings.append("Prefect does not answer now, so it is not known whether the deployment exists.")
        else:
            if found is None and self.changes.deployment is not None:
                raise Problem(422, f"Prefect has no deployment '{name}'. `prefect deployment ls` lists them.")
            if found is None:
                self.warnings.append(f"Prefect has no deployment '{name}' yet: this runs when it appears.")
            if found is not None:
                target = (found, rules_of(found))
        self._deployments[name] = target
        return target


def refuse_status(found: Candidate, who: Principal, *, edited: bool) -> None:
    """Raise the `Problem` of a delivery that is no case for a replay, or not for one by whoever asks."""
    if found.status in UNFINISHED:
        raise under_way(found.status)
    if found.status is Status.SPLIT:
        raise Problem(409, f"It was split. Replay its parts, which `webhooks deliveries --parent {found.id}` lists.")
    if found.status is not Status.REJECTED:
        return
    who.require(Scope.ADMIN)
    if found.reason in _UNREAD and not edited:
        raise Problem(409, f"Refused with {found.reason} before its body was read. Give one with `body` or `data`.")


def under_way(status: Status) -> Problem:
    """A 409 for a delivery that has not ended."""
    then = {
        Status.QUEUED: "it waits for its hand-over; if its webhook is paused, resume or discard it",
        Status.DISPATCHED: "its run waits for a worker; cancel it in Prefect first",
        Status.RUNNING: "its run has not ended; cancel it in Prefect first, or wait",
    }[status]
    return Problem(409, f"It is under way ({status}): {then}.", current_status=status.value)


def body_of(body: str | None, data: Any, *, is_data: bool, content_type: str | None) -> Changes:
    """The changes for another body, if one is given; raises a 422 for what cannot be text or JSON."""
    try:
        if is_data:
            return Changes(body=orjson.dumps(data), content_type=content_type or "application/json")
        encoded = None if body is None else body.encode()
    except (UnicodeEncodeError, TypeError):
        raise Problem(422, "The body holds half of a surrogate pair, or a number beyond 64 bits.") from None
    return Changes(body=encoded, content_type=content_type or "")
