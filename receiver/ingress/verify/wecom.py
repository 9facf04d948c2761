"""The scheme `wecom`: callbacks of WeCom (企业微信), encrypted and signed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import Field

from receiver.contract.errors import Unusable, Unverified
from receiver.contract.reasons import Reason
from receiver.contract.reply import Reply
from receiver.ingress.parse.xml_text import parse_xml
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.aes_message import Seal, message_keys
from receiver.ingress.verify.base import Carriers, Handshake, OpenedBody, Scheme, Secrets, Strength, Verified
from receiver.ingress.verify.json_body import json_object, json_text
from receiver.ingress.verify.options import SchemeOptions, read_options
from receiver.ingress.verify.timestamps import format_timestamp
from receiver.ingress.verify.wire import one_query_value, with_query_value

_SIGNATURE = "msg_signature"
_RECEIVER = "receive_id"


class WeComOptions(SchemeOptions):
    """How old a callback may be."""

    tolerance: Annotated[int, Field(ge=1, le=86400)] | None = Field(
        default=3600, description="Seconds a signature is good for; null: any age is taken."
    )


class WeCom(Scheme):
    """WeCom. The flow sees the decrypted message; the check of the URL is answered with the decrypted `echostr`."""

    name = "wecom"
    about = "WeCom (企业微信) callbacks, encrypted"
    to_enter = (
        'a JSON object `{"token": "...", "aes_key": "...", "receive_id": "..."}`; the last is the corporation\'s id'
    )
    setup = "Enter the URL, the Token and the EncodingAESKey in the app's settings under receiving messages."
    strength: ClassVar[Strength] = "signed"
    id_signed = True
    content_types = ("text/xml", "application/json")
    options_model = WeComOptions
    handshake_is = "GET with `echostr`"
    answer_is = "200 without a body"
    hold_invalid = True
    answer_deadline = 4.5
    event_id = '{{$context.data.xml.MsgId | default("")}}{{$context.data.msgid | default("")}}'

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Options: `tolerance` in seconds."""
        self.options = read_options(WeComOptions, self.name, options)

    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:
        """Accept a message that one of the secrets signed, and open it."""
        keys = message_keys(secrets, _RECEIVER)
        seal = Seal.of(request, _SIGNATURE)
        key, content = seal.open(_encrypted(request.body), keys)
        seal.check_age(now, "s", self.options.tolerance)
        kind = "text/xml; charset=utf-8" if content.lstrip().startswith(b"<") else "application/json"
        return Verified(
            scheme=self.name,
            secret=key.label,
            body=OpenedBody(content=content, content_type=kind),
            mark=seal.signature,
        )

    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:
        """The request with its body encrypted, in JSON or in XML as the body is."""
        key = message_keys(secrets, _RECEIVER)[0]
        encrypted, stamp, nonce = key.seal(request.body), format_timestamp(now, "s"), os.urandom(8).hex()
        if request.body.lstrip().startswith(b"<"):
            body = f"<xml><Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>".encode()
        else:
            body = json_text({"encrypt": encrypted})
        signed = {"timestamp": stamp, "nonce": nonce, _SIGNATURE: key.signature(stamp, nonce, encrypted)}
        request = replace(request, body=body, wire_body=body)
        for name, value in signed.items():
            request = with_query_value(request, name, value)
        return request

    def carriers(self) -> Carriers:
        """The signature in the query."""
        return Carriers(query=frozenset({_SIGNATURE}))

    def handshake(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Handshake | None:
        """The decrypted `echostr` of a GET."""
        if request.method != "GET" or not any(name == "echostr" for name, _ in request.query_items()):
            return None
        malformed = Reason.SIGNATURE_MALFORMED
        echo = one_query_value(request, "echostr", missing=malformed, malformed=malformed).decode("ascii", "replace")
        seal = Seal.of(request, _SIGNATURE)
        _, content = seal.open(echo, message_keys(secrets, _RECEIVER))
        seal.check_age(now, "s", self.options.tolerance)
        return Handshake(body=content)

    def handshake_methods(self) -> frozenset[str]:
        """The URL is checked by GET."""
        return frozenset({"GET"})

    def answer(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Reply | None:  # noqa: ARG002 (contract)
        """Nothing, with 200: any text would be read as a message to the user."""
        return Reply(status=200)


def _encrypted(body: bytes) -> str:
    """The encrypted message within a body of XML or JSON; raises `Unverified`."""
    if body.lstrip().startswith(b"<"):
        try:
            root = next(iter(parse_xml(body, None).values()), None)
        except Unusable as error:
            raise Unverified(Reason.SIGNATURE_MALFORMED, error.detail) from None
        found = root.get("Encrypt") if isinstance(root, dict) else None
    else:
        found = json_object(body).get("encrypt")
    if not isinstance(found, str) or not found:
        raise Unverified(Reason.SIGNATURE_MALFORMED, "the body holds no encrypted message")
    return found
