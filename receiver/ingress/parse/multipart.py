"""multipart/form-data taken apart in memory: parts by their place in the body, nothing is copied or written."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from receiver.ingress.parse.content_type import parse_media_type, split_options
from receiver.ingress.parse.model import too_complex, unreadable

MOST_PARTS = 1000
MOST_HEADERS = 16
LONGEST_HEADER = 8 * 1024

_silent = logging.getLogger(f"{__name__}.parser")
_silent.disabled = True  # the parser logs bytes of what it refuses; the refusal itself is logged by whoever asked


@dataclass
class Part:
    """One part. `start` and `end` are its content's place in the body; `filename` is None for a plain field."""

    name: str = ""
    filename: str | None = None
    content_type: str = ""
    charset: str | None = None
    start: int = 0
    end: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)

    @property
    def is_file(self) -> bool:
        """Whether it is a file; a browser sends an unfilled file input as an empty one without a name."""
        return self.filename is not None

    @property
    def is_unfilled(self) -> bool:
        """Whether it is the file input of a form in which nobody chose a file."""
        return self.filename == "" and self.start == self.end


def split_parts(content_type: str | None, body: bytes) -> list[Part]:
    """The parts of a body, in order. Raises `Unusable` for one that is cut short, malformed or has too many parts."""
    _, parameters = parse_media_type(content_type)
    boundary = parameters.get("boundary", "")
    if not boundary:
        raise unreadable("not a multipart form: its Content-Type names no boundary")
    collector = _Collector()
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": collector.part_begin,
                "on_part_data": collector.part_data,
                "on_header_field": collector.header_field,
                "on_header_value": collector.header_value,
                "on_header_end": collector.header_end,
                "on_headers_finished": collector.headers_finished,
                "on_end": collector.finished,
            },
            max_header_count=MOST_HEADERS,
            max_header_size=LONGEST_HEADER,
        )
        parser.logger = _silent
        parser.write(body)
    except FormParserError:
        raise unreadable("not a multipart form: malformed") from None
    if not collector.ended:
        raise unreadable("not a multipart form: cut short")
    return collector.parts


class _Collector:
    """Callbacks of the parser. The whole body is written at once, so places are places in the body."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.ended = False
        self._name = b""
        self._value = b""

    def part_begin(self) -> None:
        if len(self.parts) == MOST_PARTS:
            raise too_complex(f"more than {MOST_PARTS} parts in the form")
        self.parts.append(Part())

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        self.parts[-1].headers.append((self._name.strip().lower(), self._value))
        self._name = self._value = b""

    def headers_finished(self) -> None:
        part = self.parts[-1]
        headers = dict(part.headers)
        kind, options = split_options(headers.get(b"content-disposition", b""))
        if kind != b"form-data" or "name" not in options:
            raise unreadable("not a multipart form: a part without a name")
        part.name = _text(options["name"])
        part.filename = _filename(_text(options["filename"])) if "filename" in options else None
        media_type, parameters = parse_media_type(headers.get(b"content-type", b"").decode("latin-1"))
        part.content_type, part.charset = media_type, parameters.get("charset")

    def part_data(self, _data: bytes, start: int, end: int) -> None:
        part = self.parts[-1]
        if part.end == 0:
            part.start = start
        part.end = end

    def finished(self) -> None:
        self.ended = True


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _filename(sent: str) -> str:
    """The last part of a path, without control characters: a flow may well use it to name a file."""
    name = sent.replace("\\", "/").rpartition("/")[2]
    return "".join(character for character in name if character.isprintable())
