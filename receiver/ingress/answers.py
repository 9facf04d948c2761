"""The answers a sender gets: one place where a reason becomes an HTTP status. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from math import ceil
from typing import Any, Final

import orjson

from receiver.contract.reasons import Reason
from receiver.contract.reply import Reply
from receiver.ingress.verify.base import Handshake
from receiver.replies.render import as_http

Header = tuple[str, str]

JSON = "application/json"
PROBLEM = "application/problem+json"
RETRY_AFTER_SECONDS = 5

# Nothing a sender's browser or a proxy gets from us is to be sniffed, framed or run.
_SAFETY: Final[tuple[Header, ...]] = (
    ("x-content-type-options", "nosniff"),
    ("content-security-policy", "sandbox"),
)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A complete HTTP answer; `close` asks that the connection ends because the request was not read to its end.

    `hides`: it is the one of an address where nothing is, whatever is there.
    """

    status: int
    headers: Sequence[Header]
    body: bytes
    close: bool = False
    hides: bool = False


@dataclass(frozen=True)
class _Refusal:
    status: int
    title: str
    detail: str
    retry: bool = False


_NOT_FOUND = _Refusal(404, "Not found", "No webhook is served at this address. Check the URL and that it is enabled.")
_UNVERIFIED = _Refusal(401, "Not verified", "The source of this request could not be verified.")
_LATER = _Refusal(503, "Try again", "The request was not stored. Send it again.", retry=True)

_REFUSALS: Final[Mapping[Reason, _Refusal]] = {
    Reason.REQUEST_MALFORMED: _Refusal(400, "Not HTTP", "What was sent is not an HTTP/1 request."),
    Reason.URL_TOO_LONG: _Refusal(414, "URL too long", "The URL is longer than is taken."),
    Reason.HEADERS_TOO_LARGE: _Refusal(431, "Headers too large", "The headers are larger, or more, than are taken."),
    Reason.HEAD_INCOMPLETE: _Refusal(408, "Head incomplete", "The request did not arrive whole and in time."),
    Reason.OVERLOADED: _LATER,
    Reason.UNKNOWN_PATH: _NOT_FOUND,
    Reason.WEBHOOK_DISABLED: _NOT_FOUND,
    Reason.METHOD_NOT_ALLOWED: _Refusal(405, "Method not allowed", "Use one of the methods named in Allow."),
    Reason.ADDRESS_NOT_ALLOWED: _Refusal(403, "Not allowed", "This request is not allowed."),
    Reason.NETWORKS_UNAVAILABLE: _LATER,
    Reason.ORIGIN_NOT_ALLOWED: _Refusal(403, "Not allowed", "Pages of this origin may not call this webhook."),
    Reason.INSECURE_TRANSPORT: _Refusal(
        403,
        "Not encrypted",
        "The secret of this webhook must not travel in the clear: send the request by https. Behind a proxy that "
        "speaks TLS, the receiver has to be told so: WEBHOOKS_TRUSTED_PROXIES, and X-Forwarded-Proto from the proxy.",
    ),
    Reason.BODY_TOO_LARGE: _Refusal(413, "Body too large", "The body is larger than this webhook takes."),
    Reason.BODY_INCOMPLETE: _Refusal(408, "Body incomplete", "The body did not arrive whole and in time."),
    Reason.ENCODING_UNSUPPORTED: _Refusal(415, "Content-Encoding not supported", "Send identity, gzip or deflate."),
    Reason.ENCODING_INVALID: _Refusal(400, "Body not readable", "The body is not what its Content-Encoding says."),
    Reason.RATE_LIMITED: _Refusal(429, "Too many requests", "Send again after the time in Retry-After.", retry=True),
    Reason.SECRET_UNAVAILABLE: _LATER,
    Reason.DOCUMENT_UNAVAILABLE: _LATER,
    Reason.STORE_UNAVAILABLE: _LATER,
    Reason.DEFINITION_BROKEN: _LATER,
    Reason.INTERNAL_ERROR: _Refusal(500, "Internal error", "This request could not be handled. Send it again later."),
    Reason.UNREADABLE: _Refusal(400, "Body not readable", "The body is not what its Content-Type says."),
    Reason.TOO_COMPLEX: _Refusal(422, "Body too complex", "The body has more levels, entries or parts than are taken."),
    Reason.SCHEMA_MISMATCH: _Refusal(422, "Body not as agreed", "The body does not match this webhook's schema."),
    Reason.TEMPLATE_ERROR: _Refusal(422, "Body not as agreed", "The request lacks something this webhook needs."),
    Reason.FILTER_ERROR: _Refusal(422, "Body not as agreed", "The request lacks something this webhook needs."),
    Reason.SPLIT_ERROR: _Refusal(422, "Body not as agreed", "The request has no list of events, or too long a one."),
    Reason.RESERVED_KEY: _Refusal(422, "Body not as agreed", "The request holds a key that is not allowed."),
    Reason.PARAMETERS_INVALID: _Refusal(422, "Body not as agreed", "The request cannot become this flow's parameters."),
}


