"""Forms as JSON data: fields by name, a repeated one as a list, files as references."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_to_bytes

from receiver.contract.errors import Unusable
from receiver.ingress.parse.content_type import decode_text
from receiver.ingress.parse.json_text import parse_json
from receiver.ingress.parse.model import FileInfo, Parsed, too_complex
from receiver.ingress.parse.multipart import split_parts

MOST_FIELDS = 1000
MOST_FILES = 100


def parse_urlencoded(body: bytes, charset: str | None) -> Parsed:
    """`a=1&a=2&b=` as `{"a": ["1", "2"], "b": ""}`. Raises `Unusable`.

    A body that is wholly a JSON object or list is JSON (what `curl -d '{...}'` sends), and so is the JSON in a form
    whose one field is `payload` (GitHub's and Slack's forms).
    """
    if (data := _json_container(body)) is not None:
        return Parsed(data=data, kind="json")
    if body.count(b"&") >= MOST_FIELDS:
        raise too_complex(f"more than {MOST_FIELDS} fields in the form")
    fields = _Fields()
    for pair in body.split(b"&"):
        if pair:
            name, _, value = pair.partition(b"=")
            fields.add(_decode(name, charset), _decode(value, charset))
    payload = fields.data.get("payload")
    if len(fields.data) == 1 and isinstance(payload, str) and (data := _json_container(payload.encode())) is not None:
        return Parsed(data=data, kind="json")
    return Parsed(data=fields.data, kind="form")


def parse_multipart(content_type: str | None, body: bytes) -> Parsed:
    """Fields as text, files as `{"field", "filename", "content_type", "size", "index"}`. Raises `Unusable`."""
    fields = _Fields()
    files: list[FileInfo] = []
    for part in split_parts(content_type, body):
        if not part.is_file:
            fields.add(part.name, decode_text(body[part.start : part.end], part.charset))
        elif not part.is_unfilled:
            file = _file_info(part.name, part.filename, part.content_type, part.end - part.start, len(files))
            if len(files) == MOST_FILES:
                raise too_complex(f"more than {MOST_FILES} files in the form")
            files.append(file)
            fields.add(part.name, file.to_json())
    return Parsed(data=fields.data, files=tuple(files), kind="multipart")


def find_part(content_type: str | None, body: bytes, index: int) -> tuple[FileInfo, int, int]:
    """One file of a multipart body, its start and its end.

    Raises `IndexError` when there is no such file, `Unusable` as parsing does.
    """
    parts = [part for part in split_parts(content_type, body) if part.is_file and not part.is_unfilled]
    if not 0 <= index < len(parts):
        raise IndexError(index)
    part = parts[index]
    info = _file_info(part.name, part.filename, part.content_type, part.end - part.start, index)
    return info, part.start, part.end


class _Fields:
    def __init__(self) -> None:
        self.data: dict[str, Any] = {}
        self._repeated: set[str] = set()

    def add(self, name: str, value: Any) -> None:
        if name not in self.data:
            self.data[name] = value
        elif name in self._repeated:
            self.data[name].append(value)
        else:
            self._repeated.add(name)
            self.data[name] = [self.data[name], value]


def _file_info(field: str, filename: str | None, content_type: str, size: int, index: int) -> FileInfo:
    media_type = content_type or "application/octet-stream"
    return FileInfo(field=field, filename=filename or "", content_type=media_type, size=size, index=index)


def _decode(escaped: bytes, charset: str | None) -> str:
    return decode_text(unquote_to_bytes(escaped.replace(b"+", b" ")), charset)


def _json_container(body: bytes) -> Any:
    """The object or list that a body wholly is, else None."""
    if not body.removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"{", b"[")):
        return None
    try:
        return parse_json(body)
    except Unusable:
        return None
