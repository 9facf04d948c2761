"""Certificates that senders publish, and what has to be true of one before its key proves anything."""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import HashAlgorithm
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason


@lru_cache(maxsize=64)
def read_certificates(pem: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates of a document in PEM, the sender's own first. Raises `Unverified` (503) for anything else."""
    try:
        certificates = tuple(x509.load_pem_x509_certificates(pem))
        for each in certificates:  # the library reads the names when it is asked for them, and fails no earlier
            _ = each.subject
    except (ValueError, x509.InvalidVersion):
        raise Unverified(Reason.DOCUMENT_UNAVAILABLE, "what was fetched is no certificate") from None
    return certificates


def check_time(certificate: x509.Certificate, now: datetime) -> None:
    """Raise `Unverified` for a certificate that is not valid now."""
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        until = certificate.not_valid_after_utc.date()
        raise Unverified(Reason.CERTIFICATE_INVALID, f"the certificate is good until {until}, or not yet")


def common_name(certificate: x509.Certificate) -> str:
    """The name the certificate is for; empty where it has none or several."""
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else ""


def check_chain(chain: Sequence[x509.Certificate], host: str, roots: Sequence[x509.Certificate], now: datetime) -> None:
    """Raise `Unverified` unless the first certificate is for `host` and leads over the others to one of `roots`."""
    verifier = PolicyBuilder().store(Store(list(roots))).time(now).build_server_verifier(x509.DNSName(host))
    try:
        verifier.verify(chain[0], list(chain[1:]))
    except VerificationError as error:
        raise Unverified(Reason.CERTIFICATE_INVALID, f"the certificate leads to no trusted root: {error}") from None


@lru_cache(maxsize=1)
def system_roots() -> tuple[x509.Certificate, ...]:
    """The roots this machine trusts."""
    roots = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)  # about old roots, which are not ours to mend
        for der in ssl.create_default_context().get_ca_certs(binary_form=True):
            try:
                roots.append(x509.load_der_x509_certificate(der))
            except ValueError:  # one that cannot be read is one that is not trusted
                continue
    return tuple(roots)


def rsa_signed(certificate: x509.Certificate, signature: bytes, message: bytes, digest: HashAlgorithm) -> bool:
    """Whether the certificate's key made this signature (RSA, PKCS #1 v1.5)."""
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise Unverified(Reason.CERTIFICATE_INVALID, "the certificate's key is of a kind not known here") from None
    if not isinstance(key, RSAPublicKey):
        raise Unverified(Reason.CERTIFICATE_INVALID, "the certificate's key is not RSA")
    try:
        key.verify(signature, message, padding.PKCS1v15(), digest)
    except InvalidSignature:
        return False
    return True
