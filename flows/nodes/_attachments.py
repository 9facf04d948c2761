"""Files that go with a message. No I/O."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Sequence

from blocks.errors import InvalidInput

Attachment = tuple[str, bytes] | tuple[str, bytes, str]
"""A file's name and bytes, perhaps with its media type; without one it is told from the name."""

MAX_FILES, MAX_BYTES = 20, 20 * 1024 * 1024

_NAME = re.compile(r"[^\x00-\x1f\x7f/\\\u0085\u2028\u2029\ud800-\udfff]{1,255}")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9.+-]{1,60}/[A-Za-z0-9.+-]{1,80}")


def read_attachments(given: Sequence[Attachment]) -> list[tuple[str, bytes, str]]:
    """Each as file name, bytes and media type. Raises `InvalidInput` for a name with a path or a line break.

    >>> read_attachments([("report.csv", b"a;b"), ("x", b"", "application/pdf")])
    [('report.csv', b'a;b', 'text/csv'), ('x', b'', 'application/pdf')]
    """
    if len(given) > MAX_FILES or sum(len(one[1]) for one in given) > MAX_BYTES:
        raise InvalidInput(f"attachments: at most {MAX_FILES} files of {MAX_BYTES // 1024**2} MiB together")
    return [_read(*one) for one in given]


def _read(name: str, data: bytes, media_type: str | None = None) -> tuple[str, bytes, str]:
    if not isinstance(data, bytes):
        raise InvalidInput(f"attachments: {name!r} is given as {type(data).__name__}, not as bytes")
    if not _NAME.fullmatch(name):
        raise InvalidInput(f"attachments: {name[:80]!r} is no file name")
    kind = media_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
    if not _MEDIA_TYPE.fullmatch(kind):
        raise InvalidInput(f"attachments: {kind[:80]!r} is no media type")
    return name, data, kind
