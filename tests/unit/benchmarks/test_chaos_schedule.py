"""Which faults come in which order, and how a link behaves under one."""

from __future__ import annotations

import asyncio
from itertools import islice

import pytest

from benchmarks.chaos.ledgers import Kind
from benchmarks.chaos.proxy import Link
from benchmarks.chaos.schedule import faults, targets
from tests.support.waiting import eventually


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_a_seed_gives_the_same_faults_and_each_comes_once_before_one_comes_again(database: str) -> None:
    possible = targets(database)
    drawn = list(islice(faults(7, possible), 2 * len(possible)))
    assert drawn == list(islice(faults(7, possible), 2 * len(possible)))
    assert drawn != list(islice(faults(8, possible), 2 * len(possible)))
    first = [(fault.kind, fault.part) for fault in drawn[: len(possible)]]
    assert sorted(first) == sorted(possible)


def test_the_disk_is_filled_under_sqlite_and_the_inboxs_server_is_killed_under_postgresql() -> None:
    assert (Kind.FULL, "inbox") in targets("sqlite")
    assert (Kind.KILL, "inbox-postgres") in targets("postgres")


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data)
    writer.close()


async def test_a_link_passes_bytes_on_loses_answers_and_can_be_cut() -> None:
    async with (
        await asyncio.start_server(_echo, "127.0.0.1", 0) as server,
        Link(server.sockets[0].getsockname()[1]) as link,
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        writer.write(b"one")
        assert await reader.readexactly(3) == b"one"
        link.mute = True
        writer.write(b"two")
        answer = asyncio.create_task(reader.readexactly(3))
        done, _ = await asyncio.wait([answer], timeout=0.2)
        assert not done
        link.cut = True
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await answer
        writer.close()
        link.cut = link.mute = False

        async def passes() -> bool:
            reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
            writer.write(b"again")
            try:
                return await reader.read(5) == b"again"
            finally:
                writer.close()

        await eventually(passes, what="a new connection passes bytes on")
