"""What a signature covers, as a template over the raw bytes: `v0:{timestamp}:{body}`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from receiver.contract.reasons import Reason
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.wire import one_header

_TOKENS = ("body", "timestamp", "method", "path", "query", "url", "header:NAME")
_PIECE = re.compile(r"(\{\{|\}\})|\{([^{}]*)\}|([{}])")

Kind = Literal["text", "body", "timestamp", "method", "path", "query", "url", "header"]


@dataclass(frozen=True)
class Piece:
    """Literal bytes (`text`) or a token; `value` is the bytes, or a header's lower-case name."""

    kind: Kind
    value: bytes = b""


@dataclass(frozen=True)
class SignedContent:
    """A compiled template. Tokens: {body}, {timestamp}, {method}, {path}, {query}, {url}, {header:NAME}."""

    pieces: tuple[Piece, ...]
    url: str | None = None
    """What `{url}` stands for, where that is not the request's own."""

    def covers(self, kind: Kind) -> bool:
        """Whether such a token is signed."""
        return any(piece.kind == kind for piece in self.pieces)

    @property
    def covers_timestamp(self) -> bool:
        """Whether `{timestamp}` is signed."""
        return self.covers("timestamp")

    @property
    def header_names(self) -> tuple[str, ...]:
        """Lower-case names of the headers that are signed."""
        return tuple(piece.value.decode() for piece in self.pieces if piece.kind == "header")

    def render(self, request: RawRequest, body: bytes, timestamp: bytes) -> list[bytes]:
        """The signed bytes of a request, in pieces. Raises `Unverified` when a signed header is missing."""
        return [self._bytes_of(piece, request, body, timestamp) for piece in self.pieces]

    def _bytes_of(self, piece: Piece, request: RawRequest, body: bytes, timestamp: bytes) -> bytes:
        match piece.kind:
            case "text":
                return piece.value
            case "body":
                return body
            case "timestamp":
                return timestamp
            case "header":
                malformed = Reason.SIGNATURE_MALFORMED
                return one_header(request, (piece.value.decode(),), missing=malformed, malformed=malformed)
            case "method":
                return request.method.encode("utf-8", "surrogatepass")
            case "path":
                return request.path.encode("utf-8", "surrogatepass")
            case "query":
                return request.query_string.encode("utf-8", "surrogatepass")
            case "url":
                return (self.url or request.url).encode("utf-8", "surrogatepass")

    def takes_url(self) -> bool:
        """Whether the request's own URL is a part of it."""
        return self.url is None and self.covers("url")


def compile_signed_content(template: str, *, url: str | None = None) -> SignedContent:
    """Compile a template; `{{` and `}}` are braces. Raises ValueError in words for the definition's author."""
    pieces: list[Piece] = []
    position = 0
    for found in _PIECE.finditer(template):
        _add_text(pieces, template[position : found.start()])
        position = found.end()
        if found[1]:
            _add_text(pieces, found[1][0])
        elif found[3]:
            raise ValueError(f"has a single '{found[3]}'; write it twice for the character itself")
        else:
            pieces.append(_token(found[2]))
    _add_text(pieces, template[position:])
    if all(piece.kind == "text" for piece in pieces):
        raise ValueError(f"signs nothing of the request; tokens are {_listed()}")
    return SignedContent(tuple(pieces), url)


def _add_text(pieces: list[Piece], text: str) -> None:
    if text:
        pieces.append(Piece("text", text.encode()))


def _token(name: str) -> Piece:
    match name.strip():
        case "body" | "timestamp" | "method" | "path" | "query" | "url" as kind:
            return Piece(kind)
        case other if re.fullmatch(r"header:[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}", other):
            return Piece("header", other.removeprefix("header:").lower().encode())
    raise ValueError(f"has no token {{{name}}}; tokens are {_listed()}")


def _listed() -> str:
    return ", ".join(f"{{{token}}}" for token in _TOKENS)
