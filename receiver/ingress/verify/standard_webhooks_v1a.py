"""The scheme `standard-webhooks-v1a`: Standard Webhooks whose sender signs with a private key (ed25519)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import Field

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.asymmetric import cannot_sign, ed25519_matches, ed25519_of_bytes, from_base64, public_keys
from receiver.ingress.verify.base import Carriers, Scheme, Secrets, Strength, Verified
from receiver.ingress.verify.options import SchemeOptions, read_options
from receiver.ingress.verify.stamped import Stamp
from receiver.ingress.verify.wire import one_header

_FORM = "the sender's public key, `whpk_...`"
_MOST_ENTRIES = 8


class StandardWebhooksV1aOptions(SchemeOptions):
    """Under which names the headers come, and how old a request may be."""

    headers: Literal["webhook", "svix"] = Field(
        default="webhook", description="`webhook`: `webhook-id` and so on; `svix`: the older `svix-id` and so on."
    )
    tolerance: Annotated[int, Field(ge=1, le=86400)] | None = Field(
        default=300, description="Seconds a signature is good for; null: any age is taken."
    )


class StandardWebhooksV1a(Scheme):
    """Senders of Standard Webhooks with a public key. Signatures by a shared secret (`v1`) are of no effect here."""

    name = "standard-webhooks-v1a"
    about = "senders of Standard Webhooks with a public key (v1a)"
    to_enter = _FORM
    setup = "The sender shows its public key where its webhooks are set up."
    strength: ClassVar[Strength] = "signed"
    id_signed = True
    options_model = StandardWebhooksV1aOptions
    hold_invalid = True
    event_id = '{{$context.headers.webhook-id | default("")}}{{$context.headers.svix-id | default("")}}'

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Options: `headers` (`webhook` or `svix`), `tolerance` in seconds."""
        self.options = read_options(StandardWebhooksV1aOptions, self.name, options)
        self._signature = f"{self.options.headers}-signature"

    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:
        """Accept a request of which one signature was made with the private key of one of the public ones."""
        keys = public_keys(secrets, _key, _FORM)
        start, malformed = self.options.headers, Reason.SIGNATURE_MALFORMED
        stamp = Stamp.of(request, self._signature, f"{start}-timestamp")
        id_ = one_header(request, (f"{start}-id",), missing=malformed, malformed=malformed)
        entries = stamp.signature.split(b" ")
        presented = [from_base64(entry[4:]) for entry in entries if entry.startswith(b"v1a,")]
        if not presented or len(entries) > _MOST_ENTRIES:
            raise Unverified(malformed, "no signature begins with 'v1a,', or there are too many")
        message = id_ + b"." + stamp.timestamp + b"." + request.wire_body
        label = next((found for each in presented if (found := ed25519_matches(keys, each, message))), None)
        if label is None:
            raise Unverified(Reason.SIGNATURE_MISMATCH)
        stamp.check_age(now, self.options.tolerance)
        return Verified(scheme=self.name, secret=label, mark=stamp.signature)

    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:  # noqa: ARG002 (contract)
        """Only the sender can: always raises `DefinitionError`."""
        public_keys(secrets, _key, _FORM)
        raise cannot_sign("the sender")

    def carriers(self) -> Carriers:
        """The signature's header."""
        return Carriers(headers=frozenset({self._signature}))


def _key(text: str) -> Ed25519PublicKey:
    encoded = text.removeprefix("whpk_")
    return ed25519_of_bytes(base64.b64decode(encoded, validate=True))
