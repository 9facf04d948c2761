"""The scheme `discord`: interactions and webhook events of a Discord app."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import Field

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason
from receiver.contract.reply import Reply
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.asymmetric import cannot_sign, ed25519_matches, ed25519_of_bytes, from_hex, public_keys
from receiver.ingress.verify.base import Carriers, Handshake, Scheme, Secrets, Strength, Verified
from receiver.ingress.verify.json_body import json_object, json_text
from receiver.ingress.verify.options import SchemeOptions, read_options
from receiver.ingress.verify.stamped import Stamp

_SIGNATURE, _TIMESTAMP = "x-signature-ed25519", "x-signature-timestamp"
# What an interaction is answered at once: "the app is thinking", or no change; the flow follows up with its token.
_DEFERRED: Mapping[Any, Mapping[str, Any]] = {
    2: {"type": 5},
    3: {"type": 6},
    4: {"type": 8, "data": {"choices": []}},
    5: {"type": 5},
}


class DiscordOptions(SchemeOptions):
    """What the app sends here, and how old it may be."""

    sends: Literal["interactions", "events"] = Field(
        default="interactions",
        description="`interactions`: the Interactions Endpoint URL; `events`: the Webhook Events URL.",
    )
    tolerance: Annotated[int, Field(ge=1, le=86400)] | None = Field(
        default=300, description="Seconds a signature is good for; null: any age is taken."
    )


class Discord(Scheme):
    """A Discord app. PINGs are answered; an interaction is deferred at once unless the webhook is synchronous."""

    name = "discord"
    about = "Discord apps: interactions and webhook events"
    to_enter = "the app's public key, in hex as the developer portal shows it"
    setup = "Enter the URL under General Information (interactions) or Webhooks (events); Discord probes it at once."
    strength: ClassVar[Strength] = "signed"
    id_signed = True
    options_model = DiscordOptions
    handshake_is = "PING"
    answer_is = "a deferred response to interactions, 204 to events"
    hold_invalid = True
    answer_deadline = 2.7
    event_id = '{{$context.data.id | default("")}}'

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Options: `sends` (`interactions` or `events`), `tolerance` in seconds."""
        self.options = read_options(DiscordOptions, self.name, options)

    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:
        """Accept a request signed with the private key of one of the public ones."""
        keys = public_keys(secrets, _key, "the app's public key, 64 digits of hex")
        stamp = Stamp.of(request, _SIGNATURE, _TIMESTAMP)
        label = ed25519_matches(keys, from_hex(stamp.signature), stamp.timestamp + request.wire_body)
        if label is None:
            raise Unverified(Reason.SIGNATURE_MISMATCH)
        stamp.check_age(now, self.options.tolerance)
        return Verified(scheme=self.name, secret=label, mark=stamp.signature)

    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:  # noqa: ARG002 (contract)
        """Only Discord can: always raises `DefinitionError`."""
        public_keys(secrets, _key, "the app's public key")
        raise cannot_sign("Discord")

    def carriers(self) -> Carriers:
        """The signature's header."""
        return Carriers(headers=frozenset({_SIGNATURE}))

    def handshake(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Handshake | None:
        """PONG for a signed PING. Discord also sends ones with a bad signature, which must be refused with 401."""
        kind = _kind(request)
        if kind != (1 if self.options.sends == "interactions" else 0) or isinstance(kind, bool):
            return None
        self.verify(request, secrets, now)
        if self.options.sends == "events":
            return Handshake(status=204)
        return Handshake(body=json_text({"type": 1}), content_type="application/json")

    def answer(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Reply | None:  # noqa: ARG002 (contract)
        """204 for an event; for an interaction that the flow follows it up."""
        if self.options.sends == "events":
            return Reply(status=204)
        return Reply(status=200, body=dict(_DEFERRED.get(_kind(request), {"type": 5})))


def _kind(request: RawRequest) -> Any:
    try:
        kind = json_object(request.body).get("type")
    except Unverified:
        return None
    return kind if isinstance(kind, int) else None


def _key(text: str) -> Ed25519PublicKey:
    return ed25519_of_bytes(bytes.fromhex(text))
