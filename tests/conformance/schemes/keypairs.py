"""Senders that sign with a private key; each key pair is made here, the secret is the public one."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from receiver.ingress.request import RawRequest
from tests.conformance.schemes import Recording, make_request, with_values
from tests.conformance.schemes.signing import Signer, seconds

_ED = [Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32) for seed in (1, 2)]
_EC = [ec.derive_private_key(seed, ec.SECP256R1()) for seed in (10**30, 10**31)]


def _raw(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


_HEX = {_raw(key).hex(): key for key in _ED}
WHPK = {"whpk_" + base64.b64encode(_raw(key)).decode(): key for key in _ED}
_SPKI = {
    base64.b64encode(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode(): key
    for key in _EC
}


def _ed25519(keys: dict[str, Ed25519PrivateKey], public: str, message: bytes) -> bytes:
    if public not in keys:
        raise ValueError("no key of ours")
    return keys[public].sign(message)


def _discord(request: RawRequest, secret: str, at: datetime) -> RawRequest:
    signature = _ed25519(_HEX, secret, seconds(at).encode() + request.wire_body)
    request = with_values(request, ("header", "x-signature-timestamp"), seconds(at))
    return with_values(request, ("header", "x-signature-ed25519"), signature.hex())


def standard_v1a(start: str) -> Signer:
    """A signer of Standard Webhooks whose headers begin so."""

    def signer(request: RawRequest, secret: str, at: datetime) -> RawRequest:
        message = f"{dict(request.headers)[f'{start}-id']}.{seconds(at)}.".encode() + request.wire_body
        request = with_values(request, ("header", f"{start}-timestamp"), seconds(at))
        text = "v1a," + base64.b64encode(_ed25519(WHPK, secret, message)).decode()
        return with_values(request, ("header", f"{start}-signature"), text)

    return signer


def _sendgrid(request: RawRequest, secret: str, at: datetime) -> RawRequest:
    if secret not in _SPKI:
        raise ValueError("no key of ours")
    signature = _SPKI[secret].sign(seconds(at).encode() + request.wire_body, ec.ECDSA(hashes.SHA256()))
    request = with_values(request, ("header", "x-twilio-email-event-webhook-timestamp"), seconds(at))
    return with_values(
        request, ("header", "x-twilio-email-event-webhook-signature"), base64.b64encode(signature).decode()
    )


def _recording(
    id_: str,
    verification: dict[str, object],
    keys: list[str],
    plain: RawRequest,
    signer: Callable[[RawRequest, str, datetime], RawRequest],
    headers: tuple[str, ...],
    ping: bytes | None = None,
) -> Recording:
    return Recording(
        id=id_,
        verification=verification,
        secret=keys[0],
        other_secret=keys[1],
        plain=plain,
        signer=signer,
        proof=("header", headers[0]),
        signs_body=True,
        moment=True,
        refuses_future=True,
        signed_headers=headers[1:],
        bad_secrets=("no key", "abcd", "-----BEGIN PUBLIC KEY-----"),
        handshake=make_request(ping) if ping else None,
        handshake_answer=b'{"type":1}' if ping else b"",
        varies=True,
        sender_alone_signs=True,
    )


RECORDINGS = (
    _recording(
        "discord",
        {"scheme": "discord"},
        [*_HEX],
        make_request(b'{"id": "7", "type": 2}'),
        _discord,
        ("x-signature-ed25519", "x-signature-timestamp"),
        ping=b'{"id": "6", "type": 1}',
    ),
    _recording(
        "standard-webhooks-v1a",
        {"scheme": "standard-webhooks-v1a"},
        [*WHPK],
        make_request(b'{"n": 1}', headers={"webhook-id": "msg_2KW"}),
        standard_v1a("webhook"),
        ("webhook-signature", "webhook-id", "webhook-timestamp"),
    ),
    _recording(
        "sendgrid",
        {"scheme": "sendgrid", "tolerance": 300},
        [*_SPKI],
        make_request(b'[{"sg_event_id": "e"}]\r\n'),
        _sendgrid,
        ("x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp"),
    ),
)
