"""Senders whose signature is an HMAC, as schemes over `hmac`: what a row of `senders.py` says, and what it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar

from receiver.ingress.request import RawRequest
from receiver.ingress.verify.base import Carriers, Handshake, Scheme, Secrets, SwitchOff, Verified
from receiver.ingress.verify.handshakes import Greeting
from receiver.ingress.verify.hmac_options import HmacOptions
from receiver.ingress.verify.hmac_signature import HmacScheme
from receiver.ingress.verify.keys import decode_keys
from receiver.ingress.verify.options import refuse_unknown
from receiver.ingress.verify.signed_content import compile_signed_content
from receiver.ingress.verify.wire import first_header


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A sender. `signature` are the fields of `HmacOptions`; `adjustable` the ones a webhook may set besides.

    The rest is as in `Scheme`, where it has the same name. `body_credentials` are fields of the body that hold a
    credential of the sender's besides the signature. `kind_header` tells events apart whose bodies are the same.
    """

    name: str
    about: str
    to_enter: str
    setup: str = ""
    signature: Mapping[str, Any]
    event_id: str | None = None
    split: str | None = None
    max_body: int | None = None
    answer_deadline: float | None = None
    content_types: tuple[str, ...] = ("application/json",)
    adjustable: frozenset[str] = frozenset()
    body_credentials: frozenset[str] = frozenset()
    kind_header: str | None = None
    handshake: Greeting | None = None
    switch_off: SwitchOff | None = None

    @property
    def id_signed(self) -> bool:
        """Whether the event id is in the signed body, or in a header that is signed too."""
        if self.event_id is None:
            return False
        content = compile_signed_content(self.signature.get("signed", "{body}"))
        signed = {f"{{{{$context.headers.{name}}}}}" for name in content.header_names}
        return self.event_id in signed or "$context.headers" not in self.event_id


class PresetScheme(HmacScheme):
    """The scheme of a row; `scheme_of` makes one with a name for each."""

    preset: ClassVar[Preset]

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Take what the row lets a webhook adjust; raises `DefinitionError` for anything else."""
        refuse_unknown(self.name, options, self.preset.adjustable)
        super().__init__({**self.preset.signature, **options})

    @classmethod
    def options_taken(cls) -> dict[str, str]:
        """What the row lets a webhook adjust."""
        return {name: HmacOptions.model_fields[name].description or "" for name in sorted(cls.preset.adjustable)}

    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:
        """As `hmac`; the mark tells apart also events that differ in nothing but their kind."""
        verified = super().verify(request, secrets, now)
        if self.preset.kind_header is None:
            return verified
        kind = first_header(request, self.preset.kind_header) or ""
        return replace(verified, mark=verified.mark + b" " + kind.encode("utf-8", "surrogatepass"))

    def carriers(self) -> Carriers:
        """The signature's header, and fields of the body that hold a credential."""
        return Carriers(headers=super().carriers().headers, body_fields=self.preset.body_credentials)

    def handshake(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Handshake | None:
        """The answer to the sender's check of the URL; where the sender signs that, once its signature is verified."""
        greeting = self.preset.handshake
        answer = greeting.answer(request, b"") if greeting is not None else None
        if greeting is None or answer is None or not greeting.signed:
            return answer
        label = self.verify(request, secrets, now).secret
        keys = dict(decode_keys(secrets, self.options.key))
        return greeting.answer(request, keys[label or ""])

    def handshake_methods(self) -> frozenset[str]:
        """The methods of the sender's check."""
        return self.preset.handshake.methods if self.preset.handshake is not None else frozenset()


def scheme_of(preset: Preset) -> type[Scheme]:
    """The row as a scheme, which `build_scheme` finds by its name."""
    attributes = {
        "__module__": __name__,
        "__doc__": f"{preset.about}. {preset.setup}".strip(),
        "name": preset.name,
        "preset": preset,
        "about": preset.about,
        "to_enter": preset.to_enter,
        "setup": preset.setup,
        "id_signed": preset.id_signed,
        "guards_replay": preset.event_id is not None and not preset.id_signed,
        "content_types": preset.content_types,
        "handshake_is": preset.handshake.about if preset.handshake is not None else "",
        "event_id": preset.event_id,
        "split": preset.split,
        "answer_deadline": preset.answer_deadline,
        "default_max_body": preset.max_body,
        "hold_invalid": True,
        "switch_off": preset.switch_off,
    }
    return type(f"{preset.name.title().replace('-', '')}Scheme", (PresetScheme,), attributes)
