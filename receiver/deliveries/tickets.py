"""Signed, expiring permission to see one delivery's status without an API key. Pure."""

from __future__ import annotations

import base64
import hmac
from datetime import datetime, timedelta


class Tickets:
    """Makes and checks the `token` of a status URL: `<expiry, unix seconds in hex>.<signature>`.

    `key` is at least 32 random bytes, the same in every receiver of an installation.
    """

    def __init__(self, key: bytes, lifetime: timedelta = timedelta(days=2)) -> None:
        if len(key) < 32:
            raise ValueError("a ticket key has at least 32 bytes")
        self._key = key
        self._lifetime = lifetime

    def make(self, delivery_id: str, now: datetime) -> str:
        """A token for one delivery, good for the lifetime."""
        expires = f"{int((now + self._lifetime).timestamp()):x}"
        return f"{expires}.{self._sign(delivery_id, expires)}"

    def good(self, delivery_id: str, token: str, now: datetime) -> bool:
        """Whether a token was made here for this delivery and has not expired; False for any other text."""
        expires, _, signature = token.partition(".")
        if not hmac.compare_digest(self._sign(delivery_id, expires).encode(), signature.encode("utf-8", "replace")):
            return False
        return int(expires, 16) > now.timestamp()

    def _sign(self, delivery_id: str, expires: str) -> str:
        message = f"status\n{delivery_id}\n{expires}".encode("utf-8", "replace")
        return base64.urlsafe_b64encode(hmac.new(self._key, message, "sha256").digest()).rstrip(b"=").decode()
