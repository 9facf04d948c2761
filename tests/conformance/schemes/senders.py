"""Senders that sign the body alone with HMAC: they differ in header, hash and spelling, and in no more."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime

from receiver.ingress.request import RawRequest
from tests.conformance.schemes import Recording, make_request, with_values
from tests.conformance.schemes.signing import Signer

_SECRET, _OTHER = "It is no secret to the tests", "but this one is another"
_HEX_SECRET, _OTHER_HEX = "44782DEF547A", "44782DEF547B"


def _hex(digest: bytes) -> str:
    return digest.hex()


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def _plain_key(secret: str) -> bytes:
    return secret.encode()


def _signer(
    header: str, before: str, write: Callable[[bytes], str], algorithm: str, key: Callable[[str], bytes], url: str
) -> Signer:
    def signer(request: RawRequest, secret: str, _at: datetime) -> RawRequest:
        digest = hmac.new(key(secret), url.encode() + request.wire_body, getattr(hashlib, algorithm)).digest()
        return with_values(request, ("header", header), before + write(digest))

    return signer


def _sender(
    scheme: str,
    header: str,
    write: Callable[[bytes], str] = _hex,
    *,
    before: str = "",
    algorithm: str = "sha256",
    headers: Mapping[str, str] | None = None,
    body: bytes = b'{"id": "e-1", "n": 1.50}',
    key: Callable[[str], bytes] = _plain_key,
    secrets: tuple[str, str] = (_SECRET, _OTHER),
    bad_secrets: tuple[str, ...] = (),
    url: str = "",
    **options: str,
) -> Recording:
    return Recording(
        id=" ".join([scheme, *options]),
        verification={"scheme": scheme, **options},
        secret=secrets[0],
        other_secret=secrets[1],
        plain=make_request(body, headers=headers),
        signer=_signer(header, before, write, algorithm, key, url),
        proof=("header", header),
        signs_body=True,
        bad_secrets=bad_secrets,
        signs_url=bool(url) and not options,
    )


_SQUARE = "x-square-hmacsha256-signature"

RECORDINGS = (
    _sender("gitea", "x-gitea-signature", headers={"x-gitea-delivery": "f6266f16"}),
    _sender("forgejo", "x-forgejo-signature", headers={"x-gitea-delivery": "f6266f17"}),
    _sender("gogs", "x-gogs-signature", headers={"x-gogs-delivery": "f6266f18"}),
    _sender("bitbucket", "x-hub-signature", before="sha256=", headers={"x-request-uuid": "a7"}),
    _sender("bitbucket-server", "x-hub-signature", before="sha256=", headers={"x-request-id": "a8"}),
    _sender("jira", "x-hub-signature", before="sha256=", headers={"x-atlassian-webhook-identifier": "a9"}),
    _sender("woocommerce", "x-wc-webhook-signature", _base64),
    _sender("erpnext", "x-frappe-webhook-signature", _base64),
    _sender("salesforce-marketing-cloud", "x-sfmc-ens-signature", _base64),
    _sender("line", "x-line-signature", _base64, body=b'{"events": [{"webhookEventId": "1"}]}'),
    _sender("intercom", "x-hub-signature", before="sha1=", algorithm="sha1"),
    _sender("typeform", "typeform-signature", _base64, before="sha256="),
    _sender("dropbox", "x-dropbox-signature"),
    _sender("square", _SQUARE, _base64, url=make_request().url),
    _sender("square", _SQUARE, _base64, url="https://a.example/x", notification_url="https://a.example/x"),
    _sender(
        "adyen-header",
        "hmacsignature",
        _base64,
        key=bytes.fromhex,
        secrets=(_HEX_SECRET, _OTHER_HEX),
        bad_secrets=("no hexadecimal",),
    ),
)
