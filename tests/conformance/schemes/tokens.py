"""JSON Web Tokens and HTTP message signatures, built here by hand."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import datetime

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from receiver.ingress.request import RawRequest
from tests.conformance.schemes import Recording, make_request, with_values
from tests.conformance.schemes.signing import seconds

SECRET, _OTHER = "a shared secret of thirty-two bytes or more", "another shared secret, as long as the first"
EC_KEYS = [ec.derive_private_key(seed, ec.SECP256R1()) for seed in (10**20, 10**21)]
_ED_KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32) for seed in (3, 4)]
PLAIN = make_request(b'{"n": 1}', query="a=1")


def pem(key: ec.EllipticCurvePublicKey | Ed25519PublicKey) -> str:
    """A public key as a person enters it."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


_BY_PEM = {pem(key.public_key()): key for key in EC_KEYS}
_ED_BY_PEM = {pem(key.public_key()): key for key in _ED_KEYS}


def base64url(raw: bytes) -> str:
    """As segments of a token are written."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def token(header: dict[str, object], claims: dict[str, object], sign: Callable[[bytes], bytes]) -> str:
    """A token with this header and these claims."""
    signed = f"{base64url(json.dumps(header).encode())}.{base64url(json.dumps(claims).encode())}"
    return f"{signed}.{base64url(sign(signed.encode()))}"


def by_secret(secret: str) -> Callable[[bytes], bytes]:
    """A signer for HS256."""
    return lambda signed: hmac.new(secret.encode(), signed, hashlib.sha256).digest()


def by_key(key: ec.EllipticCurvePrivateKey) -> Callable[[bytes], bytes]:
    """A signer for ES256."""

    def sign(signed: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return sign


def bearer(request: RawRequest, text: str) -> RawRequest:
    """The request with a token."""
    return with_values(request, ("header", "authorization"), f"Bearer {text}")


def _claims(at: datetime) -> dict[str, object]:
    return {"iss": "https://issuer.example", "aud": ["us", "them"], "exp": int(at.timestamp()) + 60}


def _shared(request: RawRequest, secret: str, at: datetime) -> RawRequest:
    return bearer(request, token({"alg": "HS256", "typ": "JWT"}, _claims(at), by_secret(secret)))


def _key_pair(request: RawRequest, secret: str, at: datetime) -> RawRequest:
    return bearer(request, token({"alg": "ES256"}, _claims(at), by_key(_BY_PEM[secret])))


def message_signature(
    request: RawRequest,
    at: datetime,
    sign: Callable[[bytes], bytes],
    covered: tuple[str, ...] = ("@method", "@target-uri", "content-digest"),
    parameters: str = "",
) -> RawRequest:
    """The request with a signature over these parts of it."""
    digest = base64.b64encode(hashlib.sha256(request.wire_body).digest()).decode()
    request = with_values(request, ("header", "content-digest"), f"sha-256=:{digest}:")
    values = {"@method": request.method, "@target-uri": request.url, **dict(request.headers)}
    names = " ".join(f'"{name}"' for name in covered)
    told = f'({names});created={seconds(at)};keyid="k1"{parameters}'
    lines = [f'"{name}": {values[name]}' for name in covered]
    base = "\n".join([*lines, f'"@signature-params": {told}'])
    request = with_values(request, ("header", "signature-input"), f"sig1={told}")
    signature = base64.b64encode(sign(base.encode())).decode()
    return with_values(request, ("header", "signature"), f"sig1=:{signature}:")


def _hmac_message(request: RawRequest, secret: str, at: datetime) -> RawRequest:
    return message_signature(request, at, by_secret(secret))


def _ed25519_message(request: RawRequest, secret: str, at: datetime) -> RawRequest:
    return message_signature(request, at, _ED_BY_PEM[secret].sign)


RECORDINGS = (
    Recording(
        id="jwt by a shared secret",
        verification={
            "scheme": "jwt",
            "algorithms": ["HS256"],
            "issuer": "https://issuer.example",
            "audience": "us",
        },
        secret=SECRET,
        other_secret=_OTHER,
        plain=PLAIN,
        signer=_shared,
        proof=("header", "authorization"),
        ignored_start=len("Bearer"),
        bad_secrets=("too short for HS256", pem(EC_KEYS[0].public_key()), '{"kty": "oct", "k": "c2hvcnQ"}', "{}"),
        varies=True,
    ),
    Recording(
        id="jwt by a key pair",
        verification={"scheme": "jwt", "algorithms": ["RS256", "ES256"]},
        secret=next(iter(_BY_PEM)),
        other_secret=[*_BY_PEM][1],
        plain=PLAIN,
        signer=_key_pair,
        proof=("header", "authorization"),
        ignored_start=len("Bearer"),
        bad_secrets=("no key", "{}", '{"kty": "oct", "k": "c2hvcnQ"}'),
        varies=True,
        sender_alone_signs=True,
    ),
    Recording(
        id="rfc9421 by a shared secret",
        verification={"scheme": "rfc9421", "algorithm": "hmac-sha256", "components": ["@target-uri"]},
        secret=SECRET,
        other_secret=_OTHER,
        plain=PLAIN,
        signer=_hmac_message,
        proof=("header", "signature"),
        signs_body=True,
        signed_headers=("signature-input",),
        varies=True,
    ),
    Recording(
        id="rfc9421 by a key pair",
        verification={"scheme": "rfc9421", "algorithm": "ed25519"},
        secret=next(iter(_ED_BY_PEM)),
        other_secret=[*_ED_BY_PEM][1],
        plain=make_request(b"{}"),
        signer=_ed25519_message,
        proof=("header", "signature"),
        signs_body=True,
        bad_secrets=("no key", pem(EC_KEYS[0].public_key())),
        varies=True,
        sender_alone_signs=True,
    ),
)
