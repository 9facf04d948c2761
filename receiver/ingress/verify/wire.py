"""Single values read from a request, and written to one, by verifiers. Nothing here believes what it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote_plus, unquote_plus

import orjson

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.request import RawRequest

LONGEST_VALUE = 8 * 1024
"""Bytes of a credential or signature past which it is malformed: no sender's comes near."""


def first_header(request: RawRequest, name: str) -> str | None:
    """The first value of a header, its name in any case; None when it is absent."""
    return next((value for key, value in request.headers if key.lower() == name), None)


def one_header(request: RawRequest, names: tuple[str, ...], *, missing: Reason, malformed: Reason) -> bytes:
    """The bytes of a header known under one of `names` (lower-case). Raises `Unverified`.

    It may come more than once only with one value: of two different ones another reader may believe the other.
    """
    values = {value for name, value in request.headers if name.lower() in names}
    return _only(values, f"header {names[0]}", "latin-1", missing=missing, malformed=malformed)


def one_query_value(request: RawRequest, name: str, *, missing: Reason, malformed: Reason) -> bytes:
    """The bytes of a query parameter, percent-escapes decoded. Raises `Unverified`, for two different values too."""
    values = {value for key, value in request.query_items() if key == name}
    return _only(values, f"query parameter {name}", "utf-8", missing=missing, malformed=malformed)


def with_headers(request: RawRequest, headers: Mapping[str, str]) -> RawRequest:
    """The request with these headers (lower-case names) in place of any it had under the same names."""
    kept = without_headers(request, tuple(headers)).headers
    return replace(request, headers=(*kept, *headers.items()))


def without_headers(request: RawRequest, names: tuple[str, ...]) -> RawRequest:
    """The request without the headers of these lower-case names."""
    return replace(request, headers=tuple(pair for pair in request.headers if pair[0].lower() not in names))


def with_query_value(request: RawRequest, name: str, value: str) -> RawRequest:
    """The request with this query parameter in place of any it had under the same name, in its URL too."""
    kept = [part for part in request.query_string.split("&") if part and unquote_plus(part.partition("=")[0]) != name]
    query_string = "&".join([*kept, f"{quote_plus(name)}={quote_plus(value)}"])
    return replace(request, query_string=query_string, url=f"{request.url.partition('?')[0]}?{query_string}")


def with_field(request: RawRequest, name: str, value: int | str) -> RawRequest:
    """The request with this field in its JSON object; the request itself where its body is none."""
    try:
        data = orjson.loads(request.wire_body)
    except orjson.JSONDecodeError:
        return request
    if not isinstance(data, dict) or data.get(name) == value:
        return request
    body = orjson.dumps({**data, name: value})
    return replace(request, body=body, wire_body=body)


def without_field(data: object, body: bytes, name: str) -> bytes:
    """The body without this field of its JSON object `data`; as it is where it has none."""
    if not isinstance(data, dict) or name not in data:
        return body
    return orjson.dumps({key: value for key, value in data.items() if key != name}, option=orjson.OPT_SORT_KEYS)


def header_text(value: bytes) -> str:
    """Bytes as a header of `RawRequest` carries them."""
    return value.decode("latin-1")


def _only(values: set[str], what: str, encoding: str, *, missing: Reason, malformed: Reason) -> bytes:
    values.discard("")
    if not values:
        raise Unverified(missing, f"{what} is missing or empty")
    if len(values) > 1:
        raise Unverified(malformed, f"{what} came twice with different values")
    value = values.pop()
    if len(value) > LONGEST_VALUE:
        raise Unverified(malformed, f"{what} is longer than {LONGEST_VALUE} bytes")
    try:
        return value.encode(encoding, "strict" if encoding == "latin-1" else "surrogateescape")
    except UnicodeEncodeError:
        raise Unverified(malformed, f"{what} holds what no header or query can") from None
