"""Senders that sign the moment too."""

from __future__ import annotations

import json
from datetime import datetime

from receiver.ingress.request import RawRequest
from tests.conformance.schemes import Recording, make_request, with_body, with_values
from tests.conformance.schemes.signing import Signer, base64_hmac, hex_hmac, seconds, whsec_key

_SECRET, _OTHER = "whsec_dGhlIHRlc3RzJyBvd24ga2V5IQ==", "whsec_YW5vdGhlciBrZXkgb2YgdGVzdHM="


def _stripe(request: RawRequest, secret: str, at: datetime) -> RawRequest:
    signature = hex_hmac(secret.encode(), seconds(at).encode() + b"." + request.wire_body)
    return with_values(request, ("header", "stripe-signature"), f"t={seconds(at)},v1={signature}")


def _slack(request: RawRequest, secret: str, at: datetime) -> RawRequest:
    signature = hex_hmac(secret.encode(), b"v0:" + seconds(at).encode() + b":" + request.wire_body)
    request = with_values(request, ("header", "x-slack-request-timestamp"), seconds(at))
    return with_values(request, ("header", "x-slack-signature"), "v0=" + signature)


def _standard(start: str) -> Signer:
    def signer(request: RawRequest, secret: str, at: datetime) -> RawRequest:
        message = f"{dict(request.headers)[f'{start}-id']}.{seconds(at)}.".encode() + request.wire_body
        request = with_values(request, ("header", f"{start}-timestamp"), seconds(at))
        signature = base64_hmac(whsec_key(secret), message)
        return with_values(request, ("header", f"{start}-signature"), "v1," + signature)

    return signer


def _standard_recording(id_: str, start: str, verification: dict[str, str]) -> Recording:
    return Recording(
        id=id_,
        verification=verification,
        secret=_SECRET,
        other_secret=_OTHER,
        plain=make_request(b'{"type": "contact.created"}', headers={f"{start}-id": "msg_2KWPBgLlAfxdpx2AI54p"}),
        signer=_standard(start),
        proof=("header", f"{start}-signature"),
        signs_body=True,
        moment=True,
        refuses_future=True,
        signed_headers=(f"{start}-id", f"{start}-timestamp"),
        bad_secrets=("whsec_", "whpk_1SiA4o9hyqTCpIqC5V9H", "not base64!"),
    )


def _one_header(header: str, time: str, prefix: str, separator: str, factor: int = 1, after: str = ".") -> Signer:
    def signer(request: RawRequest, secret: str, at: datetime) -> RawRequest:
        stamp = str(int(at.timestamp() * factor))
        signature = hex_hmac(secret.encode(), f"{stamp}{after}".encode() + request.wire_body)
        return with_values(request, ("header", header), f"{time}{stamp}{separator}{prefix}{signature}")

    return signer


def _recording(scheme: str, header: str, signer: Signer, tolerance: int = 300) -> Recording:
    return Recording(
        id=scheme,
        verification={"scheme": scheme},
        secret="a key of the tests' own",
        other_secret="a key of somebody else's",
        plain=make_request(b'{"event_id": "evt_1"}'),
        signer=signer,
        proof=("header", header),
        signs_body=True,
        moment=True,
        tolerance=tolerance,
    )


def _zoom(request: RawRequest, secret: str, at: datetime) -> RawRequest:
    signature = hex_hmac(secret.encode(), b"v0:" + seconds(at).encode() + b":" + request.wire_body)
    request = with_values(request, ("header", "x-zm-request-timestamp"), seconds(at))
    return with_values(request, ("header", "x-zm-signature"), "v0=" + signature)


def _linear(request: RawRequest, secret: str, at: datetime) -> RawRequest:
    data = {**json.loads(request.body), "webhookTimestamp": int(at.timestamp() * 1000)}
    request = with_body(request, json.dumps(data, separators=(",", ":")).encode())
    return with_values(request, ("header", "linear-signature"), hex_hmac(secret.encode(), request.wire_body))


_ZOOM_SECRET = "zoom-secret-token-1"
_ZOOM_CHECK = b'{"event": "endpoint.url_validation", "payload": {"plainToken": "qgg8vlv"}}'
_ZOOM_ANSWER = f'{{"plainToken":"qgg8vlv","encryptedToken":"{hex_hmac(_ZOOM_SECRET.encode(), b"qgg8vlv")}"}}'

RECORDINGS = (
    _recording("paddle", "paddle-signature", _one_header("paddle-signature", "ts=", "h1=", ";", after=":"), 5),
    _recording(
        "calendly",
        "calendly-webhook-signature",
        _one_header("calendly-webhook-signature", "t=", "v1=", ","),
        180,
    ),
    _recording(
        "zoho-payments",
        "x-zoho-webhook-signature",
        _one_header("x-zoho-webhook-signature", "t=", "v=", ",", factor=1000),
    ),
    Recording(
        id="linear",
        verification={"scheme": "linear"},
        secret="lin_wh_1f0c",
        other_secret="lin_wh_1f0d",
        plain=make_request(b'{"action":"create"}', headers={"linear-delivery": "234d1a4e"}),
        signer=_linear,
        proof=("header", "linear-signature"),
        signs_body=True,
        moment=True,
        tolerance=60,
        timed_in_body=True,
        refuses_future=True,
    ),
    Recording(
        id="zoom",
        verification={"scheme": "zoom"},
        secret=_ZOOM_SECRET,
        other_secret="zoom-secret-token-2",
        plain=make_request(b'{"event": "meeting.started"}'),
        signer=_zoom,
        proof=("header", "x-zm-signature"),
        signs_body=True,
        moment=True,
        refuses_future=True,
        signed_headers=("x-zm-request-timestamp",),
        handshake=make_request(_ZOOM_CHECK),
        handshake_answer=_ZOOM_ANSWER.encode(),
    ),
    Recording(
        id="stripe",
        verification={"scheme": "stripe"},
        secret=_SECRET,
        other_secret=_OTHER,
        plain=make_request(b'{"id": "evt_1", "type": "invoice.paid"}'),
        signer=_stripe,
        proof=("header", "stripe-signature"),
        signs_body=True,
        moment=True,
    ),
    Recording(
        id="slack",
        verification={"scheme": "slack"},
        secret="8f742231b10e8888abcd",
        other_secret="8f742231b10e8888abce",
        plain=make_request(b'{"token": "legacy-5a1b", "type": "event_callback", "event_id": "Ev08"}'),
        signer=_slack,
        proof=("header", "x-slack-signature"),
        signs_body=True,
        moment=True,
        refuses_future=True,
        signed_headers=("x-slack-request-timestamp",),
        handshake=make_request(b'{"token": "legacy-5a1b", "challenge": "3eZbrw1a", "type": "url_verification"}'),
        handshake_answer=b"3eZbrw1a",
    ),
    _standard_recording("standard-webhooks", "webhook", {"scheme": "standard-webhooks"}),
    _standard_recording("svix", "svix", {"scheme": "svix"}),
    _standard_recording("openai", "webhook", {"scheme": "openai"}),
    _standard_recording("gitlab signing token", "webhook", {"scheme": "gitlab", "token": "signing"}),
)
