"""The scheme `feishu`: events and card callbacks of Feishu (飞书) and Lark."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from pydantic import Field

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason
from receiver.contract.reply import Reply
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.base import Carriers, Handshake, OpenedBody, Scheme, Secrets, Strength, Verified
from receiver.ingress.verify.json_body import json_object, json_text
from receiver.ingress.verify.options import SchemeOptions, read_options
from receiver.ingress.verify.parts import secret_parts
from receiver.ingress.verify.stamped import Stamp
from receiver.ingress.verify.timestamps import format_timestamp
from receiver.ingress.verify.wire import one_header, with_headers

_SIGNATURE, _TIMESTAMP, _NONCE = "x-lark-signature", "x-lark-request-timestamp", "x-lark-request-nonce"
_BLOCK = 16


class FeishuOptions(SchemeOptions):
    """What the app sends here."""

    callback: Literal["events", "cards"] = Field(
        default="events",
        description="`events`: encrypted events, signed with the encrypt key; `cards`: callbacks of message cards in "
        "the older form, signed with the verification token and not encrypted.",
    )
    tolerance: Annotated[int, Field(ge=1, le=86400)] | None = Field(
        default=3600, description="Seconds a signature is good for; null: any age is taken."
    )


class Feishu(Scheme):
    """Feishu and Lark. The flow sees the decrypted event without its token; `url_verification` is answered."""

    name = "feishu"
    about = "Feishu (飞书) and Lark, events with an encrypt key, or card callbacks"
    to_enter = (
        'a JSON object `{"encrypt_key": "...", "verification_token": "..."}`; for cards the second alone is needed'
    )
    setup = "Enter the URL under events and callbacks of the app, and set an encrypt key there."
    strength: ClassVar[Strength] = "signed"
    id_signed = True
    options_model = FeishuOptions
    handshake_is = "`url_verification`"
    answer_is = "200 with `{}`"
    hold_invalid = True
    answer_deadline = 2.8
    event_id = '{{$context.data.header.event_id | default("")}}{{$context.data.uuid | default("")}}'

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Options: `callback` (`events` or `cards`), `tolerance` in seconds."""
        self.options = read_options(FeishuOptions, self.name, options)
        events = self.options.callback == "events"
        self._parts = ("encrypt_key", "verification_token") if events else ("verification_token",)
        self._digest = "sha256" if events else "sha1"

    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:
        """Accept a request that one of the secrets signed and encrypted, and that shows its verification token."""
        candidates = secret_parts(secrets, self._parts)
        malformed = Reason.SIGNATURE_MALFORMED
        stamp = Stamp.of(request, _SIGNATURE, _TIMESTAMP)
        nonce = one_header(request, (_NONCE,), missing=malformed, malformed=malformed)
        signer = None
        for label, parts in candidates:
            expected = self._signature(parts, stamp.timestamp + nonce, request.body)
            if hmac.compare_digest(stamp.signature, expected.encode()) and signer is None:
                signer = label, parts
        if signer is None:
            raise Unverified(Reason.SIGNATURE_MISMATCH)
        stamp.check_age(now, self.options.tolerance)
        label, parts = signer
        body = None
        if self.options.callback == "events":
            content = _opened(request.body, parts["encrypt_key"])
            _check_token(json_object(content), parts)
            body = OpenedBody(content=content, content_type="application/json")
        return Verified(scheme=self.name, secret=label, body=body, mark=stamp.signature)

    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:
        """The request as Feishu sends it; an event gets the verification token and is encrypted."""
        _, parts = secret_parts(secrets, self._parts)[0]
        body = request.body
        if self.options.callback == "events":
            body = json_text({"encrypt": _sealed(_with_token(json_object(body), parts), parts["encrypt_key"])})
        stamp, nonce = format_timestamp(now, "s"), os.urandom(8).hex()
        signature = self._signature(parts, (stamp + nonce).encode(), body)
        request = replace(request, body=body, wire_body=body)
        return with_headers(request, {_TIMESTAMP: stamp, _NONCE: nonce, _SIGNATURE: signature})

    def carriers(self) -> Carriers:
        """The signature's header, and the verification token in the body, in both forms of an event."""
        return Carriers(
            headers=frozenset({_SIGNATURE}),
            body_fields=frozenset({"token"}) if self.options.callback == "events" else frozenset(),
            body_paths=frozenset({("header", "token")}),
        )

    def handshake(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Handshake | None:  # noqa: ARG002 (contract)
        """The challenge of `url_verification`, which is not signed: the token in it is the proof.

        It comes encrypted where the app has an encrypt key, which is set before or after the URL.
        """
        try:
            said = json_object(request.body)
        except Unverified:
            return None  # `verify` tells why
        candidates = secret_parts(secrets, ("verification_token",))
        if "encrypt" in said:
            said = _opened_by_any(request.body, secrets)
        if said.get("type") != "url_verification":
            return None
        for _, parts in candidates:
            if _shows_token(said, parts) and isinstance(challenge := said.get("challenge"), str):
                return Handshake(body=json_text({"challenge": challenge[:512]}), content_type="application/json")
        raise Unverified(Reason.CREDENTIAL_WRONG, "url_verification shows another verification token")

    def answer(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Reply | None:  # noqa: ARG002 (contract)
        """200: any other status is sent again."""
        return Reply(status=200, body={})

    def _signature(self, parts: Mapping[str, str], moment: bytes, body: bytes) -> str:
        return hashlib.new(self._digest, moment + parts[self._parts[0]].encode() + body).hexdigest()


def _opened_by_any(body: bytes, secrets: Secrets | None) -> dict[str, Any]:
    """What an encrypted handshake says; nothing where no key opens it."""
    for _, parts in secret_parts(secrets, ("encrypt_key",)):
        try:
            return json_object(_opened(body, parts["encrypt_key"]))
        except Unverified:
            continue
    return {}


def _opened(body: bytes, encrypt_key: str) -> bytes:
    """What the member `encrypt` of a body holds: base64 of an IV of 16 bytes and the blocks."""
    encrypted = json_object(body).get("encrypt")
    try:
        sealed = base64.b64decode(encrypted, validate=True) if isinstance(encrypted, str) else b""
    except (ValueError, binascii.Error):
        sealed = b""
    if len(sealed) < 2 * _BLOCK or len(sealed) % _BLOCK:
        raise Unverified(Reason.SIGNATURE_MALFORMED, "the body holds no encrypted event: set an encrypt key at the app")
    decryptor = _cipher(encrypt_key, sealed[:_BLOCK]).decryptor()
    plain = decryptor.update(sealed[_BLOCK:]) + decryptor.finalize()
    padding = plain[-1]
    if not 1 <= padding <= _BLOCK or plain[-padding:] != bytes([padding]) * padding:
        raise Unverified(Reason.SIGNATURE_MISMATCH, "the event is encrypted with another key")
    return plain[:-padding]


def _sealed(content: bytes, encrypt_key: str) -> str:
    padding = _BLOCK - len(content) % _BLOCK
    iv = os.urandom(_BLOCK)
    encryptor = _cipher(encrypt_key, iv).encryptor()
    return base64.b64encode(iv + encryptor.update(content + bytes([padding]) * padding) + encryptor.finalize()).decode()


def _cipher(encrypt_key: str, iv: bytes) -> Cipher[modes.CBC]:
    return Cipher(algorithms.AES(hashlib.sha256(encrypt_key.encode()).digest()), modes.CBC(iv))


def _shows_token(event: Mapping[str, Any], parts: Mapping[str, str]) -> bool:
    """Whether an event holds the token where its form has it: at the top, or in `header` of the newer one."""
    header = event.get("header")
    token = event.get("token") or (header.get("token") if isinstance(header, dict) else None)
    return isinstance(token, str) and hmac.compare_digest(
        token.encode("utf-8", "surrogatepass"), parts["verification_token"].encode()
    )


def _check_token(event: Mapping[str, Any], parts: Mapping[str, str]) -> None:
    if not _shows_token(event, parts):
        raise Unverified(Reason.CREDENTIAL_WRONG, "the event shows another verification token")


def _with_token(event: dict[str, Any], parts: Mapping[str, str]) -> bytes:
    header = event.get("header")
    if isinstance(header, dict):
        return json_text({**event, "header": {**header, "token": parts["verification_token"]}})
    return json_text({**event, "token": parts["verification_token"]})
