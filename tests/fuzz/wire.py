"""Inputs of several fields as bytes: texts one below the other, and whole requests much as they are sent."""

from __future__ import annotations

import json
from typing import Any

from receiver.ingress.request import RawRequest
from tests.conformance.schemes import NOW

_BETWEEN = b"\n%%\n"
_CERTIFICATE = "client-cert"
"""Under this name an input holds what a trusted proxy says of a certificate."""


def joined(*fields: bytes | str) -> bytes:
    """Fields as one input."""
    return _BETWEEN.join(field.encode() if isinstance(field, str) else field for field in fields)


def split(data: bytes, number: int) -> list[bytes]:
    """The fields of an input, empty ones for those it lacks; the last takes what is left."""
    fields = data.split(_BETWEEN, number - 1)
    return fields + [b""] * (number - len(fields))


def any_text(raw: bytes) -> str:
    """Bytes as text that may hold lone surrogates, as JSON's escapes may bring them."""
    return raw.decode("utf-8", "surrogateescape")


def any_json(raw: bytes) -> Any:
    """The value of a JSON text, the bytes as text where they are none."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return any_text(raw)


def to_bytes(request: RawRequest) -> bytes:
    """A request as an input: request line, the URL its sender sees, headers, an empty line, the body."""
    lines = [f"{request.method} {request.path}?{request.query_string}", request.url]
    lines += [f"{name}: {value}" for name, value in request.headers]
    lines += [f"{_CERTIFICATE}: {request.client_certificate}"] if request.client_certificate else []
    return "\n".join([*lines, "", ""]).encode("latin-1", "replace") + request.wire_body


def from_bytes(data: bytes) -> RawRequest:
    """A request from any bytes. Header names are lower-case and values without line breaks, as the server gives them;
    all else may be anything."""
    head, _, body = data.partition(b"\n\n")
    first, url, *lines = [*head.decode("latin-1").split("\n"), ""]
    method, _, target = first.partition(" ")
    path, _, query = target.partition("?")
    headers = [
        (name.lower(), value.strip(" ")) for name, colon, value in (line.partition(":") for line in lines) if colon
    ]
    return RawRequest(
        method=method,
        path=path,
        query_string=query,
        headers=tuple(pair for pair in headers if pair[0] != _CERTIFICATE),
        body=body,
        wire_body=body,
        client_ip="192.0.2.1",
        url=url,
        received_at=NOW,
        client_certificate=next((value for name, value in headers if name == _CERTIFICATE), ""),
    )
