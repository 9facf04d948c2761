"""Does what `schedule.py` says to the running parts, and takes it back."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # no stubs are installed
import psycopg

from benchmarks.chaos.ledgers import Injected, Kind
from benchmarks.chaos.parts import Part
from benchmarks.chaos.schedule import Fault
from benchmarks.chaos.stage import DISK_MIB, Stage

_SLOW_SECONDS = 0.25
_LINK_KINDS = {Kind.CUT, Kind.DELAY, Kind.MUTE}


class Injector:
    """`run` injects until cancelled, `heal` takes back what is under way. `done` is what was injected."""

    def __init__(self, stage: Stage, faults: Iterator[Fault], tell: Callable[[str], None]) -> None:
        self.done: list[Injected] = []
        self.missed: list[str] = []
        self._stage, self._faults, self._tell = stage, faults, tell
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, every: float, until: float) -> None:
        """A fault every so many seconds, until a moment of `time.monotonic()`; some last longer than that."""
        while time.monotonic() < until:
            task = asyncio.create_task(self._inject(next(self._faults)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            await asyncio.sleep(every)

    async def heal(self) -> None:
        """Wait for the faults under way to end, and make sure that none is left."""
        await asyncio.gather(*self._tasks)
        for link in self._stage.links.values():
            link.cut, link.mute, link.delay = False, False, 0.0
        for part in self._stage.parts.values():
            part.signal(part.processes(), signal.SIGCONT)

    async def _inject(self, fault: Fault) -> None:
        began = time.time()
        reached = part = fault.part
        if fault.kind in _LINK_KINDS:
            await self._disturb(fault)
        elif fault.kind is Kind.LOCK:
            part = "inbox" if await asyncio.to_thread(_lock, self._stage, fault.seconds) else ""
        elif fault.kind is Kind.FULL:
            part = "inbox" if self._stage.disk else ""
            if self._stage.disk:
                await asyncio.to_thread(_fill, self._stage.disk, fault.seconds)
        else:
            part = await self._signal(fault)
        if not part:
            self.missed.append(f"{fault.kind}: {reached}")
            return
        self.done.append(Injected(kind=fault.kind, part=part, began=began, ended=time.time()))

    async def _disturb(self, fault: Fault) -> None:
        link = self._stage.links[fault.part]
        self._say(fault, fault.part)
        if fault.kind is Kind.CUT:
            link.cut = True
        elif fault.kind is Kind.MUTE:
            link.mute = True
        else:
            link.delay = _SLOW_SECONDS
        await asyncio.sleep(fault.seconds)
        if fault.kind is Kind.CUT:
            link.cut = False
        elif fault.kind is Kind.MUTE:
            link.mute = False
            link.break_all()  # what was lost does not come later
        else:
            link.delay = 0.0

    async def _signal(self, fault: Fault) -> str:
        """To whom it went; nothing when nobody was there."""
        name, processes = self._victims(fault)
        number = {Kind.KILL: signal.SIGKILL, Kind.STOP: signal.SIGTERM, Kind.PAUSE: signal.SIGSTOP}[fault.kind]
        if not Part.signal(processes, number):
            return ""
        self._say(fault, name)
        if fault.kind is Kind.PAUSE:
            await asyncio.sleep(fault.seconds)
            Part.signal(processes, signal.SIGCONT)
        return name

    def _victims(self, fault: Fault) -> tuple[str, list[psutil.Process]]:
        inside_worker = {"zygote": "zygote", "child": "children"}
        parts = self._stage.like("worker" if fault.part in inside_worker else fault.part)
        part = parts[int(fault.draw * len(parts))]
        if fault.part in inside_worker:
            found = part.of_kind(inside_worker[fault.part])
            share = fault.draw * len(parts) % 1
            return f"{fault.part}-{part.name[-1]}", found[int(share * len(found)) :][:1]
        whole = fault.kind is not Kind.STOP and part.name.startswith("prefect")
        return part.name, part.processes() if whole else part.main()

    def _say(self, fault: Fault, name: str) -> None:
        self._tell(f"{fault.kind}: {name}{f' for {fault.seconds:.1f} s' if fault.seconds else ''}")


def _lock(stage: Stage, seconds: float) -> bool:
    """Keep everyone else from writing; whether we could."""
    if stage.database == "sqlite":
        with closing(sqlite3.connect(stage.inbox, timeout=5, isolation_level=None)) as database:
            try:
                database.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
            time.sleep(seconds)
            database.rollback()
        return True
    with suppress(psycopg.Error), psycopg.connect(stage.inbox, connect_timeout=5) as database:
        database.execute("SET lock_timeout = '5s'")
        database.execute("LOCK TABLE attempt IN ACCESS EXCLUSIVE MODE")
        time.sleep(seconds)
        database.rollback()
        return True
    return False


def _fill(disk: Path, seconds: float) -> None:
    """Leave no room on it for a while."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1024 * 1024, 4096):
            with suppress(OSError):
                for _ in range(DISK_MIB * 1024 * 1024 // size):
                    file.write(bytes(size))
        os.fsync(file.fileno())
        time.sleep(seconds)
    filler.unlink()
