"""Requests of senders that publish a certificate, and the certificates: of a root and a key made here."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from receiver.ingress.request import RawRequest
from tests.conformance.schemes import NOW, make_request

TOPIC = "arn:aws:sns:eu-west-1:123456789012:orders"
SNS_CERTIFICATE = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b.pem"
PAYPAL_CERTIFICATE = "https://api.paypal.com/v1/notifications/certs/CERT-1a2b"
PAYPAL_NAME = "messageverificationcerts.paypal.com"
WEBHOOK_ID = "4JH86294D6297924G"


@cache
def key(_number: int) -> rsa.RSAPrivateKey:
    """An RSA key; one number, one key."""
    return rsa.generate_private_key(65537, 2048)


@cache
def certificate(name: str, *, issuer: str | None = None, days: int = 30) -> x509.Certificate:
    """A certificate for a name and the key 0; its own issuer, or by a root of that name, which has the key 1."""
    extended = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    builder = _builder(name, issuer or name, 0, days).add_extension(extended, critical=False)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(key(1 if issuer else 0).public_key())
    return builder.add_extension(authority, critical=False).sign(key(1 if issuer else 0), hashes.SHA256())


@cache
def root(name: str) -> x509.Certificate:
    """A root of that name."""
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    builder = _builder(name, name, 1, 30).add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key(1).public_key())
    builder = builder.add_extension(usage, critical=True).add_extension(identifier, critical=False)
    return builder.sign(key(1), hashes.SHA256())


def pem(*certificates: x509.Certificate) -> bytes:
    """Certificates as a document."""
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates)


def sign(message: bytes, digest: hashes.HashAlgorithm | None = None) -> str:
    """The signature of the key 0, in base64."""
    return base64.b64encode(key(0).sign(message, padding.PKCS1v15(), digest or hashes.SHA256())).decode()


def sns(version: str = "2", url: str = SNS_CERTIFICATE, **changed: Any) -> dict[str, Any]:
    """A message of SNS, signed."""
    message = {
        "Type": "Notification",
        "MessageId": "22b80b92",
        "TopicArn": TOPIC,
        "Subject": "An order",
        "Message": '{"id": 7}',
        "Timestamp": "2026-03-14T15:09:26.000Z",
        **changed,
    }
    message = {name: value for name, value in message.items() if value is not None}
    names = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    signed = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
    signature = sign(signed.encode(), hashes.SHA1() if version == "1" else None)
    return {**message, "SignatureVersion": version, "Signature": signature, "SigningCertURL": url}


def sns_request(message: Mapping[str, Any], document: bytes | None = None) -> RawRequest:
    """The message as it arrives, with its certificate fetched."""
    content = pem(certificate("sns.amazonaws.com")) if document is None else document
    request = make_request(json.dumps(message).encode(), headers={"content-type": "text/plain; charset=UTF-8"})
    return replace(request, documents={str(message.get("SigningCertURL")): content})


def paypal_request(body: bytes = b'{"id": "WH-1"}', document: bytes | None = None, **changed: str) -> RawRequest:
    """A request of PayPal's, signed, with its certificate fetched; `changed` are headers, with `_` for `-`."""
    signed = f"tr-1|2026-03-14T15:09:26Z|{WEBHOOK_ID}|{zlib.crc32(body)}"
    headers = {
        "paypal-transmission-id": "tr-1",
        "paypal-transmission-time": "2026-03-14T15:09:26Z",
        "paypal-transmission-sig": sign(signed.encode()),
        "paypal-cert-url": PAYPAL_CERTIFICATE,
        "paypal-auth-algo": "SHA256withRSA",
    } | {name.replace("_", "-"): value for name, value in changed.items()}
    content = pem(certificate(PAYPAL_NAME)) if document is None else document
    return replace(make_request(body, headers=headers), documents={headers["paypal-cert-url"]: content})


def _builder(name: str, issuer: str, number: int, days: int) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]))
        .public_key(key(number).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=60))
        .not_valid_after(NOW + timedelta(days=days))
    )
