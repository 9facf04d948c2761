"""Public keys of senders that sign with a private one: what is entered as the secret proves, and cannot sign."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import TypeVar

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from receiver.contract.errors import DefinitionError, Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.verify.base import Secrets

Key = TypeVar("Key")


def public_keys(secrets: Secrets | None, read: Callable[[str], Key], form: str) -> list[tuple[str, Key]]:
    """`(label, key)` of every secret that `read` takes for a key, the current first.

    `read` raises ValueError for what is none; `form` says how one is written. Raises `Unverified` when there is none.
    """
    keys: list[tuple[str, Key]] = []
    for label, value in secrets.usable() if secrets else []:
        try:
            keys.append((label, read(value.strip())))
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
    if not keys:
        raise Unverified(Reason.SECRET_UNAVAILABLE, f"the webhook's secret is not {form}")
    return keys


def ed25519_of_bytes(raw: bytes) -> Ed25519PublicKey:
    """The key of its 32 bytes; raises ValueError."""
    return Ed25519PublicKey.from_public_bytes(raw)


def p256_of_text(text: str) -> EllipticCurvePublicKey:
    """The ECDSA key on P-256 of a PEM or of the base64 within one; raises ValueError."""
    key = read_public_key(text)
    if not isinstance(key, EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise ValueError("no key on P-256")
    return key


def read_public_key(text: str) -> PublicKeyTypes:
    """The key of a PEM (`BEGIN PUBLIC KEY`) or of the base64 within one; raises ValueError."""
    if text.startswith("-----"):
        return serialization.load_pem_public_key(text.encode())
    return serialization.load_der_public_key(base64.b64decode(text, validate=True))


def ed25519_matches(keys: list[tuple[str, Ed25519PublicKey]], signature: bytes, message: bytes) -> str | None:
    """The label of the first key whose signature this is."""
    return _first(keys, lambda key: key.verify(signature, message))


def ecdsa_matches(keys: list[tuple[str, EllipticCurvePublicKey]], signature: bytes, message: bytes) -> str | None:
    """The label of the first key whose signature (DER, SHA-256) this is."""
    return _first(keys, lambda key: key.verify(signature, message, ECDSA(hashes.SHA256())))


def from_base64(text: bytes) -> bytes:
    """The bytes of a signature in base64, canonical: no bit of the text is without effect. Raises `Unverified`."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raw = b""
    if not raw or base64.b64encode(raw) != text:
        raise Unverified(Reason.SIGNATURE_MALFORMED, "the signature is not base64")
    return raw


def from_hex(text: bytes) -> bytes:
    """The bytes of a signature in lower-case hex. Raises `Unverified`."""
    try:
        raw = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        raw = b""
    if not raw or raw.hex().encode() != text:
        raise Unverified(Reason.SIGNATURE_MALFORMED, "the signature is not lower-case hex")
    return raw


def cannot_sign(sender: str) -> DefinitionError:
    """What is raised where a sample is to be signed for a sender that alone can sign."""
    return DefinitionError(
        "verification.scheme",
        f"only {sender} has the key to sign with: let it send a test, or replay a delivery that came",
    )


def _first(keys: list[tuple[str, Key]], check: Callable[[Key], None]) -> str | None:
    for label, key in keys:
        try:
            check(key)
        except InvalidSignature:
            continue
        return label
    return None
