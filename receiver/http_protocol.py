"""HTTP/1 as uvicorn speaks it, with bounds on what a connection may send before it is a request, and on its time.

uvicorn and its parser take headers and addresses of any length, from anybody, for as long as it takes.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httptools
import uuid_utils
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from receiver.contract.reasons import Reason
from receiver.ingress import answers
from receiver.ingress.request_log import RequestLog

MAX_URL, MAX_HEADERS, MAX_HEADER_BYTES = 8 * 1024, 100, 32 * 1024
_OFFER = frozenset({b"connection", b"upgrade", b"http2-settings"})
MAX_PIPELINED = 16
"""Requests that one connection may have waiting behind the one that is being answered."""
_TOLD_SO = 256
"""Connections over the bound that are told so; more are cut off."""
_LINGER_SECONDS, _LINGER_BYTES = 2.0, 64 * 1024 * 1024
"""How long and how much of a refused sender is still taken and thrown away, so that it sees its answer."""
_FLUSH_SECONDS = 30.0
"""How long a closed connection may take to fetch its answer."""
_BODY_GRACE_SECONDS = 30.0
"""A body that nobody asked for is cut off so long after the time that a webhook's has."""


@dataclass(kw_only=True)
class Front:
    """One listener: its bounds, the log of what it refuses, and how many connections it has."""

    head_seconds: float
    body_seconds: float
    max_connections: int
    log: RequestLog
    connections: int = 0


class _Stop(Exception):
    """Ends the parser's work on what it was fed; the connection has been refused."""


