"""Messages between worker, zygote and children: JSON objects behind a length of four bytes, on socket pairs.

To the zygote: `{"fork": number, "env": {...}}` with the child's two descriptors (channel, output).
From it: `{"ready": {"files", "failed", "threads"}}`, `{"forked": number, "pid"}`, `{"exited": number, "status"}`.
To a child: `{"do": "run" | "hooks" | "cancel" | "suspend" | "retire", ...}`. From it: `{"ready": {...}}`,
`{"done": run id, "outcome": {...}, "vitals": {...}}`.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

import orjson

Message = dict[str, Any]
_LENGTH = struct.Struct("!I")


def encode(message: Message) -> bytes:
    """One frame."""
    body = orjson.dumps(message, option=orjson.OPT_NON_STR_KEYS)
    return _LENGTH.pack(len(body)) + body


def receive(channel: socket.socket) -> Message | None:
    """The next message of a blocking socket; None when the other side is gone."""
    head = _exactly(channel, _LENGTH.size)
    body = _exactly(channel, _LENGTH.unpack(head)[0]) if head else None
    return None if body is None else _object(body)


def receive_with_descriptors(channel: socket.socket, most: int) -> tuple[Message | None, list[int]]:
    """`receive` for a message that descriptors may travel with. The sender waits for its answer before the next."""
    first, descriptors, _, _ = socket.recv_fds(channel, 65536, most)
    if not first:
        return None, descriptors
    while len(first) < _LENGTH.size or len(first) < _LENGTH.size + _LENGTH.unpack_from(first)[0]:
        more = channel.recv(65536)
        if not more:
            return None, descriptors
        first += more
    return _object(first[_LENGTH.size :]), descriptors


async def read(reader: asyncio.StreamReader) -> Message | None:
    """The next message of a stream; None when the other side is gone."""
    try:
        head = await reader.readexactly(_LENGTH.size)
        return _object(await reader.readexactly(_LENGTH.unpack(head)[0]))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def _exactly(channel: socket.socket, size: int) -> bytes | None:
    chunks = bytearray()
    while len(chunks) < size:
        try:
            chunk = channel.recv(size - len(chunks))
        except ConnectionError:
            return None
        if not chunk:
            return None
        chunks += chunk
    return bytes(chunks)


def _object(body: bytes) -> Message:
    message: Message = orjson.loads(body)
    return message
