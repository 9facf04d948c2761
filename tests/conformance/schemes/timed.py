"""Senders that sign the moment too."""

from __future__ import annotations

from datetime import datetime

from receiver.ingress.request import RawRequest
from tests.conformance.schemes import Recording, make_request, with_values
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


RECORDINGS = (
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
    _standard_recording("gitlab signing token", "webhook", {"scheme": "gitlab", "token": "signing"}),
)
