"""The scheme `dingtalk`: event callbacks of DingTalk (钉钉), encrypted and signed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import Field

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason
from receiver.contract.reply import Reply
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.aes_message import MessageKey, Seal, message_keys
from receiver.ingress.verify.base import Carriers, Handshake, OpenedBody, Scheme, Secrets, Strength, Verified
from receiver.ingress.verify.json_body import json_object, json_text
from receiver.ingress.verify.options import SchemeOptions, read_options
from receiver.ingress.verify.timestamps import format_timestamp
from receiver.ingress.verify.wire import with_query_value

_SIGNATURES = ("msg_signature", "signature")
"""The same signature comes under both names; the second alone from older versions."""
_RECEIVER = "owner_key"


class DingTalkOptions(SchemeOptions):
    """How old a callback may be."""

    tolerance: Annotated[int, Field(ge=1, le=86400)] | None = Field(
        default=3600, description="Seconds a signature is good for; null: any age is taken."
    )


class DingTalk(Scheme):
    """DingTalk's event callbacks. The flow sees the decrypted event; `check_url` is answered without a run."""

    name = "dingtalk"
    about = "DingTalk (钉钉) event callbacks, encrypted"
    to_enter = (
        'a JSON object `{"token": "...", "aes_key": "...", "owner_key": "..."}`; the last is the app key or corp id'
    )
    setup = "Enter the URL, the token and the aes_key under event subscription, by HTTP push."
    strength: ClassVar[Strength] = "signed"
    id_signed = True
    options_model = DingTalkOptions
    handshake_is = "event `check_url`"
    answer_is = "an encrypted `success`"
    hold_invalid = True
    answer_deadline = 1.4

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Options: `tolerance` in seconds."""
        self.options = read_options(DingTalkOptions, self.name, options)

    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:
        """Accept an event that one of the secrets signed, and open it."""
        key, seal, content = self._opened(request, secrets, now)
        body = OpenedBody(content=content, content_type="application/json")
        return Verified(scheme=self.name, secret=key.label, body=body, mark=seal.signature)

    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:
        """The request with its body encrypted."""
        sealed = _sealed(message_keys(secrets, _RECEIVER)[0], request.body, now)
        body = json_text({"encrypt": sealed["encrypt"]})
        request = replace(request, body=body, wire_body=body)
        query = dict.fromkeys(_SIGNATURES, sealed["msg_signature"])
        for name, value in {"timestamp": sealed["timeStamp"], "nonce": sealed["nonce"], **query}.items():
            request = with_query_value(request, name, value)
        return request

    def carriers(self) -> Carriers:
        """The signature in the query, under each of its names."""
        return Carriers(query=frozenset(_SIGNATURES))

    def handshake(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Handshake | None:
        """The encrypted `success` for the event `check_url`."""
        key, _, content = self._opened(request, secrets, now)
        if json_object(content).get("EventType") != "check_url":
            return None
        return Handshake(body=json_text(_sealed(key, b"success", now)), content_type="application/json")

    def answer(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Reply | None:
        """The encrypted `success`: without it DingTalk sends the event again, and then gives up on the URL."""
        key, _, _ = self._opened(request, secrets, now)
        return Reply(status=200, body=_sealed(key, b"success", now))

    def _opened(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> tuple[MessageKey, Seal, bytes]:
        keys = message_keys(secrets, _RECEIVER)
        present = {name for name, _ in request.query_items()}
        seal = Seal.of(request, next((name for name in _SIGNATURES if name in present), _SIGNATURES[0]))
        encrypted = json_object(request.body).get("encrypt")
        if not isinstance(encrypted, str) or not encrypted:
            raise Unverified(Reason.SIGNATURE_MALFORMED, "the body holds no encrypted message")
        key, content = seal.open(encrypted, keys)
        seal.check_age(now, "ms", self.options.tolerance)
        return key, seal, content


def _sealed(key: MessageKey, content: bytes, now: datetime) -> dict[str, str]:
    encrypted, stamp, nonce = key.seal(content), format_timestamp(now, "ms"), os.urandom(8).hex()
    signature = key.signature(stamp, nonce, encrypted)
    return {"msg_signature": signature, "timeStamp": stamp, "nonce": nonce, "encrypt": encrypted}
