"""What a flow answers: `return Reply(status=201, body={"id": 7})`."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from receiver.contract.errors import BadReply, ReplyTooLarge
from receiver.contract.plain import find_flaw

MAX_REPLY = 512 * 1024
"""Bytes of a reply as it travels: Prefect loses events over about 1 MiB without a word."""

_FORBIDDEN = frozenset(
    {
        "connection",
        "content-length",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_BODILESS = frozenset({204, 205, 304})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# Not `//host`, which a browser takes for another host.
_LOCATION = re.compile(r"(?:https?://[!-~]+|/(?:[!-.0-\[\]-~][!-\[\]-~]*)?)", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}", re.ASCII)
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]{0,8192}")


def check_headers(headers: Mapping[Any, Any]) -> None:
    """Raise ValueError for a header no reply may set: hop-by-hop, malformed, or with a line break in its value."""
    for name, value in headers.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot be the name of a header")
        if name.lower() in _FORBIDDEN:
            raise ValueError(f"'{name}' belongs to the connection; a reply may not set it")
        if not isinstance(value, str):
            raise ValueError(f"'{name}' is text, not {type(value).__name__}")  # noqa: TRY004 (one type for callers)
        if not _VALUE.fullmatch(value):
            raise ValueError(f"'{name}' holds a line break, a control character or one outside Latin-1, or is too long")


def check_status_and_body(status: int, body: Any) -> None:
    """Raise ValueError for a body with a status that has none in HTTP."""
    if status in _BODILESS and body is not None:
        raise ValueError(f"an answer with status {status} has no body; leave it out, or take another status")


@dataclass(frozen=True)
class Reply:
    """The answer of a webhook, made by its flow.

    `status` is 200-599. `body` is None (no body), text, bytes, or anything JSON can hold; text is sent as
    `text/plain`, bytes as `application/octet-stream`, all else as JSON, unless `headers` names a `Content-Type`.
    Raises BadReply for what cannot be sent, ReplyTooLarge over 512 KiB.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] | None = field(default=None)

    def __post_init__(self) -> None:
        if isinstance(self.status, bool) or not isinstance(self.status, int) or not 200 <= self.status <= 599:
            raise BadReply(f"status: {self.status!r} is not a status from 200 to 599")
        if self.headers is not None and not isinstance(self.headers, Mapping):
            raise BadReply("headers: is a mapping of names to texts")
        try:
            check_headers(self.headers or {})
        except ValueError as error:
            raise BadReply(f"headers: {error}") from None
        try:
            check_status_and_body(self.status, self.body)
        except ValueError as error:
            raise BadReply(f"body: {error}") from None
        if not isinstance(self.body, bytes | str) and (flaw := find_flaw(self.body, path="body")):
            raise BadReply(f"{flaw.path}: {flaw.problem}")
        self.to_wire()

    @classmethod
    def text(cls, text: str, *, status: int = 200, media_type: str = "text/plain") -> Reply:
        """Text as it is, in UTF-8: `Reply.text("<ok/>", media_type="application/xml")`, HTML, CSV."""
        if not isinstance(text, str):
            raise BadReply(f"body: is text, not {type(text).__name__}")
        return cls(status, text, {"Content-Type": f"{media_type}; charset=utf-8"})

    @classmethod
    def file(cls, content: bytes, name: str, *, media_type: str = "application/octet-stream") -> Reply:
        """Bytes that a browser saves under `name`, never as a page of this host. At most 512 KiB as they travel."""
        if not isinstance(content, bytes):
            raise BadReply(f"body: is bytes, not {type(content).__name__}")
        return cls(200, content, {"Content-Type": media_type, "Content-Disposition": _attachment(name)})

    @classmethod
    def redirect(cls, location: str, *, status: int = 303) -> Reply:
        """To another address; 303 is fetched by GET, 307 and 308 repeat the request. Raises BadReply for no http(s)."""
        if status not in _REDIRECTS:
            raise BadReply(f"status: {status!r} is no redirect; take one of {sorted(_REDIRECTS)}")
        if not isinstance(location, str) or not _LOCATION.fullmatch(location):
            raise BadReply("headers: Location is https://..., http://... or a path, percent-encoded")
        return cls(status, None, {"Location": location})

    @classmethod
    def empty(cls) -> Reply:
        """204, and no body."""
        return cls(204)

    def to_wire(self) -> dict[str, Any]:
        """`{"v": 1, "status", "headers", "body"}` as plain JSON.

        Under `"body"`, bytes travel as `{"base64": ...}`, text as `{"text": "<ASCII JSON>"}`, all else as
        `{"json": "<ASCII JSON>"}`: no character that a database refuses, and no key that Prefect would act upon. No
        body is null.
        """
        wire = {"v": 1, "status": self.status, "headers": dict(self.headers or {}), "body": self._wire_body()}
        if (size := len(json.dumps(wire))) > MAX_REPLY:
            raise ReplyTooLarge(
                f"the reply is {size} bytes as it travels, at most {MAX_REPLY}: store the data, reply with its address"
            )
        return wire

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Reply:
        """The reply that `to_wire` made; raises BadReply for anything else. Plain JSON alone is read."""
        body = wire.get("body")
        try:
            match body:
                case None:
                    value: Any = None
                case {"base64": str(text)}:
                    value = base64.b64decode(text, validate=True)
                case {"text": str(text)} | {"json": str(text)}:
                    value = json.loads(text)
                case _:
                    raise BadReply("body: is in no form that a reply travels in")
        except (ValueError, RecursionError) as error:
            raise BadReply(f"body: cannot be read: {type(error).__name__}") from None
        if ("text" in (body or {})) is not isinstance(value, str):
            raise BadReply("body: is in no form that a reply travels in")
        try:
            return cls(status=wire.get("status"), headers=wire.get("headers"), body=value)  # type: ignore[arg-type] # checked there
        except ReplyTooLarge as error:
            raise BadReply(str(error)) from None

    def _wire_body(self) -> dict[str, str] | None:
        if self.body is None:
            return None
        if isinstance(self.body, bytes):
            return {"base64": base64.b64encode(self.body).decode()}
        if isinstance(self.body, str):
            try:
                self.body.encode()
            except UnicodeEncodeError:
                raise BadReply("body: holds half of a surrogate pair, which is no character") from None
            return {"text": json.dumps(self.body)}
        return {"json": json.dumps(self.body, allow_nan=False, separators=(",", ":"))}


def _attachment(name: str) -> str:
    """A Content-Disposition whose name is a plain file name, in ASCII and besides as RFC 5987 has it."""
    if not isinstance(name, str) or not name.strip():
        raise BadReply("headers: a file has a name")
    plain = "".join(character if character.isprintable() and character not in '/\\"' else "_" for character in name)
    plain = plain.strip(" .")[:200] or "file"
    ascii_name = plain.encode("ascii", "replace").decode().replace("?", "_").replace("%", "_")
    return f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(plain, safe='')}"
