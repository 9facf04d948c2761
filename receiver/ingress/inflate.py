"""Content-Encoding undone, with a limit that holds while inflating. Pure."""

from __future__ import annotations

import zlib

from receiver.contract.errors import Refused
from receiver.contract.reasons import Reason

_GZIP, _ZLIB, _RAW = 31, 15, -15
_MOST_MEMBERS = 16
"""Gzip members in one body: each costs a copy of what follows it."""


def inflate(body: bytes, content_encoding: str | None, limit: int) -> bytes:
    """The body as it was before its Content-Encoding: identity (the same object), gzip, x-gzip or deflate.

    `limit` is the most bytes of the result. Raises `Refused` with BODY_TOO_LARGE, ENCODING_UNSUPPORTED (another
    encoding, or several in a row) or ENCODING_INVALID (cut short, damaged, something behind it).
    """
    named = [name for part in (content_encoding or "").split(",") if (name := part.strip().lower())]
    encodings = [name for name in named if name != "identity"]
    if len(encodings) > 1:
        raise Refused(Reason.ENCODING_UNSUPPORTED, "more than one Content-Encoding")
    if encodings and encodings[0] not in {"gzip", "x-gzip", "deflate"}:
        raise Refused(Reason.ENCODING_UNSUPPORTED, "the Content-Encoding is none of gzip, deflate and identity")
    if not encodings or not body:
        if len(body) > limit:
            raise Refused(Reason.BODY_TOO_LARGE, f"over {limit} bytes")
        return body
    return _inflate_deflate(body, limit) if encodings[0] == "deflate" else _inflate_gzip(body, limit)


def _inflate_gzip(body: bytes, limit: int) -> bytes:
    members: list[bytes] = []
    rest, left = body, limit
    while rest:
        if len(members) == _MOST_MEMBERS:
            raise Refused(Reason.ENCODING_INVALID, f"more than {_MOST_MEMBERS} gzip members")
        member, rest = _stream(rest, _GZIP, left)
        members.append(member)
        left -= len(member)
    return b"".join(members)


def _inflate_deflate(body: bytes, limit: int) -> bytes:
    """`deflate` means zlib's format; some senders send the bare stream within it."""
    try:
        inflated, rest = _stream(body, _ZLIB, limit)
    except Refused as refused:
        if refused.reason is not Reason.ENCODING_INVALID:
            raise
        inflated, rest = _stream(body, _RAW, limit)
    if rest:
        raise Refused(Reason.ENCODING_INVALID, "bytes after the end of the deflate stream")
    return inflated


def _stream(data: bytes, wbits: int, limit: int) -> tuple[bytes, bytes]:
    """One compressed stream from the start of `data`: what it holds, and the bytes behind it."""
    decompressor = zlib.decompressobj(wbits)
    try:
        inflated = decompressor.decompress(data, limit + 1)
    except zlib.error:
        raise Refused(Reason.ENCODING_INVALID, "not what its Content-Encoding says") from None
    if len(inflated) > limit:
        raise Refused(Reason.BODY_TOO_LARGE, "the inflated body is too large")
    if not decompressor.eof:
        raise Refused(Reason.ENCODING_INVALID, "the compressed body ends too early")
    return inflated, decompressor.unused_data
