"""The scheme `jwt`: a JSON Web Token in the Authorization header."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self

import jwt
from jwt.algorithms import get_default_algorithms
from pydantic import Field, model_validator

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.asymmetric import cannot_sign
from receiver.ingress.verify.authorization import credential_of
from receiver.ingress.verify.base import Carriers, Scheme, Secrets, Strength, Verified
from receiver.ingress.verify.jwt_keys import JwtKey, key_of_secret, keys_of_set
from receiver.ingress.verify.options import SchemeOptions, read_options
from receiver.ingress.verify.wire import with_headers

Algorithm = Literal[
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]
_SEGMENT = re.compile(rb"[A-Za-z0-9_-]+")


class JwtOptions(SchemeOptions):
    """Which tokens are believed."""

    algorithms: Annotated[list[Algorithm], Field(min_length=1)] = Field(
        description="Algorithms that are taken, e.g. `RS256`; shared secrets (HS) and key pairs never together."
    )
    issuer: Annotated[str, Field(min_length=1)] | None = Field(default=None, description="The claim `iss`, exactly.")
    audience: Annotated[str, Field(min_length=1)] | None = Field(
        default=None, description="What the claim `aud` holds or is."
    )
    required: list[str] = Field(default=["exp"], description="Claims a token must have; by default `exp`.")
    leeway: Annotated[int, Field(ge=0, le=300)] = Field(
        default=30, description="Seconds by which clocks may differ for `exp` and `nbf`."
    )
    jwks: Annotated[str, Field(pattern=r"^https://[^\s@/]+/[^\s@]*$", max_length=500)] | None = Field(
        default=None, description="https address of the issuer's list of public keys, in place of a secret."
    )

    @property
    def shared(self) -> bool:
        """Whether sender and receiver have one and the same key."""
        return self.algorithms[0].startswith("HS")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if len({name.startswith("HS") for name in self.algorithms}) > 1:
            raise ValueError(
                "'algorithms' mixes shared secrets (HS) with key pairs: a public key would pass for a secret"
            )
        if self.shared and self.jwks is not None:
            raise ValueError("a list of public keys ('jwks') proves nothing with HS algorithms")
        return self


class Jwt(Scheme):
    """`Authorization: Bearer <token>`, a signed token with an end. The body is not signed: use it over HTTPS only."""

    name = "jwt"
    about = "senders with a JSON Web Token in `Authorization: Bearer`"
    to_enter = "the shared secret (HS), or the public key as PEM or JWK; none with `jwks`"
    strength: ClassVar[Strength] = "secret"
    content_types = ()
    options_model = JwtOptions

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Options: see `JwtOptions`; `algorithms` is the one needed."""
        self.options = read_options(JwtOptions, self.name, options)

    def takes_secret(self) -> bool:
        """Not with a list of keys at an address."""
        return self.options.jwks is None

    def documents(self, request: RawRequest) -> tuple[str, ...]:
        """The issuer's list of keys, for requests that show a token."""
        if self.options.jwks is None:
            return ()
        _header(_token(request))
        return (self.options.jwks,)

    def outdated(self, request: RawRequest) -> bool:
        """Whether the list does not have the token's key, which may be a new one."""
        kid = _header(_token(request)).get("kid")
        return kid is not None and not any(key.kid == kid for key in self._listed(request))

    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:
        """Accept a request whose token one of the keys signed, that is for us, and good now."""
        keys = self._listed(request) if self.options.jwks is not None else self._entered(secrets)
        token = _token(request)
        kid = _header(token).get("kid")
        if self.options.jwks is not None and kid is not None:
            keys = [key for key in keys if key.kid == kid]
        signer, claims = self._signer(token, keys)
        for name in self.options.required:
            if claims.get(name) is None:
                raise Unverified(Reason.CREDENTIAL_MALFORMED, f"the token has no claim '{name[:40]}'")
        self._check_claims(claims)
        self._check_time(claims, now)
        return Verified(scheme=self.name, secret=signer.label)

    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:
        """The request with a token of five minutes; raises `DefinitionError` where only the issuer can sign."""
        if self.options.jwks is not None or not self.options.shared:
            if self.options.jwks is None:
                self._entered(secrets)
            raise cannot_sign("the token's issuer")
        key = self._entered(secrets)[0]
        seconds = int(now.timestamp())
        claims: dict[str, Any] = dict.fromkeys(self.options.required, "sample") | {"iat": seconds, "exp": seconds + 300}
        claims |= {"iss": self.options.issuer} if self.options.issuer else {}
        claims |= {"aud": self.options.audience} if self.options.audience else {}
        if "nbf" in claims:
            claims["nbf"] = seconds
        return with_headers(
            request, {"authorization": "Bearer " + jwt.encode(claims, key.key, algorithm=self.options.algorithms[0])}
        )

    def carriers(self) -> Carriers:
        """The Authorization header."""
        return Carriers(headers=frozenset({"authorization"}))

    def _entered(self, secrets: Secrets | None) -> list[JwtKey]:
        keys = [
            key
            for label, value in (secrets.usable() if secrets else [])
            if (key := key_of_secret(label, value, self.options.algorithms)) is not None
        ]
        if not keys:
            form = "at least as long as the algorithm's hash" if self.options.shared else "a public key as PEM or JWK"
            raise Unverified(Reason.SECRET_UNAVAILABLE, f"the webhook's secret is not {form}")
        return keys

    def _listed(self, request: RawRequest) -> list[JwtKey]:
        return keys_of_set(request.documents.get(self.options.jwks or "", b""), tuple(self.options.algorithms))

    def _signer(self, token: bytes, keys: list[JwtKey]) -> tuple[JwtKey, dict[str, Any]]:
        header = _header(token)
        if header.get("alg") not in self.options.algorithms:
            raise Unverified(Reason.CREDENTIAL_MALFORMED, "the token's algorithm is none of 'algorithms'")
        if "crit" in header or "b64" in header:
            raise Unverified(Reason.CREDENTIAL_MALFORMED, "the token has extensions that nobody here understands")
        algorithm = get_default_algorithms()[header["alg"]]
        signed, _, encoded = token.rpartition(b".")
        signature = _bytes(encoded)
        for key in keys:
            if not key.serves(header["alg"]):
                continue
            try:
                good = algorithm.verify(signed, algorithm.prepare_key(key.key), signature)
            except (jwt.PyJWTError, ValueError, TypeError):  # a key of another kind
                continue
            if good:
                return key, _object(signed.partition(b".")[2])
        raise Unverified(Reason.CREDENTIAL_WRONG, "no key gives the token's signature")

    def _check_claims(self, claims: Mapping[str, Any]) -> None:
        if self.options.issuer is not None and claims.get("iss") != self.options.issuer:
            raise Unverified(Reason.CREDENTIAL_WRONG, "the token is of another issuer")
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if self.options.audience is not None and self.options.audience not in audiences:
            raise Unverified(Reason.CREDENTIAL_WRONG, "the token is for another audience")

    def _check_time(self, claims: Mapping[str, Any], now: datetime) -> None:
        seconds = now.timestamp()
        end, start = _moment(claims, "exp"), _moment(claims, "nbf")
        if end is not None and seconds >= end + self.options.leeway:
            raise Unverified(Reason.TIMESTAMP_OUTSIDE_TOLERANCE, "the token has expired")
        if start is not None and seconds < start - self.options.leeway:
            raise Unverified(Reason.TIMESTAMP_OUTSIDE_TOLERANCE, "the token is not good yet")


def _token(request: RawRequest) -> bytes:
    token = credential_of(request, b"bearer")
    if token.count(b".") != 2:
        raise Unverified(Reason.CREDENTIAL_MALFORMED, "the credential is no signed token")
    return token


def _header(token: bytes) -> dict[str, Any]:
    return _object(token.partition(b".")[0])


def _object(segment: bytes) -> dict[str, Any]:
    try:
        data = json.loads(_bytes(segment))
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise Unverified(Reason.CREDENTIAL_MALFORMED, "the token is not of JSON objects")
    return data


def _bytes(segment: bytes) -> bytes:
    """A segment's bytes; canonical base64url alone is taken, so that no bit of a token is without effect."""
    if _SEGMENT.fullmatch(segment) and len(segment) % 4 != 1:
        raw = base64.urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))
        if base64.urlsafe_b64encode(raw).rstrip(b"=") == segment:
            return raw
    raise Unverified(Reason.CREDENTIAL_MALFORMED, "the token is not base64url")


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Unverified(Reason.CREDENTIAL_MALFORMED, f"the token's '{name}' is no time")
    return value
