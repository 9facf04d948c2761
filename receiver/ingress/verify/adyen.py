"""The scheme `adyen`: payment notifications, each of which carries a signature over eight of its fields."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason
from receiver.contract.reply import Reply
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.base import Carriers, Scheme, Secrets, Verified
from receiver.ingress.verify.keys import decode_keys, find_match

_ITEM = "NotificationRequestItem"
_MOST_ITEMS = 1000


class Adyen(Scheme):
    """Adyen's standard webhooks. Only references, amount, event code and success of an item are signed; HTTPS has to
    keep the rest. One request holds one item or more, and all of them have to be signed."""

    name = "adyen"
    about = "Adyen payment notifications (standard webhooks)"
    to_enter = "the webhook's HMAC key, in hexadecimal"
    setup = "Customer Area, Developers, Webhooks: HMAC key. Only eight fields of each notification are signed."
    hold_invalid = True
    split = "{{$context.data.notificationItems}}"
    event_id = (
        "{{$context.data.NotificationRequestItem.pspReference}}-{{$context.data.NotificationRequestItem.eventCode}}"
        "-{{$context.data.NotificationRequestItem.success}}"
    )
    id_signed = True
    answer_is = "`[accepted]`"
    answer_deadline = 9

    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:  # noqa: ARG002 (contract)
        """Accept a request of which each item was signed with one of the keys."""
        keys = decode_keys(secrets, "hex")
        labels = [_label(item, keys) for item in _items(request.body)]
        return Verified(scheme=self.name, secret=labels[0])

    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:  # noqa: ARG002 (contract)
        """The request with a signature in each of its items."""
        _, key = decode_keys(secrets, "hex")[0]
        items = [{**item, "additionalData": _additional(item)} for item in _items(request.wire_body)]
        for item in items:
            item["additionalData"]["hmacSignature"] = _signature(key, item).decode()
        body = orjson.dumps({"live": "false", "notificationItems": [{_ITEM: item} for item in items]})
        return replace(request, body=body, wire_body=body)

    def carriers(self) -> Carriers:
        """The signature in each item."""
        path = ("notificationItems", "*", _ITEM, "additionalData", "hmacSignature")
        return Carriers(body_paths=frozenset({path, path[3:]}))

    def answer(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Reply | None:  # noqa: ARG002 (contract)
        """The word without which Adyen sends the notification again."""
        return Reply.text("[accepted]")


def _items(body: bytes) -> list[dict[str, Any]]:
    """The notifications of a body, with the envelope around them or, one alone, without. Raises `Unverified`."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        data = None
    if not isinstance(data, dict):
        raise Unverified(Reason.SIGNATURE_MISSING, "the body is no JSON object")
    listed = data.get("notificationItems", [{_ITEM: data}])
    if not isinstance(listed, list) or not 0 < len(listed) <= _MOST_ITEMS:
        raise Unverified(Reason.SIGNATURE_MALFORMED, f"'notificationItems' is no list of 1 to {_MOST_ITEMS} items")
    items = [entry.get(_ITEM) if isinstance(entry, dict) else None for entry in listed]
    found = [item for item in items if isinstance(item, dict)]
    if len(found) < len(items):
        raise Unverified(Reason.SIGNATURE_MALFORMED, f"an item has no '{_ITEM}'")
    return found


def _label(item: Mapping[str, Any], keys: Iterable[tuple[str, bytes]]) -> str:
    presented = _additional(item).get("hmacSignature")
    if not isinstance(presented, str) or not presented:
        raise Unverified(Reason.SIGNATURE_MISSING, "an item has no 'hmacSignature'")
    candidate = presented.encode("utf-8", "surrogatepass")
    label = find_match([candidate], [(label, _signature(key, item)) for label, key in keys])
    if label is None:
        raise Unverified(Reason.SIGNATURE_MISMATCH)
    return label


def _signature(key: bytes, item: Mapping[str, Any]) -> bytes:
    amount = item.get("amount")
    amount = amount if isinstance(amount, dict) else {}
    references = [
        item.get(name) for name in ("pspReference", "originalReference", "merchantAccountCode", "merchantReference")
    ]
    fields = [*references, amount.get("value"), amount.get("currency"), item.get("eventCode"), item.get("success")]
    message = ":".join("" if field is None else str(field) for field in fields)
    return base64.b64encode(hmac.digest(key, message.encode("utf-8", "surrogatepass"), "sha256"))


def _additional(item: Mapping[str, Any]) -> dict[str, Any]:
    additional = item.get("additionalData")
    return dict(additional) if isinstance(additional, dict) else {}
