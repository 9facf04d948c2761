"""Keys of tokens: entered as a secret, or in an issuer's list (JWKS)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from jwt.algorithms import get_default_algorithms

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason

_SHORTEST = {"HS256": 32, "HS384": 48, "HS512": 64}
"""Bytes of a shared secret: the hash's own length, as RFC 7518 demands."""
_MOST_KEYS = 32


@dataclass(frozen=True)
class JwtKey:
    """A key, ready; `kid` and `algorithm` where its issuer names them."""

    label: str
    key: Any
    kid: str | None = None
    algorithm: str | None = None

    def serves(self, algorithm: str) -> bool:
        """Whether the issuer means it for this algorithm."""
        return self.algorithm in (None, algorithm)


def key_of_secret(label: str, value: str, algorithms: Sequence[str]) -> JwtKey | None:
    """The key that a secret is for these algorithms: PEM, JWK or, for HS, the text itself; None where it is none."""
    shared = algorithms[0].startswith("HS")
    try:
        if value.lstrip().startswith("{"):
            key = _of_jwk(label, json.loads(value), algorithms)
        else:
            key = _of_text(label, value if shared else value.strip(), algorithms)
    except (jwt.PyJWTError, ValueError, TypeError, LookupError, AttributeError, RecursionError, UnsupportedAlgorithm):
        return None
    if key is None or hasattr(key.key, "private_bytes"):
        return None
    if shared and len(key.key) < max(_SHORTEST[name] for name in algorithms):
        return None
    return key


@lru_cache(maxsize=32)
def keys_of_set(document: bytes, algorithms: tuple[str, ...]) -> list[JwtKey]:
    """The public keys of a JWKS that serve these algorithms. Raises `Unverified` (503) for what is no such list."""
    try:
        listed = json.loads(document)["keys"][:_MOST_KEYS]
    except (ValueError, TypeError, LookupError, RecursionError):
        raise Unverified(Reason.DOCUMENT_UNAVAILABLE, "what was fetched is no list of keys") from None
    found = []
    for number, jwk in enumerate(listed, 1):
        try:
            key = _of_jwk(f"key-{number}", jwk, algorithms)
        except (jwt.PyJWTError, ValueError, TypeError, LookupError, AttributeError, UnsupportedAlgorithm):
            continue  # of a kind that is not known here: the others serve
        if key is not None and not hasattr(key.key, "private_bytes"):
            found.append(key)
    return found


def _of_text(label: str, text: str, algorithms: Sequence[str]) -> JwtKey | None:
    for name in algorithms:
        try:
            return JwtKey(label, get_default_algorithms()[name].prepare_key(text))
        except (jwt.PyJWTError, ValueError, TypeError):  # of the kind of another algorithm, it may be
            continue
    return None


def _of_jwk(label: str, jwk: dict[str, Any], algorithms: Sequence[str]) -> JwtKey | None:
    """A key by its JWK; None for one that is for something else."""
    if jwk.get("use", "sig") != "sig" or (jwk["kty"] == "oct") != algorithms[0].startswith("HS"):
        return None
    named = jwk.get("alg")
    if named is not None and named not in algorithms:
        return None
    kid = jwk.get("kid")
    for name in algorithms if named is None else [named]:
        try:
            key = get_default_algorithms()[name].from_jwk(json.dumps(jwk))
        except (jwt.PyJWTError, ValueError, LookupError):
            continue
        return JwtKey(label, key, kid if isinstance(kid, str) else None, named)
    return None
