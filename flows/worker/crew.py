"""The crew: enough warm children, each with at most one run, renewed when they wear out or the code changes.

Decisions are `pool.py`'s; here they become processes. `Crew.perform` is all that the rest of the worker calls for a
run.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import signal
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any

from flows.worker import wire
from flows.worker.handles import ChildHandle, Death, UnfitPrefect, ZygoteHandle, ZygoteLost
from flows.worker.pool import ChildState, PoolOptions, plan_children, recycle_reason

_RETIRE_SECONDS = 30.0  # longest time a child may take to send its last logs
_LOOK_SECONDS = 5.0  # how often idle children are counted when nothing happens


class CrewStopping(Exception):
    """The worker ends: the order was not begun."""


class Crew:
    """Children of one pool."""

    def __init__(
        self,
        options: PoolOptions,
        env: Mapping[str, str],
        *,
        held: tuple[int, ...] = (),
        write_line: Callable[[str], None],
        log: logging.Logger | logging.LoggerAdapter[logging.Logger],
    ) -> None:
        self.options = options
        self.env = dict(env)
        self._held = held
        self._write_line, self._log = write_line, log
        self._numbers, self._generations = itertools.count(1), itertools.count(1)
        self._children: dict[int, ChildHandle] = {}
        self._zygotes: dict[int, ZygoteHandle] = {}
        self._current: ZygoteHandle | None = None
        self._entrypoints: list[str] = []
        self._waiting: list[asyncio.Future[ChildHandle]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._renewing = asyncio.Lock()
        self._stopping = False

    @property
    def files(self) -> list[str]:
        """The project's source files that the zygote has imported, and nothing when it is being renewed."""
        return self._current.files if self._current else []

    @property
    def entrypoints(self) -> list[str]:
        return self._entrypoints

    async def start(self, entrypoints: list[str]) -> None:
        """Import the flows and start the first children. Raises UnfitPrefect."""
        await self.renew(entrypoints)
        self._soon(self._look_after_idle_ones())

    async def renew(self, entrypoints: list[str]) -> None:
        """A new zygote; children come from it from now on, and the old ones end as soon as they are free."""
        async with self._renewing:
            self._entrypoints = sorted(set(entrypoints))
            await self._new_zygote()
        self._balance()

    async def _new_zygote(self) -> None:
        pause = 0.5
        while not self._stopping:
            zygote = ZygoteHandle(next(self._generations), self._exited, self._lost)
            self._zygotes[zygote.generation] = zygote
            try:
                await zygote.start(self.env, self._entrypoints, self._held)
            except ZygoteLost as error:
                self._zygotes.pop(zygote.generation, None)
                self._log.error("%s; trying again in %g s", error, pause)
                await asyncio.sleep(pause)
                pause = min(30.0, pause * 2)
                continue
            except UnfitPrefect:
                self._zygotes.pop(zygote.generation, None)
                raise
            self._current = zygote
            for entrypoint, message in zygote.failed.items():
                self._log.error("%s could not be imported, its runs will crash: %s", entrypoint, message)
            if zygote.threads:
                self._log.warning("Importing the flows has started threads, which no child has: %s", zygote.threads)
            self._log.info("Zygote %s is warm with %d flows", zygote.pid, len(self._entrypoints))
            return

    async def perform(
        self, order: wire.Message, prefix: str | None, *, env: Mapping[str, str] | None = None, seconds: float | None
    ) -> wire.Message | Death:
        """Have a child do it. `env` asks for a child of its own with these variables; `seconds` is the longest time.

        What it prints is written behind `prefix`, and nowhere when that is None. The answer is the child's outcome,
        `{"state", "broken", "retire"}`, or how it died. Raises CrewStopping.
        """
        child = await self._take(env)
        try:
            async with asyncio.timeout(seconds):
                answer = await child.order(order, prefix)
        except TimeoutError:
            child.timed_out = True
            child.kill()
            await child.ended.wait()
            answer = Death(signal.SIGKILL * -1, timed_out=True)
        except asyncio.CancelledError:
            child.kill()
            raise
        if isinstance(answer, Death):
            self._balance()
            return answer
        outcome: wire.Message = answer["outcome"]
        reason = recycle_reason(child.vitals, self.options)
        if reason:
            self._log.info("Recycling child %d (%s): %s", child.number, child.pid, reason)
        if outcome["retire"] or reason or child.single or child.generation != self._generation:
            self._retire(child)
        else:
            self._idle(child)
        self._balance()
        return outcome

    def tell(self, flow_run: str, message: wire.Message) -> ChildHandle | None:
        """Send to the child that runs it; None when none does."""
        for child in self._children.values():
            if child.flow_run == flow_run:
                child.say(message)
                return child
        return None

    async def stop(self, grace: float) -> None:
        """Let runs finish for `grace` seconds, ask the rest to crash, kill what is left: no process remains."""
        self._stopping = True
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_exception(CrewStopping())
        busy = [child for child in self._children.values() if child.flow_run]
        await self._until_free(busy, grace)
        left = [child for child in busy if child.flow_run]
        for child in left:
            child.kill(signal.SIGTERM)
        await self._until_free(left, 3.0)
        for child in self._children.values():
            child.say({"do": "retire"})
        await self._until_ended(2.0)
        for zygote in list(self._zygotes.values()):
            await zygote.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _until_free(self, children: list[ChildHandle], seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(child.free.wait() for child in children))

    async def _until_ended(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(child.ended.wait() for child in list(self._children.values())))

    @property
    def _generation(self) -> int:
        return self._current.generation if self._current else 0

    async def _take(self, env: Mapping[str, str] | None) -> ChildHandle:
        if env:
            return await self._single(env)
        for child in self._children.values():
            if child.state is ChildState.IDLE and child.generation == self._generation:
                child.state = ChildState.BUSY
                return child
        if self._stopping:
            raise CrewStopping
        waiter: asyncio.Future[ChildHandle] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._balance()
        try:
            return await waiter
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)

    async def _single(self, env: Mapping[str, str]) -> ChildHandle:
        while not self._stopping:
            child = self._new_child(single=True)
            if await self._start(child, env):
                child.state = ChildState.BUSY
                return child
            await asyncio.sleep(0.2)
        raise CrewStopping

    def _new_child(self, *, single: bool = False) -> ChildHandle:
        child = ChildHandle(next(self._numbers), self._generation, self._write_line, single)
        self._children[child.number] = child
        return child

    async def _start(self, child: ChildHandle, env: Mapping[str, str]) -> bool:
        zygote = self._current
        try:
            vitals = await child.start(zygote, env) if zygote else None
        except ZygoteLost:
            vitals = None
        if vitals is None:
            child.exited(None)
            self._children.pop(child.number, None)
            return False
        child.vitals = vitals
        return True

    async def _start_idle(self, child: ChildHandle) -> None:
        if await self._start(child, {}):
            self._idle(child)
        else:
            await asyncio.sleep(0.2)
        self._balance()

    def _idle(self, child: ChildHandle) -> None:
        if child.ended.is_set():
            return
        while self._waiting:
            waiter = self._waiting.pop(0)
            if not waiter.done():
                child.state = ChildState.BUSY
                waiter.set_result(child)
                return
        child.state, child.idle_since = ChildState.IDLE, time.monotonic()

    def _retire(self, child: ChildHandle) -> None:
        child.state = ChildState.RETIRING
        child.say({"do": "retire"})
        asyncio.get_running_loop().call_later(_RETIRE_SECONDS, child.kill)  # does nothing when it has ended

    def _balance(self) -> None:
        if self._stopping or self._current is None:
            return
        views = [child.view for child in self._children.values() if not child.single]
        plan = plan_children(views, len(self._waiting), self.options, self._generation, time.monotonic())
        for number in plan.retire:
            self._retire(self._children[number])
        for _ in range(plan.start):
            self._soon(self._start_idle(self._new_child()))
        for zygote in list(self._zygotes.values()):
            used = any(child.generation == zygote.generation for child in self._children.values())
            if zygote is not self._current and not used and zygote.generation < self._generation:
                self._zygotes.pop(zygote.generation)
                self._soon(zygote.stop())

    def _exited(self, number: int, status: int) -> None:
        child = self._children.pop(number, None)
        if child is None:
            return
        if child.state is not ChildState.RETIRING:
            self._log.warning("Child %d (%s) ended with status %s", number, child.pid, status)
        child.exited(status)
        self._balance()

    def _lost(self, generation: int) -> None:
        """A zygote has ended, and its children with it."""
        zygote = self._zygotes.pop(generation, None)
        for number, child in list(self._children.items()):
            if child.generation == generation:
                child.kill()
                child.exited(None)
                self._children.pop(number, None)
        if zygote is self._current and not self._stopping:
            self._log.error("Zygote %s ended; starting another", zygote.pid if zygote else None)
            self._current = None
            self._soon(self.renew(self._entrypoints))

    async def _look_after_idle_ones(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self._balance()

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
