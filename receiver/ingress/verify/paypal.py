"""The scheme `paypal`: webhooks of PayPal, signed with a certificate that PayPal publishes."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import Certificate
from pydantic import Field

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.asymmetric import cannot_sign, from_base64
from receiver.ingress.verify.base import Carriers, Scheme, Secrets, Strength, Verified
from receiver.ingress.verify.certificates import (
    check_chain,
    check_time,
    common_name,
    read_certificates,
    rsa_signed,
    system_roots,
)
from receiver.ingress.verify.options import SchemeOptions, read_options
from receiver.ingress.verify.wire import one_header

_SIGNATURE, _URL = "paypal-transmission-sig", "paypal-cert-url"
_CERTIFICATE = re.compile(
    r"https://(?:[a-z0-9-]+\.)+paypal\.com/v1/notifications/certs/[A-Za-z0-9._-]{1,200}", re.ASCII
)
_NAME = re.compile(r"(?:[a-z0-9-]+\.)+paypal\.com", re.ASCII)


class PayPalOptions(SchemeOptions):
    """Which webhook of PayPal's this is, and how its certificate is checked."""

    webhook_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")] = Field(
        description="The webhook's id, shown beside it in PayPal's developer dashboard; part of what is signed."
    )
    chain: Literal["full", "leaf"] = Field(
        default="full",
        description="`full`: the certificates fetched have to lead to a root this machine trusts; `leaf`: the one "
        "certificate is believed for coming by HTTPS from paypal.com, where PayPal leaves out those between.",
    )


class PayPal(Scheme):
    """PayPal. It signs a checksum of the body, no hash: who holds one request can make another body for it.

    The guard against replays is therefore on: one signature is good for one event id.
    """

    name = "paypal"
    about = "PayPal webhooks"
    setup = "Add the URL to the app in the developer dashboard; the webhook's id appears beside it."
    strength: ClassVar[Strength] = "signed"
    guards_replay = True
    options_model = PayPalOptions
    needs_secret = False
    hold_invalid = True
    event_id = "{{$context.data.id}}"

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Options: `webhook_id`, `chain` (`full` or `leaf`)."""
        self.options = read_options(PayPalOptions, self.name, options)

    def documents(self, request: RawRequest) -> tuple[str, ...]:
        """The certificate, at an address of PayPal's only."""
        url = _header(request, _URL)
        if not _CERTIFICATE.fullmatch(url):
            raise Unverified(Reason.CERTIFICATE_INVALID, "PayPal-Cert-Url is no certificate at paypal.com")
        return (url,)

    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:  # noqa: ARG002 (contract)
        """Accept a request that PayPal signed for this webhook."""
        text = _header(request, _SIGNATURE)
        [url] = self.documents(request)
        if _header(request, "paypal-auth-algo") != "SHA256withRSA":
            raise Unverified(Reason.SIGNATURE_MALFORMED, "PayPal-Auth-Algo is not SHA256withRSA")
        sent = f"{_header(request, 'paypal-transmission-id')}|{_header(request, 'paypal-transmission-time')}"
        signed = f"{sent}|{self.options.webhook_id}|{zlib.crc32(request.wire_body)}".encode("latin-1")
        chain = read_certificates(request.documents.get(url, b""))
        self._check(chain, now)
        if not rsa_signed(chain[0], from_base64(text.encode("latin-1")), signed, SHA256()):
            raise Unverified(Reason.SIGNATURE_MISMATCH)
        return Verified(scheme=self.name, mark=text.encode("latin-1"))

    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:  # noqa: ARG002 (contract)
        """Only PayPal can: always raises `DefinitionError`."""
        raise cannot_sign("PayPal")

    def carriers(self) -> Carriers:
        """The signature's header."""
        return Carriers(headers=frozenset({_SIGNATURE}))

    def roots(self) -> Sequence[Certificate]:
        """The roots that a certificate has to lead to: this machine's."""
        return system_roots()

    def _check(self, chain: Sequence[Certificate], now: datetime) -> None:
        check_time(chain[0], now)
        name = common_name(chain[0])
        if not _NAME.fullmatch(name):
            raise Unverified(Reason.CERTIFICATE_INVALID, "the certificate is for no name below paypal.com")
        if self.options.chain == "full":
            check_chain(chain, name, self.roots(), now)


def _header(request: RawRequest, name: str) -> str:
    missing, malformed = Reason.SIGNATURE_MISSING, Reason.SIGNATURE_MALFORMED
    return one_header(request, (name,), missing=missing, malformed=malformed).decode("latin-1")
