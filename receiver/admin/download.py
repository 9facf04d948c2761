"""What a sender sent, given back as a download: never shown, run or sniffed by a browser. Pure."""

from __future__ import annotations

import re
from urllib.parse import quote

from starlette.responses import Response

_PLAIN = re.compile(
    r"(?:application/(?:[a-z0-9.-]+\+)?json|application/x-www-form-urlencoded|multipart/form-data|text/plain)"
    r"(?:; ?[a-z0-9-]+=[A-Za-z0-9'()+_,./:=?-]{1,100})*",
    re.IGNORECASE,
)
_UNKNOWN = "application/octet-stream"


def safe_media_type(sent: str) -> str:
    """The type as sent where no browser can act on it, else that of bytes nobody knows."""
    return sent if len(sent) <= 300 and _PLAIN.fullmatch(sent) else _UNKNOWN


def download(content: bytes, media_type: str, filename: str) -> Response:
    """The bytes as an attachment. `filename` may be whatever a sender chose."""
    ascii_name = re.sub(r"[^A-Za-z0-9._-]", "_", filename)[:100] or "body"
    encoded = quote(filename.encode("utf-8", "replace")[:300], safe="")
    response = Response(
        content,
        headers={
            "Content-Disposition": f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{encoded}",
        },
    )
    # Set apart: as a parameter, Starlette would add a charset that nobody sent.
    response.headers["content-type"] = safe_media_type(media_type)
    return response
