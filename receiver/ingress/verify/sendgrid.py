"""The scheme `sendgrid`: signed event webhooks of Twilio SendGrid."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import Field

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.asymmetric import cannot_sign, ecdsa_matches, from_base64, p256_of_text, public_keys
from receiver.ingress.verify.base import Carriers, Scheme, Secrets, Strength, Verified
from receiver.ingress.verify.options import SchemeOptions, read_options
from receiver.ingress.verify.stamped import Stamp

_SIGNATURE = "x-twilio-email-event-webhook-signature"
_TIMESTAMP = "x-twilio-email-event-webhook-timestamp"
_FORM = "the verification key, base64 as SendGrid shows it"


class SendGridOptions(SchemeOptions):
    """How old events may be."""

    tolerance: Annotated[int, Field(ge=1, le=86400)] | None = Field(
        default=None, description="Seconds a signature is good for; null: any age is taken."
    )


class SendGrid(Scheme):
    """SendGrid's events: a list in each request, of which each event is a delivery with its own id."""

    name = "sendgrid"
    about = "Twilio SendGrid, signed event webhook"
    to_enter = _FORM
    setup = "Turn on Signed Event Webhook under Mail Settings; its verification key appears there."
    strength: ClassVar[Strength] = "signed"
    id_signed = True
    options_model = SendGridOptions
    hold_invalid = True
    event_id = "{{$context.data.sg_event_id}}"
    split = "{{$context.data}}"

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Options: `tolerance` in seconds."""
        self.options = read_options(SendGridOptions, self.name, options)

    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:
        """Accept a request signed with the private key of one of the public ones."""
        keys = public_keys(secrets, p256_of_text, _FORM)
        stamp = Stamp.of(request, _SIGNATURE, _TIMESTAMP)
        label = ecdsa_matches(keys, from_base64(stamp.signature), stamp.timestamp + request.wire_body)
        if label is None:
            raise Unverified(Reason.SIGNATURE_MISMATCH)
        stamp.check_age(now, self.options.tolerance)
        return Verified(scheme=self.name, secret=label, mark=stamp.signature)

    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:  # noqa: ARG002 (contract)
        """Only SendGrid can: always raises `DefinitionError`."""
        public_keys(secrets, p256_of_text, _FORM)
        raise cannot_sign("SendGrid")

    def carriers(self) -> Carriers:
        """The signature's header."""
        return Carriers(headers=frozenset({_SIGNATURE}))
