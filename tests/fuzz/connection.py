"""Bytes on a connection, whole and in pieces: the app sees the same requests either way, and nothing is raised."""

from __future__ import annotations

import asyncio
import io
import re
from functools import cache
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from receiver.http_protocol import BoundedHttp, Front
from receiver.ingress.request_log import RequestLog
from tests.conformance.schemes import make_request
from tests.fuzz import Target
from tests.fuzz.wire import to_bytes

_POST = b"POST /api/webhooks/a HTTP/1.1\r\nHost: a\r\n"
_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n\r\n2;x=y\r\n{}\r\n0\r\nX-T: a\r\n\r\n"


class _Wire(asyncio.Transport):
    """The other end: keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 5), "sockname": ("127.0.0.1", 8000)})
        self.written = bytearray()
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.closed = True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


@cache
def _config() -> uvicorn.Config:
    config = uvicorn.Config(_nothing, lifespan="off", log_config=None, access_log=False, proxy_headers=False, ws="none")
    config.load()
    return config


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("each connection has an app of its own")


async def _seen(pieces: list[bytes]) -> tuple[list[Any], list[bytes]]:
    """What the app saw of the requests in these pieces, and the statuses that were answered."""
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        seen.append((scope["method"], scope["raw_path"], scope["query_string"], scope["headers"], body))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    front = Front(head_seconds=10, body_seconds=10, max_connections=10, log=RequestLog(io.StringIO()))
    wire, loop, state = _Wire(), asyncio.get_running_loop(), ServerState()
    connection = BoundedHttp(front, config=_config(), server_state=state, app_state={}, _loop=loop)
    connection.app = app
    connection.connection_made(wire)
    for piece in pieces:
        if not wire.closed:
            connection.data_received(piece)
    for _ in range(40):
        await asyncio.sleep(0)
    answered = bytes(wire.written)
    connection.look(loop.time() + 100)  # a head that has not come whole, or nothing but a line break, is told of then
    connection.connection_lost(None)
    while state.tasks:
        await asyncio.wait(state.tasks)
    assert front.connections == 0
    return seen, re.findall(rb"HTTP/1.1 (\d{3}) ", answered)


def _run(data: bytes) -> None:
    size, stream = 1 + (data or b"\0")[0] % 32, data[1:]
    whole, whole_statuses = _loop().run_until_complete(_seen([stream]))
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    parted, parted_statuses = _loop().run_until_complete(_seen(pieces))
    assert parted == whole
    assert parted_statuses == whole_statuses


TARGETS = (
    Target(
        name="connection",
        run=_run,
        seeds=lambda: [
            b"\x03" + _POST + b"Content-Length: 2\r\n\r\n{}",
            b"\x07" + _CHUNKED + _POST + b"Content-Length: 0\r\n\r\n",
            b"\x0f" + _POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}GET / HTTP/1.0\r\n\r\n",
            b"\x1f" + _POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nabc",
            b"\x02" + _POST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            b"\x05" + to_bytes(make_request(b"{}")),
        ],
        words=(
            b"\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Content-Length: ",
            b" HTTP/1.1\r\n",
            b"0\r\n\r\n",
            b"\r\n ",
        ),
        largest=2048,
    ),
)
