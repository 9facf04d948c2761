"""Whole requests: every scheme's verdict, and what is made of a request once its source is proven."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from receiver.contract.envelope import encode_envelope
from receiver.contract.errors import Refused, Unverified
from receiver.contract.parse import parse_definition
from receiver.ingress.decide import Proven, judge, verify
from receiver.ingress.redact import redact
from receiver.ingress.request import RawRequest
from receiver.ingress.verify import Scheme, Secrets
from receiver.ingress.verify.base import Handshake
from receiver.ingress.verify.certificates import common_name, read_certificates, rsa_signed
from receiver.ingress.verify.jwt_keys import key_of_secret, keys_of_set
from receiver.ingress.webhook import Webhook, compile_webhook
from tests.conformance.schemes import NOW, Recording, load_recordings, make_request, with_values
from tests.conformance.schemes.certified import (
    PAYPAL_NAME,
    TOPIC,
    WEBHOOK_ID,
    certificate,
    paypal_request,
    pem,
    sns,
    sns_request,
)
from tests.conformance.schemes.tokens import EC_KEYS, SECRET, base64url
from tests.conformance.schemes.tokens import pem as public_pem
from tests.fuzz import Target
from tests.fuzz.wire import any_text, from_bytes, joined, split, to_bytes

_ALGORITHMS = ("RS256", "ES256", "EdDSA", "PS512")
_JWKS = "https://issuer.example/keys"


@dataclass(frozen=True)
class Case:
    """A way of a scheme. `document` is what stands at each address that it asks for."""

    id: str
    verification: Mapping[str, Any]
    secrets: Secrets | None
    samples: tuple[RawRequest, ...]
    document: bytes = b""
    recording: Recording | None = None

    @property
    def scheme(self) -> Scheme:
        """The scheme, built once."""
        return webhook_of(self.id).scheme


def _recorded(recording: Recording) -> Case:
    samples = [recording.signed(), recording.plain]
    samples += [recording.signed(plain=recording.handshake)] if recording.handshake else []
    secrets = Secrets(recording.secret, (recording.other_secret,))
    return Case(
        recording.id, {**recording.verification, "secret": "block:secret/x"}, secrets, tuple(samples), b"", recording
    )


def _certified() -> list[Case]:
    subscription = sns(
        Type="SubscriptionConfirmation", Subject=None, Token="t", SubscribeURL="https://sns.x.amazonaws.com/?A"
    )
    messages = tuple(sns_request(each) for each in (sns(), sns("1", Subject=None), subscription))
    topic, paypal = {"scheme": "aws-sns", "topic_arn": TOPIC}, {"scheme": "paypal", "webhook_id": WEBHOOK_ID}
    shown = base64.b64encode(certificate("sns.amazonaws.com").public_bytes(Encoding.DER)).decode()
    client = {"scheme": "client-certificate", "subjects": ["CN=sns.amazonaws.com"]}
    return [
        Case("client-certificate", client, None, (replace(make_request(b"{}"), client_certificate=f":{shown}:"),)),
        Case("aws-sns", topic, None, messages, pem(certificate("sns.amazonaws.com"))),
        Case("paypal", {**paypal, "chain": "leaf"}, None, (paypal_request(),), pem(certificate(PAYPAL_NAME))),
        Case("paypal, its chain too", paypal, None, (paypal_request(),), pem(certificate(PAYPAL_NAME))),
    ]


@cache
def cases() -> tuple[Case, ...]:
    """Every recording, the schemes that publish certificates or lists of keys, and the open one."""
    listed = [_recorded(recording) for recording in load_recordings()]
    numbers = EC_KEYS[0].public_key().public_numbers()
    jwk = {
        "kty": "EC",
        "crv": "P-256",
        "kid": "k",
        "x": base64url(numbers.x.to_bytes(32)),
        "y": base64url(numbers.y.to_bytes(32)),
    }
    [signed] = [case for case in listed if case.id == "jwt by a key pair"]
    jwks = {"scheme": "jwt", "algorithms": ["ES256"], "jwks": _JWKS}
    listed.append(Case("jwt with a list of keys", jwks, None, signed.samples, json.dumps({"keys": [jwk]}).encode()))
    listed.append(Case("none", {"scheme": "none"}, None, (make_request(b'{"a": [{"b": 1}]}', query="a=1&a=2"),)))
    return (*listed, *_certified())


@cache
def webhook_of(case_id: str) -> Webhook:
    """A webhook with the case's verification and every rule that a request may break."""
    [case] = [each for each in cases() if each.id == case_id]
    given = {
        "key": "orders",
        "deployment": "orders/default",
        "methods": ["GET", "POST", "PUT"],
        "verification": case.verification,
        "ip_allowlist": ["192.0.2.0/24"],
        "filter": "!has(context.data.skip) || context.data.skip != true",
        "ordering_key": '{{$context.data.id | default("none")}}',
        "parameters": {"context": "{{$context}}", "data": "{{$context.data}}", "query": "{{$context.query}}"},
        "response": {"status": 201, "body": {"path": "{{$context.path}}", "data": "{{$context.data}}"}},
        "schema": {"not": {"type": "array", "minItems": 3}},
    }
    return compile_webhook(parse_definition(given, by="code"), revision=1, state="enabled")


