"""Senders that sign the URL too: HubSpot, Twilio."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import replace
from datetime import datetime
from urllib.parse import parse_qsl

from receiver.ingress.request import RawRequest
from tests.conformance.schemes import Recording, make_request, with_values
from tests.conformance.schemes.signing import Signer, base64_hmac

_SECRET, _OTHER = "0f5e7d1c-client-secret", "0f5e7d1c-another-secret"
_EVENTS = make_request(b'[{"eventId":1,"attemptNumber":0}]', query="a=%2Fb%20c")
_HUBSPOT_URL = _EVENTS.url.replace("%2F", "/")
_FORM = {"content-type": "application/x-www-form-urlencoded", "i-twilio-idempotency-token": "5b"}


def _hubspot(request: RawRequest, secret: str, at: datetime) -> RawRequest:
    stamp = str(int(at.timestamp() * 1000))
    message = f"POST{_HUBSPOT_URL}".encode() + request.wire_body + stamp.encode()
    request = with_values(request, ("header", "x-hubspot-request-timestamp"), stamp)
    return with_values(request, ("header", "x-hubspot-signature-v3"), base64_hmac(secret.encode(), message))


def _older_hubspot(version: str) -> Signer:
    def signer(request: RawRequest, secret: str, _at: datetime) -> RawRequest:
        where = f"POST{request.url}" if version == "v2" else ""
        digest = hashlib.sha256(f"{secret}{where}".encode() + request.wire_body).hexdigest()
        request = with_values(request, ("header", "x-hubspot-signature-version"), version)
        return with_values(request, ("header", "x-hubspot-signature"), digest)

    return signer


def _twilio(request: RawRequest, secret: str, _at: datetime) -> RawRequest:
    fields = sorted(set(parse_qsl(request.body.decode(), keep_blank_values=True)))
    return _twilio_signed(request, secret, "".join(name + value for name, value in fields))


def _twilio_json(request: RawRequest, secret: str, _at: datetime) -> RawRequest:
    query = f"bodySHA256={hashlib.sha256(request.body).hexdigest()}"
    request = replace(request, query_string=query, url=f"{request.url.partition('?')[0]}?{query}")
    return _twilio_signed(request, secret, "")


def _twilio_signed(request: RawRequest, secret: str, fields: str) -> RawRequest:
    digest = hmac.new(secret.encode(), f"{request.url}{fields}".encode(), hashlib.sha1).digest()
    return with_values(request, ("header", "x-twilio-signature"), base64.b64encode(digest).decode())


RECORDINGS = (
    Recording(
        id="hubspot",
        verification={"scheme": "hubspot"},
        secret=_SECRET,
        other_secret=_OTHER,
        plain=_EVENTS,
        signer=_hubspot,
        proof=("header", "x-hubspot-signature-v3"),
        signs_body=True,
        signs_url=True,
        moment=True,
        signed_headers=("x-hubspot-request-timestamp",),
    ),
    *(
        Recording(
            id=f"hubspot {version}",
            verification={"scheme": "hubspot", "version": version},
            secret=_SECRET,
            other_secret=_OTHER,
            plain=_EVENTS,
            signer=_older_hubspot(version),
            proof=("header", "x-hubspot-signature"),
            signs_body=True,
            signs_url=version == "v2",
        )
        for version in ("v1", "v2")
    ),
    Recording(
        id="twilio with a form",
        verification={"scheme": "twilio"},
        secret=_SECRET,
        other_secret=_OTHER,
        plain=make_request(b"To=%2B1800&Digits=5&Digits=1&Empty=", headers=_FORM, query="foo=1"),
        signer=_twilio,
        proof=("header", "x-twilio-signature"),
        signs_url=True,
    ),
    Recording(
        id="twilio with JSON",
        verification={"scheme": "twilio"},
        secret=_SECRET,
        other_secret=_OTHER,
        plain=make_request(b'{"property": "value"}'),
        signer=_twilio_json,
        proof=("header", "x-twilio-signature"),
        signs_body=True,
        signs_url=True,
    ),
)
