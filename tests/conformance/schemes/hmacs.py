"""The scheme `hmac` in several shapes, and the senders over it that sign the body alone."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime

from receiver.ingress.request import RawRequest
from tests.conformance.schemes import Recording, make_request, with_values
from tests.conformance.schemes.signing import base64_hmac, hex_hmac

_SECRET, _OTHER = "It is no secret to the tests", "but this one is another"
_HEX_SECRET, _OTHER_HEX = "00ff10a5c3", "00ff10a5c4"


def _github(request: RawRequest, secret: str, _at: datetime) -> RawRequest:
    return with_values(
        request, ("header", "x-hub-signature-256"), "sha256=" + hex_hmac(secret.encode(), request.wire_body)
    )


def _shopify(request: RawRequest, secret: str, _at: datetime) -> RawRequest:
    return with_values(request, ("header", "x-shopify-hmac-sha256"), base64_hmac(secret.encode(), request.wire_body))


def _sha1(request: RawRequest, secret: str, _at: datetime) -> RawRequest:
    digest = hmac.new(secret.encode(), request.wire_body, hashlib.sha1).hexdigest()
    return with_values(request, ("header", "x-hub-signature"), "sha1=" + digest)


def _whole_request(request: RawRequest, secret: str, at: datetime) -> RawRequest:
    stamp = str(int(at.timestamp() * 1000))
    request = with_values(request, ("header", "x-time"), stamp)
    device = dict(request.headers)["x-device"]
    message = f"POST\n{request.path}?{request.query_string}\n{request.url}\n{device}\n{stamp}\n".encode()
    digest = hmac.new(bytes.fromhex(secret), message + request.wire_body, hashlib.sha512).digest()
    return with_values(request, ("header", "x-sign"), base64.urlsafe_b64encode(digest).decode().rstrip("="))


RECORDINGS = (
    Recording(
        id="github",
        verification={"scheme": "github"},
        secret=_SECRET,
        other_secret=_OTHER,
        plain=make_request('{"ref": "refs/heads/main", "by": "Zoë"}'.encode(), headers={"x-github-delivery": "72d3"}),
        signer=_github,
        proof=("header", "x-hub-signature-256"),
        signs_body=True,
    ),
    Recording(
        id="shopify",
        verification={"scheme": "shopify"},
        secret=_SECRET,
        other_secret=_OTHER,
        plain=make_request(b'{"id": 820982911946154508, "total": "403.00"}'),
        signer=_shopify,
        proof=("header", "x-shopify-hmac-sha256"),
        signs_body=True,
    ),
    Recording(
        id="hmac as older senders do it",
        verification={"scheme": "hmac", "header": "X-Hub-Signature", "prefix": "sha1=", "algorithm": "sha1"},
        secret=_SECRET,
        other_secret=_OTHER,
        plain=make_request(b"temperature=21.5&unit=C"),
        signer=_sha1,
        proof=("header", "x-hub-signature"),
        signs_body=True,
    ),
    Recording(
        id="hmac over the whole request",
        verification={
            "scheme": "hmac",
            "header": "X-Sign",
            "algorithm": "sha512",
            "encoding": "base64url",
            "key": "hex",
            "signed": "{method}\n{path}?{query}\n{url}\n{header:X-Device}\n{timestamp}\n{body}",
            "timestamp_header": "X-Time",
            "timestamp_unit": "ms",
        },
        secret=_HEX_SECRET,
        other_secret=_OTHER_HEX,
        plain=make_request(b'{"humidity": 40}', headers={"x-device": "sensor-7"}, query="zone=a%2Fb"),
        signer=_whole_request,
        proof=("header", "x-sign"),
        signs_body=True,
        moment=True,
        refuses_future=True,
        signed_headers=("x-device", "x-time"),
        bad_secrets=("not hex",),
    ),
)
