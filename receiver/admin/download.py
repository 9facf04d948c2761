"""What a sender sent, given back as a download: never shown, run or sniffed by a browser, never whole in memory."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from receiver.admin.problems import Problem
from receiver.bodies.content import Content

_PLAIN = re.compile(
    r"(?:application/(?:[a-z0-9.-]+\+)?json|application/x-www-form-urlencoded|multipart/form-data|text/plain)"
    r"(?:; ?[a-z0-9-]+=[A-Za-z0-9'()+_,./:=?-]{1,100})*",
    re.IGNORECASE,
)
_PART = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")
_UNKNOWN = "application/octet-stream"


def safe_media_type(sent: str) -> str:
    """The type as sent where no browser can act on it, else that of bytes nobody knows."""
    return sent if len(sent) <= 300 and _PLAIN.fullmatch(sent) else _UNKNOWN


async def download(content: Content, media_type: str, filename: str, asked: Request) -> Response:
    """The bytes as an attachment, or the part of them that is asked for. `filename` may be whatever a sender chose.

    Raises BodyGone, StoreUnavailable, and a `Problem` (416) for a part that is not there.
    """
    ascii_name = re.sub(r"[^A-Za-z0-9._-]", "_", filename)[:100] or "body"
    encoded = quote(filename.encode("utf-8", "replace")[:300], safe="")
    headers = {
        "content-disposition": f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{encoded}",
        # Set apart: as a parameter, Starlette would add a charset that nobody sent.
        "content-type": safe_media_type(media_type),
        "accept-ranges": "bytes",
    }
    part = None if "if-range" in asked.headers else part_of(asked.headers.get("range", ""), content.size)
    if part is None:
        return await streamed(content, headers)
    headers["content-range"] = f"bytes {part.start}-{part.stop - 1}/{content.size}"
    return await streamed(content, headers, part)


async def streamed(content: Content, headers: Mapping[str, str], part: range | None = None) -> Response:
    """The content, or a part of it, never more than a piece of it in memory. Raises BodyGone, StoreUnavailable."""
    status, part = (200, range(content.size)) if part is None else (206, part)
    pieces = content.pieces(part.start, part.stop)
    try:
        first = await anext(pieces, b"")
    except BaseException:
        content.close()
        raise

    async def rest() -> AsyncIterator[bytes]:
        try:
            yield first
            async for piece in pieces:
                yield piece
        finally:
            content.close()

    response: Response
    if len(first) == len(part):
        content.close()
        response = Response(first, status)
    else:
        response = StreamingResponse(rest(), status)
    response.headers.update({"content-length": str(len(part)), **headers})
    return response


def part_of(asked: str, size: int) -> range | None:
    """The one part that a `Range` header asks for; None where it asks for none or for several, which is allowed.

    Raises a `Problem` (416) where it begins behind the end.
    """
    found = _PART.fullmatch(asked.strip())
    if found is None or (not found[1] and not found[2]):
        return None
    if not found[1]:
        part = range(max(0, size - int(found[2])), size)
    else:
        part = range(int(found[1]), min(int(found[2]) + 1, size) if found[2] else size)
        if found[2] and int(found[2]) < int(found[1]):
            return None
    if not part:
        raise Problem(416, f"There are {size} bytes.", headers={"Content-Range": f"bytes */{size}"})
    return part
