"""JSON, strictly: what it holds survives, or it is refused."""

from __future__ import annotations

import json
from typing import Any

import orjson

from receiver.contract.errors import Unusable
from receiver.contract.plain import MAX_DEPTH, count_entries, deeper_than
from receiver.ingress.parse.content_type import decode_text
from receiver.ingress.parse.model import too_complex, unreadable

MOST_KEYS, MOST_ITEMS = 200_000, 1_000_000
"""Fields of all objects of a body, and items of all its lists."""

_BOM = b"\xef\xbb\xbf"
_DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")
_LONG_NUMBER = b"0" * 19
"""Digits from which a whole number may not fit into 64 bits."""


def parse_json(body: bytes, charset: str | None = None) -> Any:
    """The value of a JSON text. Raises `Unusable`.

    Refused: NaN, infinities and numbers beyond a double's range (`1e999`), lone surrogates, more than 100 levels,
    200,000 fields or a million items of lists, bytes that are no UTF-8 (unless `charset` names what they are). Of a
    repeated key the last value counts. Whole numbers are exact, also beyond 64 bits; a fraction is the nearest double,
    as everywhere in JSON. A byte order mark is skipped.
    """
    body = body.removeprefix(_BOM)
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if charset is not None and not _is_utf8(body):
            return parse_json(decode_text(body, charset).encode())
        if "depth limit" in str(error):  # orjson's own, which is ten times ours
            raise _too_deep() from None
        raise unreadable(f"not JSON: {error}") from None
    # Fewer brackets than levels allowed are not too deep, which spares nearly every body the walk.
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and deeper_than(value, MAX_DEPTH):
        raise _too_deep()
    # Neither can there be more fields than colons, nor more items than commas (and one in each list).
    if body.count(b":") > MOST_KEYS or body.count(b",") + body.count(b"[") > MOST_ITEMS:
        _check_entries(value)
    if _LONG_NUMBER in body.translate(_DIGITS_TO_ZERO):
        # orjson turns whole numbers beyond 64 bits into doubles; it has vouched for all else, so this cannot fail.
        return json.loads(body.decode())
    return value


def _too_deep() -> Unusable:
    return too_complex(f"not usable JSON: more than {MAX_DEPTH} levels deep")


def _check_entries(value: Any) -> None:
    keys, items = count_entries(value)
    if keys > MOST_KEYS:
        raise too_complex(f"not usable JSON: more than {MOST_KEYS} fields in its objects")
    if items > MOST_ITEMS:
        raise too_complex(f"not usable JSON: more than {MOST_ITEMS} items in its lists")


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
