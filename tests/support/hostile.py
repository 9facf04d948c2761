"""Requests of a stranger who means harm, one kind a row: what is sent, what may be answered, and why it is refused.

They are for a receiver with `WEBHOOKS`: `signed` has GitHub's signature, `open` takes any object with an `id`.
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from receiver.contract.reasons import Reason

SECRET = "k-5f2e9b07c1d84a36"
LARGEST = 64 * 1024
WEBHOOKS: dict[str, dict[str, Any]] = {
    "signed": {
        "verification": {"scheme": "github", "secret": "env:KEY_OF_A_TEST"},
        "max_body": LARGEST,
        "on_invalid": "reject",
    },
    "open": {"schema": {"type": "object", "required": ["id"]}},
}
Then = Literal["read", "hang up"]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """`pieces` of a request of an address; `statuses` that may come back, `reasons` that may stand in the log.

    Who hangs up reads nothing, and where it happens in the head there is no request, so that no line is written.
    """

    name: str
    pieces: Callable[[str], Iterator[bytes]]
    statuses: frozenset[int]
    reasons: frozenset[Reason]
    then: Then = "read"
    one_address: bool = False


def request(
    address: str,
    body: bytes = b"",
    *,
    path: str = "signed",
    method: str = "POST",
    length: str | None = None,
    **more: str,
) -> bytes:
    """A whole request through a trusted proxy; keywords are headers, `_` for `-`."""
    told = str(len(body)) if length is None else length
    headers = {"host": "a", "connection": "close", "x-forwarded-for": address, "content-length": told}
    headers |= {"content-type": "application/json"} | {name.replace("_", "-"): value for name, value in more.items()}
    lines = [f"{method} /api/webhooks/{path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def signed(address: str, body: bytes, **more: str) -> bytes:
    """A request whose signature is good."""
    return request(address, body, x_hub_signature_256=signature(body), **more)


def signature(body: bytes) -> str:
    """GitHub's header over a body."""
    return "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()


@cache
def _bomb() -> bytes:
    return gzip.compress(bytes(32 * 2**20), mtime=0)


def _form() -> bytes:
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n'
    return part * 1100 + b"--x--\r\n"


def _chunks(address: str) -> Iterator[bytes]:
    head = request(address, length="").replace(b"content-length: \r\n", b"transfer-encoding: chunked\r\n")
    yield head
    for _ in range(8):
        yield b"8000\r\n" + b"a" * 0x8000 + b"\r\n"


def _headers(address: str) -> Iterator[bytes]:
    head = request(address)[:-2]
    yield head + b"".join(b"x-%d: %s\r\n" % (number, b"a" * 1000) for number in range(64)) + b"\r\n"


def _kind(
    name: str,
    make: Callable[[str], bytes | Iterator[bytes]],
    status: int,
    *reasons: Reason,
    then: Then = "read",
    one_address: bool = False,
) -> Kind:
    def pieces(address: str) -> Iterator[bytes]:
        made = make(address)
        return iter([made]) if isinstance(made, bytes) else made

    statuses, known = {status}, {*reasons}
    if status == 401:  # past the bound on what could not be verified, an address hears that instead
        statuses.add(429)
        known.add(Reason.RATE_LIMITED)
    return Kind(
        name=name,
        pieces=pieces,
        statuses=frozenset(statuses),
        reasons=frozenset(known),
        then=then,
        one_address=one_address,
    )


_WRONG = "sha256=" + "0" * 64
_DEEP = b"[" * 400 + b"]" * 400
_DTD = b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'

KINDS = (
    _kind("no signature", lambda a: request(a, b"{}"), 401, Reason.SIGNATURE_MISSING),
    _kind("a wrong signature", lambda a: request(a, b"{}", x_hub_signature_256=_WRONG), 401, Reason.SIGNATURE_MISMATCH),
    _kind(
        "guesses of one address",
        lambda a: request(a, b'{"a": 1}', x_hub_signature_256=_WRONG),
        401,
        Reason.SIGNATURE_MISMATCH,
        one_address=True,
    ),
    _kind(
        "bytes for a signature",
        lambda a: request(a, b"{}", x_hub_signature_256="\xff\xfe" * 50),
        401,
        *(Reason.SIGNATURE_MALFORMED, Reason.SIGNATURE_MISMATCH),
    ),
    _kind("broken JSON", lambda a: signed(a, b'{"a": '), 400, Reason.UNREADABLE),
    _kind("400 levels", lambda a: signed(a, _DEEP), 422, Reason.TOO_COMPLEX),
    _kind("no gzip", lambda a: signed(a, b"\x1f\x8bno", content_encoding="gzip"), 400, Reason.ENCODING_INVALID),
    _kind("a bomb", lambda a: signed(a, _bomb(), content_encoding="gzip"), 413, Reason.BODY_TOO_LARGE),
    _kind("brotli", lambda a: signed(a, b"{}", content_encoding="br"), 415, Reason.ENCODING_UNSUPPORTED),
    _kind("entities", lambda a: signed(a, _DTD, content_type="text/xml"), 400, Reason.UNREADABLE),
    _kind(
        "1,100 parts",
        lambda a: signed(a, _form(), content_type="multipart/form-data; boundary=x"),
        422,
        Reason.TOO_COMPLEX,
    ),
    _kind(
        "a charset of one's own", lambda a: signed(a, b"\xff", content_type="text/a; charset=x"), 400, Reason.UNREADABLE
    ),
    _kind("no object", lambda a: request(a, b"[]", path="open"), 422, Reason.SCHEMA_MISMATCH),
    _kind("an unknown path", lambda a: request(a, path="%00%0d%0aX:y/../../etc"), 404, Reason.UNKNOWN_PATH),
    _kind("another method", lambda a: request(a, method="DELETE"), 405, Reason.METHOD_NOT_ALLOWED),
    _kind("100 MB announced", lambda a: request(a, length="100000000"), 413, Reason.BODY_TOO_LARGE),
    _kind("a length of twenty digits", lambda a: request(a, length="9" * 19), 413, Reason.BODY_TOO_LARGE),
    _kind("chunks without end", _chunks, 413, Reason.BODY_TOO_LARGE),
    _kind("no length", lambda a: request(a, length="abc"), 400, Reason.REQUEST_MALFORMED),
    _kind(
        "two lengths",
        lambda a: request(a, b"0\r\n\r\n", transfer_encoding="chunked"),
        400,
        Reason.REQUEST_MALFORMED,
    ),
    _kind("no HTTP", lambda _: b"\x16\x03\x01\x02\x00\x01\x00" + bytes(200), 400, Reason.REQUEST_MALFORMED),
    _kind("64 KB of headers", _headers, 431, Reason.HEADERS_TOO_LARGE),
    _kind("10 KB of URL", lambda a: request(a, path="signed?" + "a" * 10_000), 414, Reason.URL_TOO_LONG),
    _kind("a head that stops", lambda a: request(a)[:-20], 408, Reason.HEAD_INCOMPLETE),
    _kind("a body that stops", lambda a: request(a, b"{", length="50"), 408, Reason.BODY_INCOMPLETE),
    _kind(
        "who hangs up in the body",
        lambda a: request(a, b"{", length="50"),
        408,
        Reason.BODY_INCOMPLETE,
        then="hang up",
    ),
    _kind("who hangs up in the head", lambda a: request(a)[:-20], 0, then="hang up"),
)
