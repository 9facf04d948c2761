"""A keep-alive HTTP client for load: one connection, one request after another, as little work as possible."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import httptools


@dataclass(slots=True)
class Answer:
    """One answer. `sent_at` in Unix seconds, `seconds` from the first byte sent to the last one received.

    `status` is 0 when the connection was lost. Header names are lower-case.
    """

    sent_at: float
    seconds: float
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def request_bytes(url: str, body: bytes, headers: dict[str, str]) -> bytes:
    """A whole POST request for a keep-alive connection."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"POST {target} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class Connection(asyncio.Protocol):
    """`await Connection.open(url)`, then `await connection.post(request)` one at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answered: asyncio.Future[int] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []

    @classmethod
    async def open(cls, url: str) -> Connection:
        """Connect to the host and port of a URL with the scheme http."""
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname is None:
            raise ValueError(f"{url}: only http:// addresses can be measured")
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(cls, parts.hostname, parts.port or 80)
        return connection

    async def post(self, request: bytes) -> Answer:
        """Send a request and wait for the whole answer."""
        assert self._transport is not None
        self._headers, self._body = {}, []
        self._answered = asyncio.get_running_loop().create_future()
        sent_at, began = time.time(), time.perf_counter()
        if self._transport.is_closing():
            return Answer(sent_at, 0.0, 0)
        self._transport.write(request)
        status = await self._answered
        return Answer(sent_at, time.perf_counter() - began, status, self._headers, b"".join(self._body))

    @property
    def usable(self) -> bool:
        """Whether another request can be sent on it."""
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        """Close it."""
        if self._transport is not None:
            self._transport.close()

    # asyncio's and httptools' calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none of asyncio's classes

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()
            self._finish(0)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        self._finish(0)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if not self._parser.should_keep_alive():
            self.close()
        self._finish(self._parser.get_status_code())
        self._parser = httptools.HttpResponseParser(self)

    def _finish(self, status: int) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(status)
