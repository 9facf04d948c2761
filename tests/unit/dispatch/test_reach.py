"""Whether Prefect can be reached, as the parts of a process tell each other."""

from __future__ import annotations

import asyncio

import pytest

from receiver.dispatch.breaker import Circuit
from receiver.dispatch.reach import Reach


class Prefect:
    def __init__(self, *answers: bool | Exception) -> None:
        self.answers = list(answers)

    async def healthy(self) -> bool:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_a_probe_that_is_answered_lets_all_others_go_on() -> None:
    reach, prefect = Reach(), Prefect(False, True)
    reach.failed("away")
    waiting = asyncio.create_task(reach.closed())
    assert not await reach.probe(prefect.healthy) and reach.is_open and not waiting.done()
    assert await reach.probe(prefect.healthy)
    await waiting
    assert reach.circuit is Circuit.CLOSED


async def test_whoever_finds_prefect_answering_ends_the_wait_for_the_next_probe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("receiver.dispatch.breaker._FIRST_WAIT", 3600)
    monkeypatch.setattr("receiver.dispatch.breaker._LONGEST_WAIT", 3600)
    reach, prefect = Reach(), Prefect()
    reach.failed("away")
    probing = asyncio.create_task(reach.probe(prefect.healthy))
    await asyncio.sleep(0)
    assert reach.answered() and not await probing


async def test_a_probe_that_fails_in_an_unforeseen_way_is_not_the_last_one() -> None:
    reach, prefect = Reach(), Prefect(ValueError("unforeseen"), True)
    reach.failed("away")
    with pytest.raises(ValueError, match="unforeseen"):
        await reach.probe(prefect.healthy)
    assert await reach.probe(prefect.healthy)
