"""Messages as WeCom and DingTalk encrypt and sign them: AES-256-CBC with their own padding, SHA-1 over sorted texts."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.base import Secrets
from receiver.ingress.verify.parts import secret_parts, unusable
from receiver.ingress.verify.timestamps import Unit, check_age, parse_timestamp
from receiver.ingress.verify.wire import one_query_value

_NOISE, _LENGTH, _BLOCK = 16, 4, 32
_AES_KEY = 43
"""Letters of the key as the senders show it: 32 bytes in base64, without its `=`."""


@dataclass(frozen=True)
class MessageKey:
    """What a sender and its receiver share. `receiver` is the corporation's or app's id, at the end of each message."""

    label: str
    token: str
    aes_key: bytes
    receiver: bytes

    def signature(self, timestamp: str, nonce: str, encrypted: str) -> str:
        """The signature over an encrypted message, in hex."""
        signed = "".join(sorted([self.token, timestamp, nonce, encrypted]))
        return hashlib.sha1(signed.encode("utf-8", "surrogateescape")).hexdigest()  # noqa: S324 (the senders' choice)

    def seal(self, message: bytes) -> str:
        """A message, encrypted, in base64."""
        plain = os.urandom(_NOISE) + len(message).to_bytes(_LENGTH, "big") + message + self.receiver
        padding = _BLOCK - len(plain) % _BLOCK
        encryptor = self._cipher().encryptor()
        return base64.b64encode(encryptor.update(plain + bytes([padding]) * padding) + encryptor.finalize()).decode()

    def open(self, encrypted: str) -> bytes:
        """The message; raises `Unverified` for what was not sealed with this key for this receiver."""
        plain = self._decrypted(encrypted)
        length = int.from_bytes(plain[_NOISE : _NOISE + _LENGTH], "big")
        start = _NOISE + _LENGTH
        message, receiver = plain[start : start + length], plain[start + length :]
        if len(message) != length or not hmac.compare_digest(receiver, self.receiver):
            raise Unverified(Reason.SIGNATURE_MISMATCH, "the message is encrypted with another key or for another app")
        return message

    def _decrypted(self, encrypted: str) -> bytes:
        try:
            sealed = base64.b64decode(encrypted, validate=True)
        except (ValueError, binascii.Error):
            sealed = b""
        if not sealed or len(sealed) % 16:
            raise Unverified(Reason.SIGNATURE_MALFORMED, "the encrypted message is not base64 of whole blocks")
        decryptor = self._cipher().decryptor()
        plain = decryptor.update(sealed) + decryptor.finalize()
        padding = plain[-1]
        if not 1 <= padding <= _BLOCK or plain[-padding:] != bytes([padding]) * padding:
            raise Unverified(Reason.SIGNATURE_MISMATCH, "the message is encrypted with another key")
        return plain[:-padding]

    def _cipher(self) -> Cipher[modes.CBC]:
        return Cipher(algorithms.AES(self.aes_key), modes.CBC(self.aes_key[:16]))


def message_keys(secrets: Secrets | None, receiver: str) -> list[MessageKey]:
    """The keys of secrets with the parts `token`, `aes_key` and `receiver` (their name for it).

    Raises `Unverified` when there is none that can be used.
    """
    names = ("token", "aes_key", receiver)
    keys = [
        MessageKey(label, parts["token"], aes_key, parts[receiver].encode())
        for label, parts in secret_parts(secrets, names)
        if (aes_key := _aes_key(parts["aes_key"])) is not None
    ]
    if not keys:
        raise unusable(names, f"'aes_key' is not {_AES_KEY} letters and digits, as the sender shows it")
    return keys


@dataclass(frozen=True)
class Seal:
    """What a request's query says of its encrypted message: who signed it, and when."""

    signature: bytes
    timestamp: str
    nonce: str

    @classmethod
    def of(cls, request: RawRequest, signature: str) -> Seal:
        """The seal of a request, its signature under that name. Raises `Unverified`."""
        malformed = Reason.SIGNATURE_MALFORMED
        found = one_query_value(request, signature, missing=Reason.SIGNATURE_MISSING, malformed=malformed)
        timestamp = one_query_value(request, "timestamp", missing=Reason.TIMESTAMP_MISSING, malformed=malformed)
        nonce = one_query_value(request, "nonce", missing=malformed, malformed=malformed)
        return cls(found, _text(timestamp), _text(nonce))

    def open(self, encrypted: str, keys: Sequence[MessageKey]) -> tuple[MessageKey, bytes]:
        """The key that signed this message, and what it says. Raises `Unverified`."""
        signer = None
        for key in keys:
            expected = key.signature(self.timestamp, self.nonce, encrypted).encode()
            if hmac.compare_digest(expected, self.signature) and signer is None:
                signer = key
        if signer is None:
            raise Unverified(Reason.SIGNATURE_MISMATCH)
        return signer, signer.open(encrypted)

    def check_age(self, now: datetime, unit: Unit, tolerance: int | None) -> None:
        """Raise `Unverified` for a message that was signed longer ago, or further ahead, than `tolerance` seconds."""
        if tolerance is not None:
            seconds = parse_timestamp(self.timestamp.encode("utf-8", "surrogateescape"), unit)
            check_age(seconds, now, tolerance=tolerance, applies="both")


def _aes_key(text: str) -> bytes | None:
    try:
        key = base64.b64decode(text + "=", validate=True) if len(text) == _AES_KEY else b""
    except (ValueError, binascii.Error):
        return None
    return key or None


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")
