"""Secrets as bytes: how a sender's key is written, and the comparison of what was presented with what is expected."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterable, Sequence
from typing import Literal

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.verify.base import Secrets

KeyEncoding = Literal["plain", "base64", "whsec", "hex"]
"""`plain`: the secret's own UTF-8; `base64`, `hex`: what it decodes to; `whsec`: base64 with or without `whsec_`."""


def decode_keys(secrets: Secrets | None, encoding: KeyEncoding = "plain") -> list[tuple[str, bytes]]:
    """`(label, key)` of every secret that is one, the current first. Raises `Unverified` when there is none.

    A secret that is empty, or empty once decoded, or not written as `encoding` says, is no key: the door stays closed.
    """
    keys = [(label, key) for label, value in (secrets.usable() if secrets else ()) if (key := _decode(value, encoding))]
    if not keys:
        raise Unverified(Reason.SECRET_UNAVAILABLE, f"the webhook has no secret that can be used as a {encoding} key")
    return keys


def find_match(presented: Sequence[bytes], expected: Iterable[tuple[str, bytes]]) -> str | None:
    """The label of the first expected value that is among what was presented. Compares all, each in constant time."""
    found = None
    for label, value in expected:
        for candidate in presented:
            if hmac.compare_digest(candidate, value) and found is None:
                found = label
    return found


def _decode(value: str, encoding: KeyEncoding) -> bytes | None:
    try:
        match encoding:
            case "plain":
                return value.encode()
            case "hex":
                return bytes.fromhex(value)
            case "base64":
                return _from_base64(value)
            case "whsec":
                return _from_base64(value.removeprefix("whsec_"))
    except (ValueError, binascii.Error):
        return None


def _from_base64(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
