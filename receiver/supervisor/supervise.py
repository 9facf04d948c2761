"""Brings the steps up in the order of their needs, keeps the parts running, and stops them in theirs."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence

from receiver.supervisor.failures import CannotRun
from receiver.supervisor.home import Home
from receiver.supervisor.keeper import Keeper, run_job
from receiver.supervisor.parts import Action, Job, Part, Step
from receiver.supervisor.plan import INTAKE, STOP_ORDER
from receiver.supervisor.terminal import Terminal

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """Runs `steps`; `when_up` is called once all of them are up, with the titles of the jobs that failed."""

    def __init__(
        self, steps: Sequence[Step], home: Home, terminal: Terminal, when_up: Callable[[list[str]], Awaitable[None]]
    ) -> None:
        self._steps = steps
        self._terminal = terminal
        self._home = home
        self._when_up = when_up
        self._keepers = {step.name: Keeper(step, home, terminal) for step in steps if isinstance(step, Part)}
        self._done = {step.name: asyncio.Event() for step in steps}
        self._failed: list[str] = []
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Until a signal asks to stop, or raises CannotRun; either way everything is stopped in order before."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self.ask_to_stop)
        keeping: list[asyncio.Task[None]] = []
        starting = asyncio.create_task(self._bring_up(keeping))
        stop = asyncio.create_task(self._stop.wait())
        try:
            await self._watch(starting, stop, keeping)
        finally:
            starting.cancel()
            stop.cancel()
            await asyncio.gather(starting, stop, return_exceptions=True)
            await self._bring_down()
            await asyncio.gather(*keeping, return_exceptions=True)
            for number in _SIGNALS:
                loop.remove_signal_handler(number)

    def ask_to_stop(self) -> None:
        """Stop everything in order; asked a second time, at once."""
        if self._stop.is_set():
            self._terminal.note("asked again: what is left is killed")
            for keeper in self._keepers.values():
                # PostgreSQL rolls back and is gone in a moment by itself; killing it would cost a recovery.
                keeper.ask_to_stop() if keeper.part.name == "postgres" else keeper.hurry()
        self._stop.set()

    async def _watch(
        self, starting: asyncio.Task[None], stop: asyncio.Task[bool], keeping: list[asyncio.Task[None]]
    ) -> None:
        waiting: set[asyncio.Task[None] | asyncio.Task[bool]] = {starting, stop}
        while not stop.done():
            # The list of kept parts grows while they come up: look again now and then.
            done, _ = await asyncio.wait(
                {*waiting, *keeping}, timeout=0.2 if starting in waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done - {stop}:
                await task  # raises what it failed with
            waiting -= done - {stop}

    async def _bring_up(self, keeping: list[asyncio.Task[None]]) -> None:
        with self._terminal.progress():
            async with asyncio.TaskGroup() as group:
                for step in self._steps:
                    group.create_task(self._bring_up_one(step, keeping))
        self._terminal.quiet = False
        await self._when_up(self._failed)

    async def _bring_up_one(self, step: Step, keeping: list[asyncio.Task[None]]) -> None:
        for name in step.needs:
            await self._done[name].wait()
        self._terminal.begin(step.title)
        match step:
            case Part():
                keeper = self._keepers[step.name]
                keeping.append(asyncio.create_task(keeper.run()))
                await keeper.ready.wait()
                self._terminal.end(step.title)
            case Action():
                await step.act()
                self._terminal.end(step.title)
            case Job():
                succeeded = await run_job(step, self._home, self._terminal)
                self._terminal.end(step.title, "ready" if succeeded else "failed")
                self._failed += [] if succeeded else [step.title]
        self._done[step.name].set()

    async def _bring_down(self) -> None:
        """Intake first, then one part after the other; each ends by its stop signal or, past its grace, by force."""
        running = {name: keeper for name, keeper in self._keepers.items() if keeper.running}
        if not running:
            return
        self._terminal.note("stopping")
        self._terminal.quiet = True
        if INTAKE in running:
            running[INTAKE].ask_to_stop()
        for name in (*STOP_ORDER, *running):
            if keeper := running.pop(name, None):
                keeper.ask_to_stop()
                await keeper.ended.wait()
                self._terminal.note(f"{keeper.part.title} stopped")
        self._terminal.note("everything stopped")


def first_failure(error: BaseException) -> CannotRun | None:
    """The CannotRun inside an exception or a group of them."""
    if isinstance(error, CannotRun):
        return error
    if isinstance(error, BaseExceptionGroup):
        return next((found for inner in error.exceptions if (found := first_failure(inner))), None)
    return None
