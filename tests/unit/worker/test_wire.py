"""Messages between the processes."""

from __future__ import annotations

import asyncio
import os
import socket

from flows.worker import wire


def test_messages_arrive_whole_and_in_order() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(wire.encode({"one": 1}) + wire.encode({"two": "x" * 5000}))
        assert wire.receive(theirs) == {"one": 1}
        assert wire.receive(theirs) == {"two": "x" * 5000}


def test_a_closed_channel_and_a_torn_message_are_no_message() -> None:
    for words in (b"", b"\0\0\0\x09half"):
        ours, theirs = socket.socketpair()
        with theirs:
            ours.sendall(words)
            ours.close()
            assert wire.receive(theirs) is None


def test_descriptors_travel_with_a_message() -> None:
    ours, theirs = socket.socketpair()
    reading, writing = os.pipe()
    with ours, theirs:
        socket.send_fds(ours, [wire.encode({"fork": 1})], [writing])
        message, descriptors = wire.receive_with_descriptors(theirs, 2)
        assert (message, len(descriptors)) == ({"fork": 1}, 1)
        os.write(descriptors[0], b"through")
        assert os.read(reading, 16) == b"through"
        for descriptor in (*descriptors, reading, writing):
            os.close(descriptor)


async def test_a_stream_reads_the_same_messages() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(wire.encode({"done": "run"}))
    reader.feed_eof()
    assert await wire.read(reader) == {"done": "run"}
    assert await wire.read(reader) is None
