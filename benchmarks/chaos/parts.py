"""The processes under fault: each is started again when it dies, as `webhooks up` would."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import IO

import psutil  # type: ignore[import-untyped]  # no stubs are installed

from benchmarks.accounting import family
from benchmarks.endurance import kind_of
from benchmarks.rig import NotStarted
from receiver.supervisor.guarded import GuardedProcess
from receiver.supervisor.quarters import PostgresUnavailable

_LOOK_SECONDS = 0.05
_RESTART_SECONDS = 0.5
_READY_SECONDS = 480.0

Launch = Callable[[IO[bytes]], GuardedProcess]
Ready = Callable[[], Awaitable[bool]]


class Part:
    """One of them. `launch` starts it with its output into a file, `ready` says whether it can work."""

    def __init__(self, name: str, launch: Launch, ready: Ready, output: IO[bytes]) -> None:
        self.name = name
        self.log_from = 0
        """Where in its log the output of the process begins that runs now."""
        self._launch, self._ready, self._output = launch, ready, output
        self._process: GuardedProcess | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it, wait until it is ready, and start it again from now on whenever it ends. Raises NotStarted."""
        await self._run()
        self._keeping = asyncio.create_task(self._keep(), name=f"keep {self.name}")
        if not await self.becomes_ready(_READY_SECONDS):
            raise NotStarted(f"{self.name} did not start")

    async def stop(self) -> None:
        """End it and all its descendants; it is not started again."""
        if self._keeping is not None:
            self._keeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeping
        if self._process is not None:
            self.signal(self.processes(), signal.SIGCONT)
            await asyncio.to_thread(self._process.stop)

    async def becomes_ready(self, seconds: float) -> bool:
        """Wait until it is ready, at most so long; whether it is."""
        deadline = time.monotonic() + seconds
        while not await self._ready():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_LOOK_SECONDS)
        return True

    async def _keep(self) -> None:
        while True:
            if self._process is not None and self._process.poll() is None:
                await asyncio.sleep(_LOOK_SECONDS)
                continue
            await asyncio.sleep(_RESTART_SECONDS)
            with suppress(PostgresUnavailable):  # what is left of the old one ends in a moment
                await self._run()

    async def _run(self) -> None:
        self.log_from = os.fstat(self._output.fileno()).st_size
        self._process = await asyncio.to_thread(self._launch, self._output)

    def processes(self) -> list[psutil.Process]:
        """It and its descendants, without our guard; itself first."""
        if self._process is None or self._process.poll() is not None:
            return []
        return family(self._process.pid)[1:]

    def main(self) -> list[psutil.Process]:
        """The process itself."""
        return self.processes()[:1]

    def of_kind(self, kind: str) -> list[psutil.Process]:
        """Of a warm worker its `zygote`, or its `children`."""
        found = []
        for process in self.processes():
            with suppress(psutil.Error):
                parent = process.parent()
                if kind_of(process.cmdline(), parent.cmdline() if parent else []) == kind:
                    found.append(process)
        return found

    @staticmethod
    def signal(processes: list[psutil.Process], number: signal.Signals) -> int:
        """Send it to those that are still there; to how many."""
        reached = 0
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
                reached += 1
        return reached