class BoundedHttp(HttpToolsProtocol):
    """One connection. Deadlines are looked at by `look`, which the server calls once a second."""

    def __init__(self, front: Front, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._front = front
        self._in_head = True
        self._in_message = False
        self._began_now = False
        self._got_body = False
        self._offered = False
        self._fed = 0
        self._seen = 0  # no fewer bytes than came of a head, the latest piece left out
        self._partial = 0  # no more bytes than came of a head, or of trailers, whose end has not come
        self._head_since: float | None = None
        self._body_since: float | None = None
        self._closing_since: float | None = None
        self._refused = False
        self._linger_bytes = _LINGER_BYTES

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, unless there are as many as may be."""
        super().connection_made(transport)
        self._front.connections += 1
        self._head_since = self.loop.time()
        if (over := self._front.connections - self._front.max_connections) > 0:
            self._refuse(Reason.OVERLOADED, "too many connections are open")
            if over > _TOLD_SO:
                transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self._front.connections -= 1
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes: what is refused is decided here, after each piece."""
        if self._refused:
            self._linger_bytes -= len(data)
            if self._linger_bytes < 0:
                self.transport.abort()
            return
        self._unset_keepalive_if_required()
        was_in_head = self._in_head
        self._fed, self._began_now, self._got_body = len(data), False, False
        if was_in_head and self._head_since is None:
            self._head_since = self.loop.time()
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            self._refuse(Reason.REQUEST_MALFORMED, type(error).__name__)
        if self._in_head:
            if self._in_message:
                self._look_at_partial_head()
        else:
            if self._body_since is None:
                self._body_since = self.loop.time()
            if not (was_in_head or self._got_body):
                self._look_at_trailers()

    def _feed(self, data: bytes) -> None:
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                # The parser has left the body out. Java's client offers HTTP/2 so with each first request.
                data = self._without_offer() + data[upgrade.args[0] :]
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
                self._offered = False
            else:
                return

    def _without_offer(self) -> bytes:
        """The head of a request that offers another protocol, as it is without the offer."""
        start = b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        kept = [(name, value) for name, value in self.headers if name not in _OFFER]
        return start + b"".join(b"%s: %s\r\n" % header for header in (*kept, *_persistence(self.headers))) + b"\r\n"

    def on_message_begin(self) -> None:
        """A request's first byte."""
        super().on_message_begin()
        self._in_message = self._began_now = True
        self._seen = self._partial = 0

    def on_headers_complete(self) -> None:
        """A request's head is whole; the app gets it, unless it breaks a bound."""
        self._look_at_head()
        if len(self.pipeline) >= MAX_PIPELINED:
            self._refuse(Reason.OVERLOADED, "too many requests at once on one connection")
        self._offered = self.parser.should_upgrade()
        if self._offered and self.parser.get_method() == b"CONNECT":
            self._refuse(Reason.REQUEST_MALFORMED, "CONNECT: this is no proxy")
        if self._refused:
            raise _Stop
        if self._offered:
            return  # it comes again, without the offer
        self._in_head, self._head_since, self._partial = False, None, 0
        super().on_headers_complete()
        # What stands behind a chunked body is no header: no proxy has looked at it, or set its own over it.
        self.headers = []

    def on_body(self, body: bytes) -> None:
        """A piece of a body."""
        self._got_body, self._partial = True, 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request has ended; the next may begin."""
        if self._offered:
            return
        self._in_head, self._in_message, self._body_since = True, False, None
        super().on_message_complete()

    def look(self, now: float) -> None:
        """End what has taken too long, by the event loop's clock."""
        if self.transport.is_closing():
            self._closing_since = self._closing_since or now
            if now - self._closing_since > _FLUSH_SECONDS:
                self.transport.abort()
        elif self._refused:
            if self._head_since is not None and now - self._head_since > _LINGER_SECONDS:
                self.transport.close()
        elif self._head_since is not None:
            if now - self._head_since > self._front.head_seconds:
                self._refuse(Reason.HEAD_INCOMPLETE, f"not whole after {self._front.head_seconds:g} s")
        elif self._body_since is not None:
            seconds = self._front.body_seconds + _BODY_GRACE_SECONDS
            if now - self._body_since > seconds:
                self._note(Reason.BODY_INCOMPLETE, f"not whole after {seconds:g} s")
                self.transport.close()

    def _look_at_head(self) -> None:
        if len(self.url) > MAX_URL:
            self._refuse(Reason.URL_TOO_LONG, f"over {MAX_URL} bytes")
        elif len(self.headers) > MAX_HEADERS:
            self._refuse(Reason.HEADERS_TOO_LARGE, f"more than {MAX_HEADERS}")
        elif self._seen + self._fed > MAX_HEADER_BYTES and _size(self.headers) > MAX_HEADER_BYTES:
            self._refuse(Reason.HEADERS_TOO_LARGE, f"over {MAX_HEADER_BYTES} bytes")

    def _look_at_partial_head(self) -> None:
        if self._head_since is None:
            self._head_since = self.loop.time()
        self._look_at_head()
        self._seen += self._fed
        if not self._began_now:
            # The parser keeps an unfinished header to itself, so all that came counts; in the piece with the head's
            # beginning an earlier request may have ended, so that one does not.
            self._partial += self._fed
            if self._partial > MAX_URL + MAX_HEADER_BYTES:
                self._refuse(Reason.HEADERS_TOO_LARGE, f"over {MAX_HEADER_BYTES} bytes")

    def _look_at_trailers(self) -> None:
        self._partial += self._fed
        if self._partial > MAX_HEADER_BYTES or len(self.headers) > MAX_HEADERS:
            self._note(Reason.HEADERS_TOO_LARGE, "behind the body")
            self.transport.abort()

    def _refuse(self, reason: Reason, detail: str) -> None:
        """Answer, unless an earlier request is being answered, and take no more."""
        if self._refused:
            return
        self._refused, self._head_since = True, None
        cycle = self.cycle if self.cycle is not None and not self.cycle.response_complete else None
        if cycle is not None and self._in_head:
            cycle.keep_alive = False  # it gets its answer, and is the last one
            self._note(reason, detail)
        elif cycle is not None and (cycle.response_started or self.pipeline):
            self.transport.close()
            self._note(reason, detail)
        else:
            if cycle is not None:  # the app waits for the rest of a body that cannot be read
                cycle.disconnected = True
                cycle.message_event.set()
            self._head_since = self.loop.time()
            self._answer(reason, detail)

    def _answer(self, reason: Reason, detail: str) -> None:
        answer = answers.refused(reason, delivery_id := str(uuid_utils.uuid7()))
        self.transport.write(_wire(answer, self.server_state.default_headers))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._note(reason, detail, delivery_id=delivery_id, answered=answer.status)

    def _note(self, reason: Reason, detail: str, **more: Any) -> None:
        """One line in the request log. It names no path: in some there is a secret, and here nobody knows in which."""
        self._front.log.write(
            received_at=datetime.now(UTC),
            client_ip=self.client[0] if self.client else None,
            status="rejected",
            reason=reason,
            detail=detail,
            **more,
        )


def _persistence(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """What the Connection headers say beside the offer."""
    tokens = (token.strip().lower() for name, value in headers if name == b"connection" for token in value.split(b","))
    return [(b"connection", token) for token in tokens if token in {b"close", b"keep-alive"}]


def _size(headers: list[tuple[bytes, bytes]]) -> int:
    return sum(len(name) + len(value) for name, value in headers)


def _wire(answer: answers.Answer, defaults: list[tuple[bytes, bytes]]) -> bytes:
    given = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    framing = [(b"content-length", b"%d" % len(answer.body)), (b"connection", b"close")]
    lines = [b"%s: %s\r\n" % header for header in (*defaults, *given, *framing)]
    return b"".join([STATUS_LINE[answer.status], *lines, b"\r\n", answer.body])
