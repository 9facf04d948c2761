"""Content-Type and Content-Disposition read apart, and charsets."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from python_multipart.multipart import parse_options_header

from receiver.ingress.parse.model import unreadable

_LONGEST = 4096
_CHARSETS = re.compile(
    r"utf-(8|16|32)(-sig|-[lb]e)?|ascii|iso8859-\d+|cp\d+|koi8-[rtu]|gb2312|gbk|gb18030|hz|big5(hkscs)?"
    r"|shift_jis\w*|euc_\w+|iso2022_\w+|johab|mac-\w+|tis-620"
)
"""Codecs of charsets. Python has more text codecs, which evaluate escapes or take quadratic time."""


def parse_media_type(content_type: str | None) -> tuple[str, Mapping[str, str]]:
    """The media type in lower case, "" when there is none, and its parameters (Latin-1, names in lower case)."""
    return _media_type((content_type or "")[:_LONGEST])


@lru_cache(maxsize=256)
def _media_type(content_type: str) -> tuple[str, Mapping[str, str]]:
    name, options = split_options(content_type.encode("latin-1", "replace"))
    parameters = {key: value.decode("latin-1") for key, value in options.items()}
    return name.decode("latin-1").strip(), MappingProxyType(parameters)


def split_options(header: bytes) -> tuple[bytes, dict[str, bytes]]:
    """A header such as `form-data; name="a"; filename="b.png"`: its value in lower case, and its parameters."""
    value, options = parse_options_header(header.decode("latin-1"))
    return value, {key.decode("latin-1"): option for key, option in options.items()}


def decode_text(body: bytes, charset: str | None) -> str:
    """Text in its charset, UTF-8 where none is named, without a byte order mark. Raises `Unusable`."""
    codec = _codec((charset or "utf-8").strip())
    try:
        return body.decode(codec).removeprefix("\ufeff")
    except ValueError:
        raise unreadable(f"the text is not valid in its charset ({codec})") from None


def _codec(charset: str) -> str:
    try:
        codec = codecs.lookup(charset).name
    except (LookupError, ValueError):
        codec = ""
    if not _CHARSETS.fullmatch(codec):
        raise unreadable("the charset of the Content-Type is unknown")
    return codec