def _json(body: Mapping[str, Any]) -> bytes:
    return orjson.dumps(body)


def plain(status: int, body: Mapping[str, Any], delivery_id: str, *, extra: Sequence[Header] = ()) -> Answer:
    """A JSON answer."""
    return _answer(status, _json(body), JSON, delivery_id, extra)


def refused(
    reason: Reason,
    delivery_id: str,
    *,
    allow: Sequence[str] = (),
    problems: Sequence[Mapping[str, str]] = (),
    close: bool = False,
    hidden: bool = False,
    retry_after: float | None = None,
) -> Answer:
    """The answer for a reason. Of verification only that it failed is told, never why; the cause is in the log.

    A reason without a row of its own is one of verification: 401, or where the address is the credential (`hidden`)
    the 404 of one that does not exist.
    """
    refusal = _REFUSALS.get(reason, _NOT_FOUND if hidden else _UNVERIFIED)
    body: dict[str, Any] = {"type": "about:blank", "title": refusal.title, "status": refusal.status}
    body["detail"] = refusal.detail
    if problems:
        body["problems"] = list(problems)
    extra: list[Header] = []
    if allow:
        extra.append(("allow", ", ".join(allow)))
    if refusal.retry:
        # Whole seconds, upward: who keeps to them is not refused once more.
        extra.append(("retry-after", str(RETRY_AFTER_SECONDS if retry_after is None else max(ceil(retry_after), 1))))
    if refusal is _UNVERIFIED:
        extra.append(("www-authenticate", "Webhook"))
    answer = _answer(refusal.status, _json(body), PROBLEM, delivery_id, extra, close=close)
    return replace(answer, hides=refusal is _NOT_FOUND)


def accepted(delivery_id: str, status_url: str, *, header_id: str, extra: Sequence[Header] = ()) -> Answer:
    """The plain answer of an asynchronous webhook. A duplicate shows the first delivery, `header_id` is its own."""
    return plain(
        202, {"delivery_id": delivery_id, "status": "queued", "status_url": status_url}, header_id, extra=extra
    )


def replied(reply: Reply, delivery_id: str, *, extra: Sequence[Header] = ()) -> Answer:
    """A reply as HTTP: the webhook's configured response, rendered, or the answer its scheme's sender needs."""
    status, headers, body, media_type = as_http(reply)
    return _answer(status, body, media_type, delivery_id, [*headers, *extra])


def problem(status: int, detail: str, header_id: str, extra: Sequence[Header] = (), **members: str) -> Answer:
    """A problem of our own side, with further members."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **members}
    return _answer(status, _json(body), PROBLEM, header_id, extra)


def empty(status: int, delivery_id: str, extra: Sequence[Header]) -> Answer:
    """An answer whose headers say all."""
    return _answer(status, b"", "", delivery_id, extra)


def handshake(said: Handshake, delivery_id: str) -> Answer:
    """The answer to a sender's check of the URL, whose bytes its scheme chose."""
    return _answer(said.status, said.body, said.content_type, delivery_id, list(said.headers.items()))


def _answer(
    status: int, body: bytes, media_type: str, delivery_id: str, extra: Sequence[Header], *, close: bool = False
) -> Answer:
    headers = [("webhook-delivery-id", delivery_id), *_SAFETY, *extra]
    if body:
        headers.append(("content-type", media_type))
    return Answer(status=status, headers=headers, body=body, close=close)
