"""What a request claims: to be a certain event, and a place in an order. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from receiver.contract.errors import TemplateError, Unusable
from receiver.contract.reasons import Reason
from receiver.deliveries.records import DeduplicationClaim
from receiver.ingress.webhook import Webhook

LONGEST_KEY = 200


def ordering_key(webhook: Webhook, document: Mapping[str, Any]) -> str | None:
    """The key as text, None where there is none to keep or nothing in the request to make it of; raises `Unusable`."""
    if webhook.ordering_key is None:
        return None
    try:
        value = webhook.ordering_key.render({"context": document})
    except TemplateError as error:
        raise Unusable(Reason.TEMPLATE_ERROR, f"ordering_key: {error}") from None
    return _as_key(value) or None


def deduplication(
    webhook: Webhook, document: Mapping[str, Any], body: bytes, signature: bytes, now: datetime
) -> tuple[DeduplicationClaim | None, dict[str, Any]]:
    """The request's claim to be one event, None where it makes none, and notes on why; raises nothing.

    `signature` is what every copy of the request carries, empty where that guards nothing.
    """
    if webhook.event_id is None:
        return None, {}
    key, notes = "", {}
    try:
        key = _as_key(webhook.event_id.render({"context": document}))
    except TemplateError as error:
        notes = {"deduplication": f"no key: {error}"}
    if not key and not notes:
        notes = {"deduplication": "no key: the event id is empty"}
    mark = hashlib.sha256(signature).digest() if signature else None
    if not key and mark is None:
        return None, notes
    digest = hashlib.sha256(webhook.scheme.unchanging(document["data"], body)).digest()
    return DeduplicationClaim(key=key, body_digest=digest, expires_at=now + webhook.window, mark=mark), notes


def _as_key(value: Any) -> str:
    """A value as a key: short and printable, whatever it was; empty for nothing."""
    key = value if isinstance(value, str) else ("" if value is None else str(value))
    if not key.strip():
        return ""
    if len(key) > LONGEST_KEY or not key.isprintable():
        return "sha256:" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return key
