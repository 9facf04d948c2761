"""JSON bodies as schemes read and write them: strictly, and with one exception."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason


def json_object(body: bytes) -> dict[str, Any]:
    """The object that a body is; raises `Unverified` for anything else. Of a repeated key the last counts."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        data = None
    if not isinstance(data, dict):
        raise Unverified(Reason.SIGNATURE_MALFORMED, "the body is no JSON object")
    return data


def json_text(data: Mapping[str, Any]) -> bytes:
    """An object as a body."""
    return orjson.dumps(data)
