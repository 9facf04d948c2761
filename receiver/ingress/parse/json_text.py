"""JSON, strictly: what it holds survives, or it is refused."""

from __future__ import annotations

import json
from typing import Any

import orjson

from receiver.contract.plain import MAX_DEPTH, deeper_than
from receiver.ingress.parse.content_type import decode_text
from receiver.ingress.parse.model import unreadable

_BOM = b"\xef\xbb\xbf"
_DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")
_LONG_NUMBER = b"0" * 19
"""Digits from which a whole number may not fit into 64 bits."""


def parse_json(body: bytes, charset: str | None = None) -> Any:
    """The value of a JSON text. Raises `Unusable`.

    Refused: NaN, infinities and numbers beyond a double's range (`1e999`), lone surrogates, more than 100 levels, bytes
    that are no UTF-8 (unless `charset` names what they are). Of a repeated key the last value counts. Whole numbers
    are exact, also beyond 64 bits; a fraction is the nearest double, as everywhere in JSON. A byte order mark is
    skipped.
    """
    body = body.removeprefix(_BOM)
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if charset is not None and not _is_utf8(body):
            return parse_json(decode_text(body, charset).encode())
        raise unreadable(f"not JSON: {error}") from None
    # Fewer brackets than levels allowed are not too deep, which spares nearly every body the walk.
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and deeper_than(value, MAX_DEPTH):
        raise unreadable(f"not usable JSON: more than {MAX_DEPTH} levels deep")
    if _LONG_NUMBER in body.translate(_DIGITS_TO_ZERO):
        # orjson turns whole numbers beyond 64 bits into doubles; it has vouched for all else, so this cannot fail.
        return json.loads(body.decode())
    return value


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
