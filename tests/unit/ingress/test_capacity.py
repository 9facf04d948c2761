"""What a receiver holds at the same time: counted exactly, given back whatever happens."""

from __future__ import annotations

import asyncio

import pytest

from receiver.contract.errors import Refused
from receiver.contract.reasons import Reason
from receiver.ingress import capacity as module
from receiver.ingress.capacity import Capacity


def test_as_many_requests_are_let_in_as_may_be_and_another_when_one_has_left():
    capacity = Capacity(max_requests=2)
    assert [capacity.enter() for _ in range(3)] == [True, True, False]
    capacity.leave()
    assert [capacity.enter(), capacity.enter()] == [True, False]


def test_small_bodies_may_fill_all_the_room():
    capacity = Capacity(body_budget=100)
    assert capacity.hold(100) == 100
    with pytest.raises(Refused) as refused:
        capacity.hold(1)
    assert refused.value.reason is Reason.OVERLOADED
    capacity.release(100)
    assert capacity.hold(1) == 1


async def test_large_bodies_leave_a_quarter_to_small_ones():
    capacity = Capacity(body_budget=100)
    assert await capacity.reserve(1000, 0) == 75
    assert capacity.hold(25) == 25


async def test_room_is_given_in_the_order_of_asking():
    capacity = Capacity(body_budget=100)
    first = await capacity.reserve(60, 0)
    order: list[str] = []

    async def ask(name: str, size: int) -> None:
        order.append(name)
        assert await capacity.reserve(size, 0) == size
        order.append(f"{name} has it")

    async with asyncio.TaskGroup() as group:
        group.create_task(ask("large", 70))
        group.create_task(ask("small", 5))
        await asyncio.sleep(0)
        assert order == ["large", "small"] and capacity.held == 60
        capacity.release(first)
    assert order[2:] == ["large has it", "small has it"] and capacity.held == 75


async def test_who_waits_too_long_is_refused():
    capacity = Capacity(body_budget=100)
    held = await capacity.reserve(50, 0)
    with pytest.raises(Refused, match="no room for 60 bytes within 2 s"):
        await capacity.reserve(60, 0)
    assert capacity.held == held


async def test_when_the_first_in_line_gives_up_the_next_gets_the_room():
    capacity = Capacity(body_budget=100)
    await capacity.reserve(50, 0)
    too_large, fits = [asyncio.create_task(capacity.reserve(size, 0)) for size in (60, 20)]
    await asyncio.sleep(0)
    assert capacity.held == 50
    too_large.cancel()
    assert await fits == 20


async def test_who_stops_waiting_takes_no_room():
    capacity = Capacity(body_budget=100)
    held = await capacity.reserve(75, 0)
    gone = asyncio.create_task(capacity.reserve(10, 0))
    await asyncio.sleep(0)
    capacity.release(held)  # granted, and cancelled before it could know
    gone.cancel()
    await asyncio.wait([gone])
    assert gone.cancelled() and capacity.held == 0


async def test_no_more_than_a_few_wait():
    capacity = Capacity(body_budget=100)
    await capacity.reserve(75, 0)
    waiting = [asyncio.create_task(capacity.reserve(1, 0)) for _ in range(module.MOST_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(Refused, match="many wait"):
        await capacity.reserve(1, 0)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    assert capacity.held == 75


async def test_what_is_here_already_counts_for_the_whole():
    capacity = Capacity(body_budget=100)
    assert await capacity.reserve(1000, capacity.hold(30)) == 45
