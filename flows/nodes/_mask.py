"""What a node's log lines show of its inputs and outputs: short, and without credentials. No I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import BaseModel, SecretBytes, SecretStr

HIDDEN = "********"

_MAX_TEXT, _MAX_ITEMS, _MAX_DEPTH, _MAX_LINE = 300, 20, 6, 4_000

_CREDENTIAL = re.compile(
    r"authori[sz]ation|cookie|passw(or)?d|passphrase|secret|token|credential|signature"
    r"|(api|access|private|auth|client|signing)[-_ ]?key|^(x-)?key$|^auth$|^sig$|^session$",
    re.IGNORECASE,
)
_IN_URL = re.compile(r"(?P<before>[a-z][a-z0-9+.-]*://)[^/?#\s@]*@", re.IGNORECASE)
_IN_QUERY = re.compile(r"(?P<before>[?&](?P<name>[^=&#\s]+)=)[^&#\s]*")
_IN_PATH = re.compile(r"(?P<before>https://hooks\.slack\.com/)[^?#\s\"']+", re.IGNORECASE)
"""Whoever has such an address may speak in the chat: all of it is the credential."""


def masked(value: Any) -> str:
    """One line of JSON that shows `value`: credentials hidden, long texts and lists cut, never longer than 4,000."""
    line = json.dumps(_shown(value, 0), ensure_ascii=False, default=str)
    return line if len(line) <= _MAX_LINE else f"{line[:_MAX_LINE]}... ({len(line)} characters)"


def masked_text(text: str) -> str:
    """Text with the credentials of its URLs hidden: `https://user:password@host?token=x`."""
    text = _IN_URL.sub(rf"\g<before>{HIDDEN}@", text)
    text = _IN_PATH.sub(rf"\g<before>{HIDDEN}", text)
    return _IN_QUERY.sub(
        lambda found: f"{found['before']}{HIDDEN}" if _CREDENTIAL.search(found["name"]) else found[0], text
    )


def _shown(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, SecretStr | SecretBytes):
        return HIDDEN
    if isinstance(value, str):
        text = masked_text(value[: 2 * _MAX_TEXT])
        return text if len(value) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}... ({len(value)} characters)"
    if isinstance(value, bytes | bytearray):
        return f"({len(value)} bytes)"
    if isinstance(value, BaseModel):
        value = dict(value)
    elif is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value) if not field.name.startswith("_")}
    if depth >= _MAX_DEPTH and isinstance(value, Mapping | Sequence | AbstractSet):
        return f"({len(value)} items)"
    if isinstance(value, Mapping):
        shown = {
            str(name): HIDDEN if _is_credential(str(name), item) else _shown(item, depth + 1)
            for name, item in list(value.items())[:_MAX_ITEMS]
        }
        return shown | ({"...": f"({len(value)} items)"} if len(value) > _MAX_ITEMS else {})
    if isinstance(value, Sequence | AbstractSet):
        items = [_shown(item, depth + 1) for item in list(value)[:_MAX_ITEMS]]
        return items + ([f"... ({len(value)} items)"] if len(value) > _MAX_ITEMS else [])
    return masked_text(str(value))[:_MAX_TEXT]


def _is_credential(name: str, value: Any) -> bool:
    """Whether a value of that name is hidden. A list under `key` names columns, as the nodes for records take it."""
    if value is None or (name.lower() == "key" and isinstance(value, list | tuple)):
        return False
    return _CREDENTIAL.search(name) is not None
