"""The context document: what templates, filters and flows see of a request. Plain JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from receiver.ingress.parse import FileInfo

REFERENCE_OVER = 256 * 1024
"""Bodies over so many bytes, and files, travel to the flow by reference: Prefect takes parameters up to 512 KiB."""


def build_document(
    *,
    delivery_id: str,
    attempt: int,
    webhook: str,
    mode: str,
    method: str,
    path: str,
    headers: Mapping[str, str | list[str]],
    query: Mapping[str, str | list[str]],
    params: Mapping[str, str],
    client_ip: str,
    verification: Mapping[str, Any],
    received_at: datetime,
    data: Any,
    files: Sequence[FileInfo],
) -> dict[str, Any]:
    """The document of one attempt of a delivery."""
    return {
        "v": 1,
        "data": data,
        "headers": dict(headers),
        "query": dict(query),
        "params": dict(params),
        "method": method,
        "path": path,
        "client_ip": client_ip,
        "files": [file.to_json() for file in files],
        "delivery_id": delivery_id,
        "attempt": attempt,
        "received_at": received_at.astimezone(UTC).isoformat(),
        "webhook": webhook,
        "mode": mode,
        "verification": dict(verification),
    }


def travels_by_reference(body_size: int, files: Sequence[FileInfo], *, always: bool) -> bool:
    """Whether the flow fetches the document from the receiver instead of finding it in its parameters.

    `always`: the webhook says so (`payload`).
    """
    return always or body_size > REFERENCE_OVER or bool(files)
