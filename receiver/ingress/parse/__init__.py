"""A verified body as plain JSON data, by its Content-Type."""

from __future__ import annotations

import base64
from typing import Any

from receiver.contract.errors import Unusable
from receiver.ingress.parse.content_type import decode_text, parse_media_type
from receiver.ingress.parse.forms import find_part, parse_multipart, parse_urlencoded
from receiver.ingress.parse.json_text import parse_json
from receiver.ingress.parse.model import FileInfo, Parsed
from receiver.ingress.parse.xml_text import parse_xml

__all__ = ["FileInfo", "Parsed", "find_file", "parse_body", "read_file"]

_FORM = "application/x-www-form-urlencoded"


def parse_body(content_type: str | None, body: bytes) -> Parsed:
    """The data of a body. Raises `Unusable` (UNREADABLE) for one that is not what its Content-Type says.

    No body is None. JSON, `+json`: its value. Forms: an object of fields, a repeated one a list, a file a reference.
    XML, `+xml`: an object, see `parse_xml`. `text/*`: a string. Anything else: `{"base64": "<the bytes>"}`. Without a
    Content-Type, as `text/plain` or as a URL-encoded form (there objects and lists only), a body that is wholly valid
    JSON is JSON.
    """
    if not body:
        return Parsed(data=None, kind="none")
    media_type, parameters = parse_media_type(content_type)
    charset = parameters.get("charset")
    if media_type == _FORM:
        return parse_urlencoded(body, charset)
    if media_type == "multipart/form-data":
        return parse_multipart(content_type, body)
    if _is(media_type, "json"):
        return Parsed(data=parse_json(body, charset), kind="json")
    if _is(media_type, "xml"):
        return Parsed(data=parse_xml(body, charset), kind="xml")
    if media_type in {"", "text/plain"}:
        try:
            return Parsed(data=parse_json(body), kind="json")
        except Unusable:
            pass
    if media_type.startswith("text/"):
        return Parsed(data=decode_text(body, charset), kind="text")
    return Parsed(data=_as_base64(body), kind="bytes")


def read_file(content_type: str | None, body: bytes, index: int) -> tuple[FileInfo, bytes]:
    """One file of a multipart form, from the stored body. Raises `IndexError` when the body has no such file."""
    info, start, stop = find_file(content_type, body, index)
    return info, body[start:stop]


def find_file(content_type: str | None, body: bytes, index: int) -> tuple[FileInfo, int, int]:
    """One file of a multipart form, and where in the body it begins and ends. Raises `IndexError` as `read_file`."""
    if parse_media_type(content_type)[0] != "multipart/form-data":
        raise IndexError(index)
    return find_part(content_type, body, index)


def _is(media_type: str, syntax: str) -> bool:
    return media_type in {f"application/{syntax}", f"text/{syntax}"} or media_type.endswith(f"+{syntax}")


def _as_base64(body: bytes) -> dict[str, Any]:
    return {"base64": base64.b64encode(body).decode()}
