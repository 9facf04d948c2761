"""The scheme `client-certificate`: who holds a certificate's key, as the proxy that ends TLS has seen it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Self
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from pydantic import AfterValidator, Field, model_validator

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.asymmetric import cannot_sign
from receiver.ingress.verify.base import Carriers, Scheme, Secrets, Verified
from receiver.ingress.verify.certificates import check_time
from receiver.ingress.verify.options import SchemeOptions, read_options

_LONGEST = 16 * 1024
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")
_SHOWN_DIGITS = 16


def _fingerprint(value: str) -> str:
    digits = value.replace(":", "").lower()
    if not re.fullmatch("[0-9a-f]{64}", digits):
        raise ValueError("is a SHA-256 fingerprint, 64 hexadecimal digits with or without colons")
    return digits


def _subject(value: str) -> str:
    try:
        return x509.Name.from_rfc4514_string(value).rfc4514_string()
    except ValueError:
        words = "is a subject as `openssl x509 -subject -nameopt RFC2253` prints it: CN=erp,O=Example"
        raise ValueError(words) from None


class ClientCertificateOptions(SchemeOptions):
    """Whose certificates are taken."""

    fingerprints: Annotated[list[Annotated[str, AfterValidator(_fingerprint)]], Field(max_length=100)] = Field(
        default=[], description="SHA-256 fingerprints of the certificates that are taken."
    )
    subjects: Annotated[list[Annotated[str, AfterValidator(_subject)]], Field(max_length=100)] = Field(
        default=[],
        description="Subjects that are taken, whole: `CN=erp,O=Example`. The proxy has to check who issued them.",
    )

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if not self.fingerprints and not self.subjects:
            raise ValueError("say whose certificate is taken: fingerprints or subjects")
        return self


class ClientCertificate(Scheme):
    """The sender has a client certificate. The proxy that ends TLS asks for it and passes it on in a header.

    The header is believed from a trusted proxy alone; where it does not come from one, there is no certificate.
    """

    name = "client-certificate"
    about = "senders with a client certificate, behind a proxy that asks for it"
    setup = "Set WEBHOOKS_CLIENT_CERT_HEADER and WEBHOOKS_TRUSTED_PROXIES."
    strength = "secret"
    content_types: ClassVar[tuple[str, ...]] = ()
    needs_secret = False
    options_model: ClassVar[type[SchemeOptions] | None] = ClientCertificateOptions

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Options: `fingerprints` or `subjects`, or both: either is enough."""
        self.options = read_options(ClientCertificateOptions, self.name, options)

    def shows_secret(self) -> bool:
        """The key never travels."""
        return False

    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:  # noqa: ARG002 (contract)
        """Accept a request that came with one of the certificates; the beginning of its fingerprint is the label."""
        if not request.client_certificate:
            raise Unverified(Reason.CREDENTIAL_MISSING, "no trusted proxy has passed on a client certificate")
        certificate = _read(request.client_certificate)
        fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
        if fingerprint not in self.options.fingerprints and _subject_of(certificate) not in self.options.subjects:
            raise Unverified(Reason.CREDENTIAL_WRONG, f"the certificate sha256:{fingerprint} is not among those taken")
        check_time(certificate, now)
        return Verified(scheme=self.name, secret=f"sha256:{fingerprint[:_SHOWN_DIGITS]}")

    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:  # noqa: ARG002 (contract)
        """Only the certificate's holder can: always raises `DefinitionError`."""
        raise cannot_sign("the sender")

    def carriers(self) -> Carriers:
        """No place: a certificate is no secret."""
        return Carriers()


def _subject_of(certificate: x509.Certificate) -> str | None:
    try:
        return certificate.subject.rfc4514_string() or None
    except ValueError:
        return None


@lru_cache(maxsize=64)
def _read(text: str) -> x509.Certificate:
    """A certificate as proxies write it: `:base64:` (RFC 9440), PEM (escaped, in one line or not), bare base64."""
    try:
        return x509.load_der_x509_certificate(_der(text))
    except (ValueError, TypeError, x509.InvalidVersion):
        raise Unverified(Reason.CREDENTIAL_MALFORMED, "what the proxy passed on is no certificate") from None


def _der(text: str) -> bytes:
    if len(text) > _LONGEST:
        raise ValueError
    text = unquote(text.strip())
    if found := _PEM.search(text):
        text = found[1]
    elif len(text) > 1 and text.startswith(":") and text.endswith(":"):
        text = text[1:-1]
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error:
        raise ValueError from None