def _chosen(data: bytes) -> tuple[Case, RawRequest]:
    """The case that the first byte names, and the request in all the others."""
    return cases()[(data or b"\0")[0] % len(cases())], from_bytes(data[1:])


def _with_documents(case: Case, request: RawRequest) -> RawRequest:
    urls = case.scheme.documents(request)
    assert all(url.startswith("https://") for url in urls)
    request = replace(request, documents=dict.fromkeys(urls, case.document))
    case.scheme.outdated(request)
    return request


def _verify(data: bytes) -> None:
    """Verified, a handshake, or `Unverified`; and what is kept of it can be stored as text."""
    case, request = _chosen(data)
    redacted = redact(request, case.scheme.carriers())
    json.dumps([redacted.headers, redacted.query, redacted.path], ensure_ascii=False).encode()
    with suppress(Unverified):
        request = _with_documents(case, request)
        answer = case.scheme.handshake(request, case.secrets, NOW)
        if answer is None:
            case.scheme.verify(request, case.secrets, NOW)
            case.scheme.answer(request, case.secrets, NOW)


def _signed(data: bytes) -> None:
    """Whatever a sender signs is judged: queued, filtered, split, held or refused, and never in another way."""
    case, request = _chosen(data)
    if case.recording is not None:
        try:
            request = case.recording.signed(plain=request)
        except (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError):
            return  # the test's own signer has no place for its signature in this body
    with suppress(Refused):
        request = _with_documents(case, request)
        proven = verify(webhook_of(case.id), request, case.secrets, NOW)
        if not isinstance(proven, Handshake):
            _judged(webhook_of(case.id), proven)


def _judged(webhook: Webhook, proven: Proven) -> None:
    found = judge(webhook, proven, params={"shop": "é"}, delivery_id="d-1", now=NOW)
    json.dumps([found.redacted.headers, found.redacted.query, found.notes], ensure_ascii=False).encode()
    for document in [found.document, *(part.document for part in found.parts)]:
        json.dumps(document, allow_nan=False)
    if found.status == "queued":
        encode_envelope(found.document, delivery_id="d-1", attempt=1)


def _certificates(data: bytes) -> None:
    """Certificates from an address of the sender's, whatever stands there."""
    document, rest = split(data, 2)
    with suppress(Unverified):
        for each in read_certificates(document):
            common_name(each)
            rsa_signed(each, rest, b"message", SHA256())
    for request in _certified_samples():
        with suppress(Unverified):
            case = "aws-sns" if request.documents and b"TopicArn" in request.body else "paypal, its chain too"
            webhook_of(case).scheme.verify(
                replace(request, documents=dict.fromkeys(request.documents, document)), None, NOW
            )


