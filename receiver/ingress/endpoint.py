"""Everything below `/api/webhooks/`: ASGI in, ASGI out, the body read with a limit and a deadline."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus

from starlette.types import Message, Receive, Scope, Send

from receiver.bodies.spool import PIECE
from receiver.contract.errors import Refused
from receiver.contract.reasons import Reason
from receiver.ingress.answers import Answer
from receiver.ingress.capacity import Capacity
from receiver.ingress.intake import Intake
from receiver.ingress.upload import Upload, Uploads

PREFIX = "/api/webhooks/"
_RAW_PREFIX = PREFIX.encode()
LINGER_SECONDS, LINGER_BYTES = 2.0, 64 * 1024 * 1024
"""How long and how much is still taken and thrown away of a request that was refused before its end."""


def for_webhooks(scope: Scope) -> bool:
    """Whether a request's path as sent is below the prefix: what decoding makes of the rest is the catalog's affair."""
    return scope["type"] == "http" and bool(scope["raw_path"].startswith(_RAW_PREFIX))


class _AsgiArrival:
    """A request as ASGI gives it.

    `held` are the bytes of it that count against the capacity; `whole` says that all of it was read. One that was not
    `admitted`, for want of capacity, is refused when its body would be read. A body that is big and comes in pieces is
    an upload, if there is a place for these.
    """

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        capacity: Capacity,
        uploads: Uploads | None = None,
        *,
        admitted: bool = True,
    ) -> None:
        self.method: str = scope["method"].upper()
        self.raw_path = scope["raw_path"].decode("latin-1").partition("?")[0].removeprefix(PREFIX)
        self.query_string: str = scope["query_string"].decode("latin-1")
        self.headers = tuple(
            (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]
        )
        self.peer: str = scope["client"][0] if scope.get("client") else ""
        self.scheme: str = scope.get("scheme", "http")
        self.admitted = admitted
        self.held = 0
        self.whole = False
        self._receive = receive
        self._capacity = capacity
        self._uploads = uploads
        self._upload: Upload | None = None

    async def read(self, limit: int) -> bytes:
        if not self.admitted:
            raise Refused(Reason.OVERLOADED, "too many requests are in progress")
        seconds = self._capacity.body_seconds
        try:
            async with asyncio.timeout(seconds):
                body = await self._read(limit)
        except TimeoutError:
            raise Refused(Reason.BODY_INCOMPLETE, f"not whole after {seconds:g} s") from None
        return body if self._upload is None else await self._upload.whole()

    def hold(self, size: int) -> None:
        """Count bytes more; raises `Refused`."""
        self.held += self._capacity.hold(size)

    def let_go(self) -> None:
        """The body is in memory no more, if it was a big one."""
        if self._upload is not None:
            self._upload.let_go()

    def end(self) -> None:
        """Give back all that was taken."""
        if self._upload is not None:
            self._upload.end()
        self._capacity.release(self.held)

    async def hung_up(self) -> None:
        """Return when the sender is gone; to be awaited after `read`."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _read(self, limit: int) -> bytes:
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            # The common case: one message, no copy.
            self.whole = True
            body: bytes = message.get("body", b"")
            if len(body) > limit:
                raise Refused(Reason.BODY_TOO_LARGE, f"over {limit} bytes")
            self.held = self._capacity.hold(len(body))
            return body
        return await self._read_on(message, limit)

    async def _read_on(self, message: Message, limit: int) -> bytes:
        """The body that comes in pieces; nothing where it became an upload."""
        parts: list[bytes] = []
        size = here = 0
        while True:
            if message["type"] == "http.disconnect":
                raise Refused(Reason.BODY_INCOMPLETE, f"the sender hung up after {size} bytes")
            self.whole = not message.get("more_body", False)
            parts.append(message.get("body", b""))
            here += len(parts[-1])
            size += len(parts[-1])
            if size > limit:
                raise Refused(Reason.BODY_TOO_LARGE, f"over {limit} bytes")
            if size == here and len(parts) == 1:
                self.held = self._capacity.hold(size)
                self.held += await self._capacity.reserve(self._in_memory(limit), size)
            if self._uploads is not None and size > self._uploads.inline and (self.whole or here >= PIECE):
                if self._upload is None:
                    self._upload = await Upload.begin(self._uploads, self._announced(limit))
                await self._upload.write(b"".join(parts))
                parts, here = [], 0
            if self.whole:
                self._capacity.release(self.held - here)
                self.held = here
                return b"".join(parts)
            message = await self._receive()

    def _in_memory(self, limit: int) -> int:
        """The most bytes that will be in memory while they come."""
        announced = self._announced(limit)
        return announced if self._uploads is None else min(announced, max(self._uploads.inline, PIECE))

    def _announced(self, limit: int) -> int:
        """The most bytes that may come: what the sender announced, or what the webhook takes."""
        length = next((value for name, value in self.headers if name == "content-length"), "")
        return min(int(length), limit) if length.isascii() and length.isdigit() and len(length) < 19 else limit


class WebhookEndpoint:
    """ASGI application for requests that are `for_webhooks`; `intake` is set when the receiver's lifespan opened it."""

    def __init__(self, capacity: Capacity | None = None, uploads: Uploads | None = None) -> None:
        self.intake: Intake | None = None
        self._capacity = capacity or Capacity()
        self._uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        assert self.intake is not None, "the lifespan opens the intake before requests come"
        capacity = self._capacity
        arrival = _AsgiArrival(scope, receive, capacity, self._uploads, admitted=capacity.enter())
        try:
            answer = await self.intake.take(arrival)
            await send_answer(replace(answer, close=False) if answer.close and arrival.whole else answer, receive, send)
        finally:
            if arrival.admitted:
                capacity.leave()
            arrival.end()


async def send_answer(answer: Answer, receive: Receive, send: Send) -> None:
    """Send a complete answer."""
    headers = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in answer.headers]
    if answer.status != HTTPStatus.NO_CONTENT:
        headers.append((b"content-length", b"%d" % len(answer.body)))
    if answer.close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if answer.close:
        # Closed at once with bytes unread, the connection is reset, and the sender may never see the answer.
        await send({"type": "http.response.body", "body": answer.body, "more_body": True})
        await _discard(receive)
        await send({"type": "http.response.body"})
    else:
        await send({"type": "http.response.body", "body": answer.body})


async def _discard(receive: Receive) -> None:
    left = LINGER_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while left > 0 and (message := await receive())["type"] == "http.request" and message.get("more_body"):
                left -= len(message.get("body", b""))
