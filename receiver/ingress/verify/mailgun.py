"""The scheme `mailgun`: the signature stands in the body and covers a time and a token, not the event."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

import orjson
from pydantic import Field

from receiver.contract.errors import Unusable, Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.parse import parse_body
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.base import Carriers, Scheme, Secrets, Verified
from receiver.ingress.verify.keys import decode_keys, find_match
from receiver.ingress.verify.options import SchemeOptions, read_options
from receiver.ingress.verify.timestamps import check_age, format_timestamp, parse_timestamp
from receiver.ingress.verify.wire import first_header


class MailgunOptions(SchemeOptions):
    """How old a signature may be."""

    tolerance: Annotated[int, Field(ge=1, le=86400)] | None = Field(
        default=300, description="Seconds a signature is good for; null: any age is taken."
    )


class Mailgun(Scheme):
    """Mailgun signs a time and a token with the signing key; the event itself is not signed, so use HTTPS.

    A token is good for one event: whoever sends it again, with whatever event, sends a duplicate. The older form has
    the three fields at its top level; it brings no event id, so set `deduplicate.key` to `{{$context.data.token}}`.
    """

    name = "mailgun"
    about = "Mailgun"
    to_enter = "the account's HTTP webhook signing key"
    setup = "Settings, API security. Webhooks in the older form: set deduplicate.key to {{$context.data.token}}."
    strength = "secret"
    content_types = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data")
    options_model = MailgunOptions
    hold_invalid = True
    event_id = "{{$context.data.signature.token}}"
    id_signed = True

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Options: `tolerance` in seconds."""
        self.options = read_options(MailgunOptions, self.name, options)

    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:
        """Accept a request whose time and token one of the secrets signed, not too long ago."""
        keys = decode_keys(secrets)
        timestamp, token, presented = _signature_of(request)
        seconds = parse_timestamp(timestamp, "s")
        label = find_match([presented], [(label, _sign(key, timestamp, token)) for label, key in keys])
        if label is None:
            raise Unverified(Reason.SIGNATURE_MISMATCH)
        if self.options.tolerance is not None:
            check_age(seconds, now, tolerance=self.options.tolerance, applies="both")
        return Verified(scheme=self.name, secret=label)

    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:
        """The request with a signature in its JSON object, whose token is new for each moment and event."""
        _, key = decode_keys(secrets)[0]
        timestamp = format_timestamp(now, "s").encode()
        try:
            data = orjson.loads(request.wire_body or b"{}")
        except orjson.JSONDecodeError:
            data = None
        if not isinstance(data, dict):
            raise Unverified(Reason.SIGNATURE_MALFORMED, "the signature stands in the body, which has to be an object")
        event = orjson.dumps({name: value for name, value in data.items() if name != "signature"})
        token = hmac.digest(key, now.isoformat().encode() + event, "sha256").hex()[:50].encode()
        signature = {"timestamp": timestamp, "token": token, "signature": _sign(key, timestamp, token)}
        texts = {name: value.decode() for name, value in signature.items()}
        body = orjson.dumps({"signature": texts, **orjson.loads(event)})
        return replace(request, body=body, wire_body=body)

    def carriers(self) -> Carriers:
        """The signature in the body. Its token is the event's id, and no credential without it."""
        return Carriers(body_paths=frozenset({("signature", "signature")}))

    def unchanging(self, data: Any, body: bytes) -> bytes:  # noqa: ARG002 (contract)
        """Nothing: the token alone tells one event from another, since nothing else is signed."""
        return b""


def _signature_of(request: RawRequest) -> tuple[bytes, bytes, bytes]:
    """Timestamp, token and signature; raises `Unverified`."""
    try:
        data = parse_body(first_header(request, "content-type"), request.body).data
    except Unusable:
        raise Unverified(Reason.SIGNATURE_MISSING, "the body cannot be read") from None
    fields = data.get("signature") if isinstance(data, dict) else None
    fields = data if isinstance(fields, str) else fields
    if not isinstance(fields, dict) or not fields.get("signature"):
        raise Unverified(Reason.SIGNATURE_MISSING, "the body has no 'signature'")
    values = [fields.get(name) for name in ("timestamp", "token", "signature")]
    texts = [str(value) if isinstance(value, int) and not isinstance(value, bool) else value for value in values]
    if not all(isinstance(text, str) and text for text in texts):
        raise Unverified(Reason.SIGNATURE_MALFORMED, "'timestamp', 'token' and 'signature' are not all texts")
    timestamp, token, signature = (text.encode("utf-8", "surrogatepass") for text in texts if isinstance(text, str))
    return timestamp, token, signature


def _sign(key: bytes, timestamp: bytes, token: bytes) -> bytes:
    return hmac.digest(key, timestamp + token, "sha256").hex().encode()
