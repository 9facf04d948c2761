"""The scheme `meta`: Facebook, Instagram, Messenger, WhatsApp."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.base import Carriers, Handshake, Secrets, Verified
from receiver.ingress.verify.handshakes import query_challenge
from receiver.ingress.verify.hmac_signature import HmacScheme
from receiver.ingress.verify.keys import decode_keys, find_match
from receiver.ingress.verify.options import SchemeOptions, read_options
from receiver.ingress.verify.parts import secret_part, unusable
from receiver.ingress.verify.wire import one_query_value

_NAMES = {"sha256": "X-Hub-Signature-256", "sha1": "X-Hub-Signature"}
_TOKEN = "hub.verify_token"  # noqa: S105 (the name of a parameter)

_PARTS = ("app_secret", "verify_token")


class MetaOptions(SchemeOptions):
    """Which of Meta's signatures counts."""

    algorithm: Literal["sha256", "sha1"] = Field(
        default="sha256", description="`sha1` takes the older X-Hub-Signature in place of X-Hub-Signature-256."
    )


class Meta(HmacScheme):
    """Meta signs with the app secret, and checks a URL by GET with a token of the subscriber's own.

    The secret is `{"app_secret": "...", "verify_token": "..."}`. The app secret alone will do for deliveries; the check
    of the URL is refused then.
    """

    name = "meta"
    about = "Meta: Facebook, Instagram, Messenger, WhatsApp"
    to_enter = '`{"app_secret": "...", "verify_token": "..."}`'
    setup = (
        "The app secret is under App settings, Basic; the verify token is a random text of yours, entered there too."
    )
    handshake_is = "GET with `hub.challenge`"
    content_types = ("application/json",)
    options_model = MetaOptions
    hold_invalid = True

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Options: `algorithm`, `sha256` or the older `sha1`."""
        algorithm = read_options(MetaOptions, self.name, options).algorithm
        super().__init__({"header": _NAMES[algorithm], "prefix": f"{algorithm}=", "algorithm": algorithm})

    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:
        """Accept a request that one of the app secrets signed."""
        return super().verify(request, _app_secret(secrets), now)

    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:
        """The request as Meta sends it."""
        return super().sign(request, _app_secret(secrets), now)

    def carriers(self) -> Carriers:
        """Both signatures, which come together, and the verify token."""
        return Carriers(
            headers=frozenset(name.lower() for name in _NAMES.values()), query=frozenset({"hub.verify_token"})
        )

    def secret_gap(self, secrets: Secrets) -> str:
        """The verify token."""
        if secret_part(secrets, "verify_token").usable():
            return ""
        return "its secret has no 'verify_token': Meta's check of the URL is refused"

    def handshake_methods(self) -> frozenset[str]:
        """GET."""
        return frozenset({"GET"})

    def handshake(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Handshake | None:  # noqa: ARG002 (contract)
        """The challenge, for who knows the verify token."""
        if request.method != "GET" or ("hub.mode", "subscribe") not in request.query_items():
            return None
        answer = query_challenge(request, "hub.challenge")
        if answer is None:
            return None
        tokens = decode_keys(secret_part(secrets, "verify_token"))
        missing, malformed = Reason.CREDENTIAL_MISSING, Reason.CREDENTIAL_MALFORMED
        if find_match([one_query_value(request, _TOKEN, missing=missing, malformed=malformed)], tokens) is None:
            raise Unverified(Reason.CREDENTIAL_WRONG, "the verify token is another")
        return answer


def _app_secret(secrets: Secrets | None) -> Secrets:
    part = secret_part(secrets, "app_secret", plain=True)
    if not part.usable():
        raise unusable(_PARTS, "it has no 'app_secret'")
    return part
