"""Thousands of hostile requests at a real receiver: good ones are answered all the while, and everything is counted."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import psutil  # type: ignore[import-untyped]  # no stubs are installed
import pytest

from tests.support.hostile import KINDS, SECRET, WEBHOOKS, Kind, signed
from tests.support.receiver import ADMIN_KEY
from tests.support.serving import Serving, serving
from tests.support.waiting import wait_until

AT_ONCE = 64
GROWTH = 200 * 2**20
"""Bytes that the receiver may have grown by: what was sent at it, inflated, is a hundred times as much."""
EVERY = 5
"""One of so many requests is a good one."""


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Serving]:
    hurried = {"WEBHOOKS_HEAD_SECONDS": "2", "WEBHOOKS_BODY_SECONDS": "2"}
    with serving(tmp_path, **hurried, WEBHOOKS_TRUSTED_PROXIES="127.0.0.1", KEY_OF_A_TEST=SECRET) as running:
        for key, fields in WEBHOOKS.items():
            running.define(key, **fields)
        yield running


async def status_of(port: int, pieces: Iterator[bytes], hang_up: bool) -> int:
    """The status that comes back, 0 where nothing is waited for or comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            if not hang_up:
                line = await asyncio.wait_for(reader.readline(), 60)
                await asyncio.wait_for(reader.read(), 60)
                return int(line.split(b" ", 2)[1])
        return 0
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def sent(port: int, plan: Sequence[Kind | None]) -> tuple[list[int], Counter[tuple[str, int]]]:
    """The statuses of the good requests, and how often a kind got which status."""
    good: list[int] = []
    got: Counter[tuple[str, int]] = Counter()
    room = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, kind: Kind | None) -> None:
        async with room:
            if kind is None:
                body = b'{"id": %d}' % number
                good.append(await status_of(port, iter([signed("198.51.100.7", body)]), hang_up=False))
            else:
                address = "203.0.113.250" if kind.one_address else f"203.0.113.{number % 200}"
                got[kind.name, await status_of(port, kind.pieces(address), kind.then == "hang up")] += 1

    await asyncio.gather(*(one(number, kind) for number, kind in enumerate(plan)))
    return good, got


@pytest.mark.parametrize("count", [2000, pytest.param(10_000, marks=pytest.mark.long)])
async def test_good_requests_are_answered_among_hostile_ones_which_are_all_counted(receiver: Serving, count: int):
    chance = Random(count)
    plan = [None if number % EVERY == 0 else chance.choice(KINDS) for number in range(count)]
    lines_before = len(receiver.logged())
    process = psutil.Process(receiver.process.pid)
    before, began = process.memory_info().rss, time.perf_counter()
    good, got = await sent(receiver.port, plan)
    seconds, grown = time.perf_counter() - began, process.memory_info().rss - before

    assert good == [202] * plan.count(None)
    assert receiver.process.poll() is None and "Traceback" not in receiver.said()
    assert grown < GROWTH
    allowed = {kind.name: kind.statuses if kind.then == "read" else {0} for kind in KINDS}
    assert [each for each in got if each[1] not in allowed[each[0]]] == []
    assert got.total() == count - len(good)
    assert any(status == 429 for _, status in got)

    # Each request has its line: those that were answered, and those that hung up after their head.
    hung_up = sum(kind is not None and kind.then == "hang up" and bool(kind.reasons) for kind in plan)
    expected = Counter({202: len(good), 408: hung_up})
    for (_, status), number in got.items():
        expected[status] += number
    del expected[0]
    wait_until(lambda: len(receiver.logged()) - lines_before >= expected.total(), 30, what="every request has its line")
    lines = receiver.logged()[lines_before:]
    assert Counter(line["answered"] for line in lines) == expected
    reasons = Counter(line["reason"] for line in lines if line["status"] == "rejected")
    assert reasons.total() == len(lines) - len(good)
    assert set(reasons) <= {reason for kind in KINDS for reason in kind.reasons}

    # And each refusal at a webhook is a row, or counted where an address had too many in a minute.
    answer = receiver.http.get("/api/admin/stats", headers={"Authorization": f"Bearer {ADMIN_KEY}"})
    told = {each["webhook"]: each for each in answer.json()["webhooks"]}
    for key in WEBHOOKS:
        mine = [line for line in lines if line.get("webhook") == key]
        assert told[key]["refused"] == sum(line["status"] == "rejected" for line in mine)
        assert told[key]["by_status"].get("queued", 0) == sum(line["status"] == "queued" for line in mine)
    sys.stdout.write(f"{count} requests in {seconds:.1f} s, {count / seconds:.0f}/s, {grown / 2**20:+.0f} MiB\n")
