"""The scheme `hmac`: a signature over raw bytes of the request, described by data."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.base import Carriers, Scheme, Secrets, Verified
from receiver.ingress.verify.hmac_options import HmacOptions
from receiver.ingress.verify.keys import decode_keys, find_match
from receiver.ingress.verify.options import SchemeOptions, read_options
from receiver.ingress.verify.timestamps import check_age, format_timestamp, parse_timestamp, read_field
from receiver.ingress.verify.wire import one_header, with_field, with_headers, without_headers

MOST_ENTRIES = 32
"""Entries of a signature header past which it is malformed: each costs a comparison for each secret."""
_KEEPS_THE_LOCK = 2047
_LARGE = 64 * 1024
"""Bytes that are digested with Python's lock held; of more, somebody else may well work meanwhile."""


class HmacScheme(Scheme):
    """The sender signs each request with the shared secret. Options: see `HmacOptions`; `header` is the one needed.

    Signatures are compared as text in constant time, so every spelling but the canonical one is refused. Where a
    request came with a Content-Encoding, a signature over the bytes as sent and one over the inflated bytes both count.
    """

    name = "hmac"
    about = "any sender that signs with a shared secret, described by data"
    to_enter = "the signing secret"
    content_types: ClassVar[tuple[str, ...]] = ()
    options_model: ClassVar[type[SchemeOptions] | None] = HmacOptions

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Take the fields of `HmacOptions`; raises `DefinitionError`."""
        self.options = read_options(HmacOptions, self.name, options)

    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:
        """Accept a request that one of the secrets signed, not too long ago where the sender tells when."""
        keys = decode_keys(secrets, self.options.key)
        entries = self._entries(request)
        timestamp = self._timestamp(request, entries)
        presented = [entry[len(self._prefix) :] for entry in entries if entry.startswith(self._prefix)]
        if not any(presented):
            raise Unverified(Reason.SIGNATURE_MALFORMED, f"no signature begins with '{self.options.prefix}'")
        seconds = parse_timestamp(timestamp, self.options.timestamp_unit) if self.options.has_timestamp_header else None
        label, signature = self._matching_secret(presented, request, timestamp, keys)
        # After the signature, so that this reason in the log means: it was the sender, and a clock is wrong.
        if self.options.timestamp_field is not None:
            seconds = read_field(request.body, self.options.timestamp_field, self.options.timestamp_unit)
        if seconds is not None and self.options.tolerance is not None:
            check_age(seconds, now, tolerance=self.options.tolerance, applies=self.options.tolerance_applies)
        return Verified(scheme=self.name, secret=label, mark=signature)

    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:
        """The request with the sender's signature, timestamp, and an id where one is signed and missing."""
        _, key = decode_keys(secrets, self.options.key)[0]
        timestamp = format_timestamp(now, self.options.timestamp_unit)
        if self.options.timestamp_field is not None:
            request = with_field(request, self.options.timestamp_field, int(timestamp))
        present = {name.lower() for name, _ in request.headers}
        added = {name: _new_id(request, now) for name in self.options.content.header_names if name not in present}
        if self.options.timestamp_header is not None:
            added[self.options.timestamp_header] = timestamp
        request = with_headers(without_headers(request, self.options.header), added)
        signature = self._signature(key, self.options.content.render(request, request.wire_body, timestamp.encode()))
        entries = [self.options.prefix + signature.decode()]
        if self.options.timestamp_prefix is not None:
            entries.insert(0, self.options.timestamp_prefix + timestamp)
        return with_headers(request, {self.options.header[0]: (self.options.separator or "").join(entries)})

    def signs_url(self) -> bool:
        """Where `signed` holds `{url}` and no `notification_url` says what that is."""
        return self.options.content.takes_url()

    def carriers(self) -> Carriers:
        """The signature's header, under each of its names."""
        return Carriers(headers=frozenset(self.options.header))

    @property
    def _prefix(self) -> bytes:
        return self.options.prefix.encode()

    def _entries(self, request: RawRequest) -> list[bytes]:
        malformed = Reason.SIGNATURE_MALFORMED
        value = one_header(request, self.options.header, missing=Reason.SIGNATURE_MISSING, malformed=malformed)
        if self.options.separator is None:
            return [value]
        entries = [entry.strip(b" \t") for entry in value.split(self.options.separator.encode())]
        if len(entries) > MOST_ENTRIES:
            raise Unverified(malformed, f"more than {MOST_ENTRIES} entries in the signature's header")
        return entries

    def _timestamp(self, request: RawRequest, entries: list[bytes]) -> bytes:
        missing, malformed = Reason.TIMESTAMP_MISSING, Reason.TIMESTAMP_MALFORMED
        if self.options.timestamp_header is not None:
            return one_header(request, (self.options.timestamp_header,), missing=missing, malformed=malformed)
        if self.options.timestamp_prefix is None:
            return b""
        prefix = self.options.timestamp_prefix.encode()
        found = {entry[len(prefix) :] for entry in entries if entry.startswith(prefix)}
        if not found:
            raise Unverified(
                missing, f"no entry of the signature's header begins with '{self.options.timestamp_prefix}'"
            )
        if len(found) > 1:
            raise Unverified(malformed, "the signature's header holds two different timestamps")
        return found.pop()

    def _matching_secret(
        self, presented: list[bytes], request: RawRequest, timestamp: bytes, keys: list[tuple[str, bytes]]
    ) -> tuple[str, bytes]:
        """The label of the secret that signed, and the signature; raises `Unverified` where none of them did."""
        bodies = [request.wire_body] if request.wire_body == request.body else [request.wire_body, request.body]
        expected = [
            (label, self._signature(key, self.options.content.render(request, body, timestamp)))
            for body in bodies
            for label, key in keys
        ]
        if self.options.encoding == "base64url":  # padded or not, as senders please
            presented = [signature.rstrip(b"=") for signature in presented]
        label = find_match(presented, expected)
        if label is None:
            raise Unverified(Reason.SIGNATURE_MISMATCH)
        return label, next(value for owner, value in expected if owner == label and value in presented)

    def _signature(self, key: bytes, pieces: list[bytes]) -> bytes:
        digest = _digest(key, pieces, self.options.algorithm)
        match self.options.encoding:
            case "hex":
                return digest.hex().encode()
            case "base64":
                return base64.b64encode(digest)
            case "base64url":
                return base64.urlsafe_b64encode(digest).rstrip(b"=")


def _digest(key: bytes, pieces: list[bytes], algorithm: str) -> bytes:
    mac = hmac.new(key, digestmod=algorithm)
    for piece in pieces:
        # Python gives its lock away for 2048 bytes and more (`hmac.digest` does for any), and while the inbox is being
        # written it comes back forty times later than such a digest takes.
        step = _KEEPS_THE_LOCK if len(piece) <= _LARGE else len(piece)
        for start in range(0, len(piece), step):
            mac.update(piece[start : start + step])
    return mac.digest()


def _new_id(request: RawRequest, now: datetime) -> str:
    """An id as a sender would make one; new for each moment, so that two sends are two deliveries."""
    return "msg_" + hashlib.sha256(now.isoformat().encode() + request.wire_body).hexdigest()[:24]
