"""Keeps one part running: starts it, waits until it is ready, starts it again when it dies, stops it when asked."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque

from receiver.supervisor.child import Child
from receiver.supervisor.failures import CannotRun
from receiver.supervisor.home import Home
from receiver.supervisor.loglines import BoundedLog, shown
from receiver.supervisor.parts import Job, Part
from receiver.supervisor.restart import Death, GiveUp, decide
from receiver.supervisor.terminal import Terminal

_LOOK_SECONDS = 0.1
_LAST_LINES = 25


class Output:
    """Where the lines of one part or job go: its log file, the terminal, and the last few into memory."""

    def __init__(self, name: str, home: Home, terminal: Terminal) -> None:
        self.path = home.logs / f"{name}.log"
        self._name = name
        self._terminal = terminal
        self._log = BoundedLog(self.path)
        self._last: deque[str] = deque(maxlen=_LAST_LINES)

    def line(self, text: str) -> None:
        self._log.write(text)
        self._last.append(text)
        self._terminal.line(self._name, text)

    def last_lines(self) -> str:
        return "\n".join(shown(line) for line in self._last)

    def close(self) -> None:
        self._log.close()


class Keeper:
    """One part. `run()` returns when it was stopped, and raises CannotRun when it does not come up."""

    def __init__(self, part: Part, home: Home, terminal: Terminal) -> None:
        self.part = part
        self.ready = asyncio.Event()
        self._home = home
        self._terminal = terminal
        self._child: Child | None = None
        self._stopping = asyncio.Event()
        self._line_seen = asyncio.Event()
        self._begun = False
        self.ended = asyncio.Event()

    async def run(self) -> None:
        """Keep it running until `stop()`."""
        output = Output(self.part.name, self._home, self._terminal)
        deaths: list[Death] = []
        self._begun = True
        try:
            while not self._stopping.is_set():
                began = time.monotonic()
                status, was_ready = await self._live_once(output)
                if self._stopping.is_set():
                    return
                deaths.append(Death(lived=time.monotonic() - began, was_ready=was_ready))
                decision = decide(deaths)
                if isinstance(decision, GiveUp):
                    raise CannotRun(
                        f"{self.part.title} does not come up: it ended {decision.deaths} times in a row, "
                        f"the last time {_how(status)}.",
                        f"{self.part.next_step} Its whole log: {output.path}".strip(),
                        output.last_lines(),
                    )
                self._terminal.note(f"{self.part.title} ended {_how(status)}; again in {decision.after:g} s")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(decision.after):  # wait_for may lose a cancellation on Python 3.11
                        await self._stopping.wait()
        finally:
            self.ended.set()
            output.close()

    @property
    def running(self) -> bool:
        """Whether `run()` has begun and has not ended."""
        return self._begun and not self.ended.is_set()

    def ask_to_stop(self) -> None:
        """It gets its stop signal, and is not started again."""
        self._stopping.set()
        if self._child:
            self._child.ask_to_stop()

    def hurry(self) -> None:
        """It is killed, and is not started again."""
        self._stopping.set()
        if self._child:
            self._child.kill()

    async def _live_once(self, output: Output) -> tuple[int, bool]:
        """One life: its exit status and whether it was ready."""
        self._line_seen.clear()
        if self.part.ready_line is None:
            self._line_seen.set()

        def on_line(line: str) -> None:
            output.line(line)
            if self.part.ready_line and self.part.ready_line in line:
                self._line_seen.set()

        self._child = child = await Child.start(self.part.command, self.part.env, on_line)
        if self._stopping.is_set():  # asked between the decision to start and the start
            child.ask_to_stop()
        end = asyncio.create_task(child.wait())
        try:
            was_ready = await self._become_ready(child, end)
            if not was_ready and not end.done():
                output.line(f"not ready within {self.part.ready_within:g} s: stopped")
                child.ask_to_stop()
            return await end, was_ready
        finally:
            if not end.done():
                child.kill()
                await end

    async def _become_ready(self, child: Child, end: asyncio.Task[int]) -> bool:
        deadline = time.monotonic() + self.part.ready_within
        while not end.done() and not child.ended and time.monotonic() < deadline and not self._stopping.is_set():
            if self._line_seen.is_set() and (self.part.probe is None or await self.part.probe()):
                if self.ready.is_set():
                    self._terminal.note(f"{self.part.title} is ready again")
                self.ready.set()
                return True
            await asyncio.wait([end], timeout=_LOOK_SECONDS)
        return self._stopping.is_set()


async def run_job(job: Job, home: Home, terminal: Terminal) -> bool:
    """Run a job to its end; whether it succeeded. What went wrong is shown with the next step."""
    output = Output(job.name, home, terminal)
    child = await Child.start(job.command, {**job.env, **job.late_env()}, output.line)
    try:
        status = await child.wait()
    finally:
        if not child.ended:
            child.kill()
            await child.wait()
        output.close()
    if status:
        terminal.failure(f"{job.title} failed ({_how(status)})", output.last_lines(), job.next_step)
    return status == 0


def _how(status: int) -> str:
    return f"by signal {status - 128}" if status > 128 else f"with status {status}"
