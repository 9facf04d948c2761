"""Signatures by the standard library alone, so that no mistake of the verifiers can hide here."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime

from receiver.ingress.request import RawRequest

Signer = Callable[[RawRequest, str, datetime], RawRequest]


def hex_hmac(key: bytes, message: bytes) -> str:
    """HMAC-SHA256 in lower-case hex."""
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def base64_hmac(key: bytes, message: bytes) -> str:
    """HMAC-SHA256 in base64."""
    return base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()


def seconds(at: datetime) -> str:
    """A moment in Unix seconds."""
    return str(int(at.timestamp()))


def whsec_key(secret: str) -> bytes:
    """The key within `whsec_<base64>`."""
    return base64.b64decode(secret.removeprefix("whsec_"))
