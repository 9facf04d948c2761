"""Senders whose signature is an HMAC: one row each, over the scheme `hmac`. A new one is a row here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from receiver.ingress.request import RawRequest
from receiver.ingress.verify.base import Carriers, Handshake, Scheme, Secrets
from receiver.ingress.verify.handshakes import slack_challenge
from receiver.ingress.verify.hmac_signature import HmacScheme
from receiver.ingress.verify.options import refuse_unknown

MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A sender. `signature` are the fields of `HmacOptions`; `adjustable` the ones a webhook may set besides.

    `event_id` and `max_body` are as in `Scheme`; `body_credentials` are fields of the body that hold a credential of
    the sender's besides the signature. `handshake` tells the answer to a complete handshake, None for any other
    request; the scheme verifies the signature before it is given.
    """

    name: str
    about: str
    signature: Mapping[str, Any]
    event_id: str | None = None
    max_body: int | None = None
    adjustable: frozenset[str] = frozenset()
    body_credentials: frozenset[str] = frozenset()
    handshake: Callable[[RawRequest], Handshake | None] | None = field(default=None)


_TOLERANCE = frozenset({"tolerance"})

PRESETS: tuple[Preset, ...] = (
    Preset(
        name="github",
        about="GitHub, secret of the webhook. `ping` is a delivery like any other: a filter leaves it out.",
        signature={"header": "X-Hub-Signature-256", "prefix": "sha256="},
        event_id="{{$context.headers.x-github-delivery}}",
        max_body=25 * MIB,
    ),
    Preset(
        name="stripe",
        about="Stripe, signing secret of the endpoint with its `whsec_`.",
        signature={
            "header": "Stripe-Signature",
            "separator": ",",
            "prefix": "v1=",
            "timestamp_prefix": "t=",
            "signed": "{timestamp}.{body}",
            "tolerance_applies": "past",
        },
        event_id="{{$context.data.id}}",
        adjustable=_TOLERANCE,
    ),
    Preset(
        name="slack",
        about="Slack, signing secret of the app. Answers `url_verification` by itself.",
        signature={
            "header": "X-Slack-Signature",
            "prefix": "v0=",
            "timestamp_header": "X-Slack-Request-Timestamp",
            "signed": "v0:{timestamp}:{body}",
        },
        event_id="{{$context.data.event_id}}",
        adjustable=_TOLERANCE,
        # Slack's older verification token still comes in every body; receivers elsewhere may believe it.
        body_credentials=frozenset({"token"}),
        handshake=slack_challenge,
    ),
    Preset(
        name="shopify",
        about="Shopify, client secret of the app or the key shown under notifications.",
        signature={"header": ["X-Shopify-Hmac-Sha256", "Shopify-Hmac-Sha256"], "encoding": "base64"},
        event_id="{{$context.headers.x-shopify-webhook-id}}",
    ),
    Preset(
        name="standard-webhooks",
        about="Any sender of Standard Webhooks (v1), secret with or without `whsec_`.",
        signature={
            "header": "webhook-signature",
            "separator": " ",
            "prefix": "v1,",
            "encoding": "base64",
            "key": "whsec",
            "timestamp_header": "webhook-timestamp",
            "signed": "{header:webhook-id}.{timestamp}.{body}",
        },
        event_id="{{$context.headers.webhook-id}}",
        adjustable=_TOLERANCE,
    ),
    Preset(
        name="svix",
        about="Svix and who sends through it: Standard Webhooks (v1) under the older header names.",
        signature={
            "header": "svix-signature",
            "separator": " ",
            "prefix": "v1,",
            "encoding": "base64",
            "key": "whsec",
            "timestamp_header": "svix-timestamp",
            "signed": "{header:svix-id}.{timestamp}.{body}",
        },
        event_id="{{$context.headers.svix-id}}",
        adjustable=_TOLERANCE,
    ),
)


class PresetScheme(HmacScheme):
    """The scheme of a row; `scheme_of` makes one with a name for each."""

    preset: ClassVar[Preset]

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Take what the row lets a webhook adjust; raises `DefinitionError` for anything else."""
        refuse_unknown(self.name, options, self.preset.adjustable)
        super().__init__({**self.preset.signature, **options})

    def carriers(self) -> Carriers:
        """The signature's header, and fields of the body that hold a credential."""
        return Carriers(headers=super().carriers().headers, body_fields=self.preset.body_credentials)

    def handshake(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Handshake | None:
        """The answer to the sender's check of the URL, once its signature is verified."""
        answer = self.preset.handshake(request) if self.preset.handshake is not None else None
        if answer is not None:
            self.verify(request, secrets, now)
        return answer


def scheme_of(preset: Preset) -> type[Scheme]:
    """The row as a scheme, which `build_scheme` finds by its name."""
    attributes = {
        "__module__": __name__,
        "__doc__": preset.about,
        "name": preset.name,
        "preset": preset,
        "event_id": preset.event_id,
        "default_max_body": preset.max_body,
        "hold_invalid": True,
    }
    return type(f"{preset.name.title().replace('-', '')}Scheme", (PresetScheme,), attributes)


SCHEMES: tuple[type[Scheme], ...] = tuple(scheme_of(preset) for preset in PRESETS)
