"""The schemes `bearer` and `basic`: a credential in the Authorization header."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import ClassVar

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.base import Carriers, Scheme, Secrets, Verified
from receiver.ingress.verify.keys import decode_keys, find_match
from receiver.ingress.verify.wire import header_text, one_header, with_headers

_HEADER = "authorization"


class Bearer(Scheme):
    """The sender shows a fixed token: `Authorization: Bearer <secret>`. The body is not signed."""

    name = "bearer"
    about = "senders with `Authorization: Bearer`"
    to_enter = "the token"
    strength = "secret"
    content_types = ()

    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:  # noqa: ARG002 (contract)
        """Accept a request whose token is one of the secrets."""
        keys = decode_keys(secrets)
        label = find_match([credential_of(request, b"bearer")], keys)
        if label is None:
            raise Unverified(Reason.CREDENTIAL_WRONG)
        return Verified(scheme=self.name, secret=label)

    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:  # noqa: ARG002 (contract)
        """The request with the current token."""
        _, token = decode_keys(secrets)[0]
        return with_headers(request, {_HEADER: "Bearer " + header_text(token)})

    def carriers(self) -> Carriers:
        """The Authorization header."""
        return Carriers(headers=frozenset({_HEADER}))


class Basic(Scheme):
    """The sender logs in: `Authorization: Basic ...`; the secret is `user:password` in UTF-8. No signature."""

    name = "basic"
    about = "senders with `Authorization: Basic`"
    to_enter = "`user:password`"
    strength = "secret"
    content_types: ClassVar[tuple[str, ...]] = ()

    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:  # noqa: ARG002 (contract)
        """Accept a request whose user and password are those of one of the secrets."""
        logins = _logins(secrets)
        label = find_match([_decoded(credential_of(request, b"basic"))], logins)
        if label is None:
            raise Unverified(Reason.CREDENTIAL_WRONG)
        return Verified(scheme=self.name, secret=label)

    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:  # noqa: ARG002 (contract)
        """The request with the current user and password."""
        _, login = _logins(secrets)[0]
        return with_headers(request, {_HEADER: "Basic " + base64.b64encode(login).decode()})

    def carriers(self) -> Carriers:
        """The Authorization header."""
        return Carriers(headers=frozenset({_HEADER}))


def credential_of(request: RawRequest, scheme: bytes) -> bytes:
    """What follows `Bearer` or `Basic` (given in lower case) in the Authorization header. Raises `Unverified`."""
    malformed = Reason.CREDENTIAL_MALFORMED
    value = one_header(request, (_HEADER,), missing=Reason.CREDENTIAL_MISSING, malformed=malformed)
    kind, _, credential = value.partition(b" ")
    if kind.lower() != scheme or not credential.strip():
        raise Unverified(malformed, f"Authorization is not '{scheme.decode().capitalize()} <credential>'")
    return credential.strip(b" ")


def _decoded(credential: bytes) -> bytes:
    try:
        login = base64.b64decode(credential, validate=True)
    except binascii.Error:
        login = b""
    # Base64 has several spellings of one value. Only the canonical one is taken: no bit of it is without effect.
    if b":" not in login or base64.b64encode(login) != credential:
        raise Unverified(Reason.CREDENTIAL_MALFORMED, "the credential is not the base64 of user:password")
    return login


def _logins(secrets: Secrets | None) -> list[tuple[str, bytes]]:
    """Secrets that are a login: without a password there is no secret, and a guessed user would open the door."""
    logins = [(label, value) for label, value in decode_keys(secrets) if value.partition(b":")[2]]
    if not logins:
        raise Unverified(Reason.SECRET_UNAVAILABLE, "the webhook's secret is not user:password")
    return logins
