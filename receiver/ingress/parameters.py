"""From a stored delivery back to its context and its run's parameters."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from receiver.bodies import BodyGone
from receiver.bodies.content import Content
from receiver.contract.envelope import encode_document, render_batch, render_parameters
from receiver.contract.errors import DefinitionError, Unusable
from receiver.contract.expiry import expires_at
from receiver.contract.parse import parse_definition
from receiver.contract.reasons import Reason
from receiver.contract.templates import Template
from receiver.deliveries.records import Claim, StoredRequest
from receiver.deliveries.store import DeliveryStore
from receiver.ingress.document import REFERENCE_OVER, build_document, travels_by_reference
from receiver.ingress.parameter_rules import ParameterRules
from receiver.ingress.parse import parse_body
from receiver.ingress.webhook import Webhook
from receiver.webhooks.definitions import DefinitionStore

_REMEMBERED = 256
_PURGED = "the stored request has been purged"


@dataclass(frozen=True)
class _Definition:
    parameters: Template
    mode: str
    scheme: str
    batched: bool
    by_reference: bool
    expires: timedelta | None
    maps_parameters: bool


class StoredContexts:
    """Makes the context document and the parameters of stored deliveries, with the definition they were judged by."""

    def __init__(self, deliveries: DeliveryStore, definitions: DefinitionStore) -> None:
        self._deliveries = deliveries
        self._definitions = definitions
        self._known: dict[tuple[str, int], _Definition] = {}

    async def parameters(self, claim: Claim) -> dict[str, Any]:
        """The parameters of an attempt's run; raises `Unusable`, also when all that it is for has expired."""
        definition = await self._definition(claim.webhook, claim.revision)
        requests = await self._deliveries.requests(claim.members)
        _refuse_expired(claim, requests, definition.expires)
        documents = [
            (*await self._document(request, attempt, definition), request.id, attempt)
            for request, (_, attempt) in zip(requests, claim.members, strict=True)
            if request is not None
        ]
        if len(documents) < len(claim.members):
            raise Unusable(Reason.PARAMETERS_INVALID, _PURGED)
        if definition.batched:
            listed = [(document, one, attempt, by_reference) for document, by_reference, one, attempt in documents]
            return render_batch(definition.parameters, listed)
        [(document, by_reference, _, _)] = documents
        return render_parameters(
            definition.parameters,
            document,
            delivery_id=claim.delivery_id,
            attempt=claim.attempt,
            by_reference=by_reference,
            now=datetime.now(UTC),
        )

    async def _document(
        self, request: StoredRequest, attempt: int, definition: _Definition
    ) -> tuple[dict[str, Any], bool]:
        """The document of a request and whether it travels by reference; one that is not looked at is left empty."""
        if request.body_at is not None and request.size > REFERENCE_OVER and not definition.maps_parameters:
            return {}, True
        try:
            async with self._deliveries.whole(request, patient=True) as whole:
                return document_of(
                    whole,
                    attempt,
                    definition.mode,
                    definition.scheme,
                    always=definition.by_reference,
                    expires=definition.expires,
                )
        except BodyGone:
            raise Unusable(Reason.PARAMETERS_INVALID, _PURGED) from None

    async def document(self, delivery_id: str, attempt: int) -> Content | None:
        """The context document of an attempt as JSON text; None when there is no such delivery.

        Raises Unusable for a body that cannot be read, BodyGone for one that was deleted where it was kept.
        """
        request = await self._deliveries.request(delivery_id, attempt)
        if request is None:
            return None
        mode, scheme, expires = "async", "unknown", None
        with suppress(Unusable):
            definition = await self._definition(request.webhook, request.revision)
            mode, scheme, expires = definition.mode, definition.scheme, definition.expires
        async with self._deliveries.whole(request) as whole:
            text = encode_document(document_of(whole, attempt, mode, scheme, expires=expires)[0]).encode()
            return await self._deliveries.set_aside(text)

    async def _definition(self, key: str, revision: int) -> _Definition:
        known = self._known.get((key, revision))
        if known is not None:
            return known
        stored = await self._definitions.revision(key, revision)
        if stored is None:
            raise Unusable(Reason.TEMPLATE_ERROR, f"revision {revision} of the definition is gone")
        try:
            parsed = parse_definition(stored, by="code")
        except DefinitionError as error:
            raise Unusable(Reason.TEMPLATE_ERROR, str(error)) from None
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        parameters = parsed.parameters_template()
        known = _Definition(
            parameters=parameters,
            mode=parsed.mode,
            scheme=parsed.scheme,
            batched=parsed.batch is not None,
            by_reference=parsed.payload == "reference",
            expires=parsed.expires,
            maps_parameters=not all(child.is_root("context") for child in parameters.children().values()),
        )
        self._known[key, revision] = known
        return known


def _refuse_expired(claim: Claim, requests: Sequence[StoredRequest | None], expires: timedelta | None) -> None:
    until = [
        expires_at(request.received_at, attempt, expires)
        for request, (_, attempt) in zip(requests, claim.members, strict=True)
        if request is not None
    ]
    known = [moment for moment in until if moment is not None]
    if known and len(known) == len(until) and max(known) < datetime.now(UTC):
        detail = f"it was to begin by {max(known).isoformat(timespec='seconds')}, and was not handed over by then"
        raise Unusable(Reason.EXPIRED, detail)


def judge_again(
    webhook: Webhook, request: StoredRequest, attempt: int, now: datetime, rules: ParameterRules | None
) -> None:
    """The rules for an attempt that a person asks for: whether its body and its parameters can be used.

    The filter is not asked: the person has been. `rules` are the deployment's, None where they are not known. Raises
    `Unusable` with paths.
    """
    document, by_reference = document_of(
        request, attempt, webhook.mode, webhook.scheme.name, always=webhook.by_reference
    )
    if webhook.schema is not None:
        webhook.schema.check(document["data"])
    parameters = render_parameters(
        webhook.parameters, document, delivery_id=request.id, attempt=attempt, by_reference=by_reference, now=now
    )
    if rules is not None and webhook.maps_parameters:
        rules.check(parameters)
    elif rules is not None:
        rules.check_names(parameters)


def document_of(
    request: StoredRequest,
    attempt: int,
    mode: str,
    scheme: str,
    *,
    always: bool = False,
    expires: timedelta | None = None,
) -> tuple[dict[str, Any], bool]:
    """The context document of an attempt, and whether it travels by reference; raises `Unusable` for its body.

    `always`: the webhook lets no request travel otherwise. `expires`: how late it may begin.
    What was never verified says so: `{"scheme": "github", "secret": null, "unverified": true}`.
    """
    parsed = parse_body(request.content_type or None, request.body)
    document = build_document(
        delivery_id=request.id,
        attempt=attempt,
        webhook=request.webhook,
        mode=mode,
        method=request.method,
        path=request.path,
        headers=request.headers,
        query=request.query,
        params=request.params,
        client_ip=request.client_ip,
        verification=request.verification or {"scheme": scheme, "secret": None, "unverified": True},
        received_at=request.received_at,
        data=parsed.data,
        files=parsed.files,
    )
    if (until := expires_at(request.received_at, attempt, expires)) is not None:
        document["expires_at"] = until.isoformat()
    return document, travels_by_reference(len(request.body), parsed.files, always=always)
