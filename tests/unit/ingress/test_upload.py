"""A big body on its way in: on disk, then at the bench; whatever happens, its room is given back."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from receiver.bodies import Room, Spool
from receiver.bodies.spool import PIECE
from receiver.contract.errors import Refused
from receiver.contract.reasons import Reason
from receiver.ingress.capacity import Capacity
from receiver.ingress.endpoint import _AsgiArrival
from receiver.ingress.upload import Upload, Uploads
from receiver.storage import StoreUnavailable

BODY = os.urandom(3 * PIECE + 7)


def uploads(folder: Path, *, disk: int = 8 * PIECE, bench: int = 8 * PIECE) -> Uploads:
    def room(size: int) -> Room:
        return Room(size, seconds=0.01, most_waiting=4)

    return Uploads(inline=1000, spool=Spool(folder / "spool"), disk=room(disk), bench=room(bench))


class Sender:
    """A request whose body comes in pieces, and the arrival that takes them."""

    def __init__(self, big: Uploads, body: bytes = BODY, *, announced: bool = True, ends: bool = True) -> None:
        step = PIECE // 3
        pieces = [body[start : start + step] for start in range(0, len(body), step)]
        self.messages: list[dict[str, Any]] = [
            {"type": "http.request", "body": piece, "more_body": True} for piece in pieces
        ]
        if ends:
            self.messages[-1]["more_body"] = False
        self.capacity = Capacity()
        headers = [(b"content-length", b"%d" % len(body))] if announced else []
        scope = {"method": "POST", "raw_path": b"/api/webhooks/a", "query_string": b"", "headers": headers}
        self.arrival = _AsgiArrival(scope, self.receive, self.capacity, big)

    async def receive(self) -> dict[str, Any]:
        return self.messages.pop(0) if self.messages else {"type": "http.disconnect"}


@pytest.mark.parametrize("announced", [True, False])
async def test_a_big_body_is_whole_again_and_holds_its_place_until_it_is_let_go(tmp_path: Path, announced: bool):
    big = uploads(tmp_path)
    sender = Sender(big, announced=announced)
    assert await sender.arrival.read(5 * PIECE) == BODY
    assert (big.disk.held, big.bench.held, sender.arrival.held) == (0, len(BODY), 0)
    assert list((tmp_path / "spool").iterdir()) == []  # a file without a name
    sender.arrival.let_go()
    assert big.bench.held == 0
    sender.arrival.end()
    assert (big.disk.held, big.bench.held, sender.capacity.held) == (0, 0, 0)


async def test_a_body_in_pieces_that_is_not_big_stays_in_memory(tmp_path: Path):
    big = uploads(tmp_path)
    sender = Sender(big, b"x" * 1000)
    sender.messages = [{**sender.messages[0], "body": b"x" * 500, "more_body": more} for more in (True, False)]
    assert await sender.arrival.read(2000) == b"x" * 1000
    assert not (tmp_path / "spool").exists() and sender.arrival.held == 1000


async def test_who_hangs_up_or_sends_too_much_leaves_nothing(tmp_path: Path):
    big = uploads(tmp_path)
    for sender, limit, reason in [
        (Sender(big, ends=False), 5 * PIECE, Reason.BODY_INCOMPLETE),
        (Sender(big, announced=False), 2 * PIECE, Reason.BODY_TOO_LARGE),
    ]:
        with pytest.raises(Refused) as refused:
            await sender.arrival.read(limit)
        sender.arrival.end()
        assert refused.value.reason is reason
        assert (big.disk.held, big.bench.held, sender.capacity.held) == (0, 0, 0)


async def test_no_more_wait_on_disk_or_are_in_memory_than_there_is_room_for(tmp_path: Path):
    for big in (uploads(tmp_path, disk=5 * PIECE), uploads(tmp_path, bench=5 * PIECE)):
        first, second = Sender(big), Sender(big)
        held = await Upload.begin(big, 4 * PIECE) if big.disk.size == 5 * PIECE else None
        if held is None:
            assert await first.arrival.read(5 * PIECE) == BODY
        with pytest.raises(Refused, match="no room for") as refused:
            await second.arrival.read(5 * PIECE)
        assert refused.value.reason is Reason.OVERLOADED
        for each in (first.arrival, second.arrival):
            each.end()
        if held is not None:
            held.end()
        assert (big.disk.held, big.bench.held) == (0, 0)


async def test_a_disk_that_fails_is_said_so_and_gives_its_room_back(tmp_path: Path):
    (tmp_path / "spool").write_text("a file where the folder should be")
    big = uploads(tmp_path)
    sender = Sender(big)
    with pytest.raises(StoreUnavailable):
        await sender.arrival.read(5 * PIECE)
    sender.arrival.end()
    assert (big.disk.held, big.bench.held, sender.capacity.held) == (0, 0, 0)


async def test_a_body_that_takes_too_long_is_refused_while_a_thread_may_still_write_it(tmp_path: Path):
    big = uploads(tmp_path)
    sender = Sender(big, ends=False)
    ended = asyncio.Event()
    receive = sender.arrival._receive

    async def receive_slowly() -> Any:
        if not sender.messages:
            await ended.wait()
        return await receive()

    sender.arrival._receive = receive_slowly
    sender.capacity.body_seconds = 0.05
    with pytest.raises(Refused) as refused:
        await sender.arrival.read(5 * PIECE)
    sender.arrival.end()
    assert refused.value.reason is Reason.BODY_INCOMPLETE and big.disk.held == 0
