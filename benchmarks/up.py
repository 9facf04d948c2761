"""`webhooks up` as a newcomer meets it: how long until the first request is accepted, and how much memory it takes."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from benchmarks.accounting import marked, memory_mib
from benchmarks.figures import Figure
from benchmarks.plan import Tell
from benchmarks.rig import PROJECT, NotStarted, free_ports, outside
from receiver.supervisor.guarded import Command, GuardedProcess
from receiver.supervisor.quarters import abandon

_GROUP = "webhooks up"
_READY = "Everything runs"
_LONGEST = 120.0
_SETTLE_SECONDS = 4.0


async def measure(folder: Path, starts: int, tell: Tell) -> list[Figure]:
    """Start it so many times on one home, the first time on an empty one, and weigh it when it rests."""
    home = folder / "up"
    names = ("first start to the first 2xx", "second start to the first 2xx")
    figures = []
    try:
        for name, goal in zip(names[:starts], (120.0, 15.0), strict=False):
            async with _running(home) as seconds:
                tell(f"{name}: {seconds:.1f} s")
                note = "the environment was there already" if goal > 100 else ""
                figures.append(Figure(group=_GROUP, name=name, unit="s", samples=(seconds,), goal=goal, note=note))
                if len(figures) == starts:
                    figures.append(await _weigh(home, tell))
    finally:
        await asyncio.to_thread(abandon, home / "postgres")
    return figures


async def _weigh(home: Path, tell: Tell) -> Figure:
    await asyncio.sleep(_SETTLE_SECONDS)
    processes = await asyncio.to_thread(marked, "WEBHOOKS_HOME", str(home))
    used = await asyncio.to_thread(memory_mib, processes)
    tell(f"at rest: {used:.0f} MiB in {len(processes)} processes")
    return Figure(
        group=_GROUP,
        name="memory at rest, everything",
        unit="MiB",
        samples=(used,),
        goal=800,
        note=f"{len(processes)} processes, shared pages once",
    )


@asynccontextmanager
async def _running(home: Path) -> AsyncIterator[float]:
    """Run it until the block ends; gives the seconds until `hello` accepted a request. All its panel is waited for."""
    port, prefect_port = free_ports(2)
    env = {
        **outside(),
        "WEBHOOKS_HOME": str(home),
        "WEBHOOKS_PROJECT": str(PROJECT),
        "WEBHOOKS_PORT": str(port),
        "WEBHOOKS_PREFECT_PORT": str(prefect_port),
    }
    log = home.with_suffix(".log")
    command = Command(argv=(sys.executable, "-m", "receiver.cli", "up"), cwd=PROJECT, grace=90)
    began = time.monotonic()
    with log.open("wb") as output:
        process = GuardedProcess(command, env, output)
    try:
        async with httpx.AsyncClient(trust_env=False) as http:
            while not await _accepts(http, f"http://127.0.0.1:{port}/api/webhooks/hello"):
                if process.poll() is not None or time.monotonic() - began > _LONGEST:
                    raise NotStarted(f"webhooks up did not start:\n{log.read_text(errors='replace')[-2000:]}")
                await asyncio.sleep(0.05)
        seconds = time.monotonic() - began
        await asyncio.to_thread(_wait_for_panel, log, began + _LONGEST)
        yield seconds
    finally:
        await asyncio.to_thread(process.stop)


def _wait_for_panel(log: Path, deadline: float) -> None:
    while _READY not in log.read_text(errors="replace") and time.monotonic() < deadline:
        time.sleep(0.1)


async def _accepts(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.post(url, json={"event": "test"})).is_success
    except httpx.TransportError:
        return False
