"""A reply as HTTP, and the configured response of a webhook as a reply. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from receiver.contract.definition import ResponseTemplate
from receiver.contract.errors import BadReply, ReplyTooLarge, TemplateError, Unusable
from receiver.contract.reasons import Reason
from receiver.contract.reply import Reply
from receiver.contract.templates import Template


@dataclass(frozen=True)
class CompiledResponse:
    """A webhook's `response`, compiled once."""

    status: int
    headers: Template
    body: Template

    @classmethod
    def of(cls, response: ResponseTemplate) -> CompiledResponse:
        """Compile a definition's response."""
        return cls(response.status, response.headers_template(), response.body_template())

    def render(self, document: Mapping[str, Any], now: datetime, *result: Any) -> Reply:
        """The reply for one request, of a flow's `result` in sync mode; raises `Unusable` when something is lacking."""
        roots: dict[str, Any] = {"context": document, "now": now}
        if result:
            roots["result"] = result[0]
        try:
            headers = {name: _text(value) for name, value in self.headers.render(roots).items()}
            return Reply(status=self.status, headers=headers, body=self.body.render(roots))
        except (TemplateError, BadReply, ReplyTooLarge) as error:
            raise Unusable(Reason.TEMPLATE_ERROR, f"response: {error}") from None


def as_http(reply: Reply) -> tuple[int, list[tuple[str, str]], bytes, str]:
    """`(status, headers, body, media type)`; a `Content-Type` among the reply's headers is the media type."""
    headers = {name.lower(): value for name, value in (reply.headers or {}).items()}
    match reply.body:
        case None:
            body, media_type = b"", ""
        case bytes() as body:
            media_type = "application/octet-stream"
        case str() as text:
            body, media_type = text.encode(), "text/plain; charset=utf-8"
        case data:
            body, media_type = _json(data).encode(), "application/json"
    media_type = headers.pop("content-type", media_type)
    return reply.status, list(headers.items()), body, media_type


def as_value(wire: Mapping[str, Any]) -> dict[str, Any]:
    """A reply that travelled as plain JSON: `status` (null for a plain result), `headers`, and `body` or `base64`.

    `body` is the value; bytes are in `base64`. One that cannot be sent has a `problem` alone.
    """
    try:
        body = Reply.from_wire({**wire, "status": 200}).body
    except BadReply:
        return {"problem": "The reply of the workflow cannot be sent."}
    if wire.get("status") is None:
        body = body.get("result") if isinstance(body, dict) else None
    shown = {"base64": base64.b64encode(body).decode()} if isinstance(body, bytes) else {"body": body}
    return {"status": wire.get("status"), "headers": wire.get("headers") or {}, **shown}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    # The standard library's: whole numbers past 64 bits are exact.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
