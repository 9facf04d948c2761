import asyncio

import pytest

from receiver.background import kept_running


async def test_a_part_that_fails_is_told_in_the_log_and_starts_again(caplog: pytest.LogCaptureFixture):
    turns: list[int] = []
    alive = asyncio.Event()

    async def part() -> None:
        turns.append(len(turns))
        if len(turns) == 1:
            raise ValueError("unforeseen")
        if len(turns) == 2:
            return
        alive.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(kept_running("dispatcher", part, first_wait=0))
    async with asyncio.timeout(20):
        await alive.wait()
    task.cancel()
    await asyncio.wait({task}, timeout=20)
    assert task.cancelled() and turns == [0, 1, 2]
    assert "the dispatcher failed" in caplog.text and "unforeseen" in caplog.text and "ended" in caplog.text