@cache
def _certified_samples() -> tuple[RawRequest, ...]:
    return sns_request(sns()), paypal_request()


def _keys(data: bytes) -> None:
    """A list of keys from an issuer's address, and a key that a person entered."""
    algorithms, document = split(data, 2)
    names = [name for name in algorithms.decode("latin-1").split(",") if name in _ALGORITHMS] or ["ES256"]
    with suppress(Unverified):
        keys_of_set(document, tuple(names))
    key_of_secret("current", any_text(document), names)
    key_of_secret("current", any_text(document), ["HS256"])


def _secrets(data: bytes) -> None:
    """Whatever stands behind the secret's reference, the door opens for nobody who does not know it."""
    case, _ = _chosen(data)
    if case.recording is None or case.scheme.strength == "identifier":
        return
    secrets = Secrets(any_text(data[1:]), (any_text(data[1:])[::-1],))
    if case.recording.secret in (secrets.current, *secrets.previous) or not case.scheme.takes_secret():
        return
    for sample in case.samples:
        with suppress(Unverified):
            case.scheme.handshake(sample, secrets, NOW)
            case.scheme.verify(sample, secrets, NOW)


def _samples() -> list[bytes]:
    return [bytes([index]) + to_bytes(sample) for index, case in enumerate(cases()) for sample in case.samples]


def _plain_samples() -> list[bytes]:
    bodies = (b'{"value": [{"id": 1}], "data": {}, "skip": true}', b'{"id": "\\ud800"}', b"a=1&b=%00", b"[[1], 2, 3]")
    found = [bytes([index]) + to_bytes(case.samples[-1]) for index, case in enumerate(cases())]
    odd = with_values(make_request(b"<a/>"), ("header", "content-encoding"), "gzip")
    last = len(cases()) - len(_certified()) - 1
    return [*found, *(bytes([last]) + to_bytes(make_request(body)) for body in bodies), bytes([last]) + to_bytes(odd)]


def _entered() -> list[bytes]:
    found = [bytes([index]) + case.recording.secret.encode() for index, case in enumerate(cases()) if case.recording]
    return [each[:-1] for each in found] + [each + b"x" for each in found]


TARGETS = (
    Target(
        name="verify",
        run=_verify,
        seeds=_samples,
        words=(
            b"\nauthorization: ",
            b"Bearer ",
            b"sha256=",
            b"t=1,v1=",
            b"keyid=",
            b";created=",
            b"\nsignature-input: ",
        ),
    ),
    Target(
        name="judge",
        run=_signed,
        seeds=_plain_samples,
        words=(
            b"content-type: ",
            b"content-encoding: ",
            b'"encrypt": "',
            b'"challenge": "',
            b'"header": {',
            b"\\ud800",
        ),
    ),
    Target(
        name="certificates",
        run=_certificates,
        seeds=lambda: [
            joined(pem(certificate("sns.amazonaws.com")), b"\0" * 256),
            joined(public_pem(EC_KEYS[0].public_key())),
        ],
        words=(b"-----BEGIN CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n"),
    ),
    Target(
        name="keys",
        run=_keys,
        seeds=lambda: [
            *(joined("ES256,RS256", case.document) for case in cases() if case.id == "jwt with a list of keys"),
            joined("RS256", b'{"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB", "use": "sig", "alg": "RS256"}]}'),
            joined("EdDSA", b'{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AA"}]}'),
            joined("ES256", public_pem(EC_KEYS[0].public_key())),
            joined("HS256", SECRET),
        ],
        words=(b'"kty": "oct"', b'"k": "', b'"d": "', b'"crv": "P-521"', b'"x": "', b'"kid": null', b'"oth": [{}]'),
    ),
    Target(
        name="secrets", run=_secrets, seeds=_entered, words=(b'{"', b'": "', b"whsec_", b"-----BEGIN PUBLIC KEY-----")
    ),
)
