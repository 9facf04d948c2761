"""`python -m benchmarks.soak [--runs N] [--write]`: many runs in a row on the warm worker, and what becomes of memory.

Exit status 1 when a run was lost or doubled, when no child was recycled, or when memory grows (`endurance.py`).
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # no stubs are installed
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks import report
from benchmarks.accounting import MIB, family, memory_mib
from benchmarks.ack import BODY_BYTES
from benchmarks.endurance import Outcome, Sample, faults, in_a_sentence, kind_of, rows
from benchmarks.http_client import Connection, request_bytes
from benchmarks.loading import body_of
from benchmarks.machine import describe, in_words
from benchmarks.rig import AT_ONCE, PROJECT, WARM_POOL, NotStarted, Rig, running_rig
from benchmarks.sync import OPEN

_POOL = "soak"
_PAGE = PROJECT / "docs" / "performance.md"
_LOOK_SECONDS = 1.0
_LAST_SECONDS = 60.0
_RECYCLINGS = 20
"""About how often a child is recycled in all."""


class Soak:
    """One of them. `done` counts the answers so far."""

    def __init__(self, wanted: int, seconds: float, progress: Progress) -> None:
        self._wanted, self._until = wanted, time.monotonic() + seconds
        self._progress, self._bar = progress, progress.add_task("runs", total=wanted)
        self._sent = self.done = 0
        self._accepted: list[str] = []
        self._samples: list[Sample] = []

    async def through(self, rig: Rig) -> Outcome:
        """All runs, as many at once as the worker has children."""
        await rig.stop(WARM_POOL)
        pool = await rig.prefect.call("GET", f"/work_pools/{WARM_POOL}")
        options = pool["base_job_template"]["job_configuration"]
        options["max_runs_per_child"] = max(2, self._wanted // _RECYCLINGS)
        made = {"name": _POOL, "type": "warm", "base_job_template": pool["base_job_template"]}
        await rig.prefect.call("POST", "/work_pools/", made)
        await rig.start_worker(_POOL, "warm")
        url = await rig.receiver.define(_POOL, f"one-node/{_POOL}", mode="sync", timeout=120, verification=OPEN)
        watching = asyncio.create_task(self._watch(rig.pids[_POOL]))
        began = time.monotonic()
        await asyncio.gather(*(self._client(url) for _ in range(AT_ONCE)))
        seconds = time.monotonic() - began
        watching.cancel()
        await rig.prefect.wait_for(f"webhook:{_POOL}", len(self._accepted), _LAST_SECONDS)
        self._samples.append(await asyncio.to_thread(weigh, rig.pids[_POOL], self.done))
        log = rig.log(_POOL).read_text(errors="replace")
        return Outcome(
            wanted=self._wanted,
            seconds=seconds,
            accepted=self._accepted,
            runs=await rig.prefect.runs(f"webhook:{_POOL}"),
            samples=self._samples,
            recycled=log.count("Recycling child"),
            renewed=log.count("is warm with"),
        )

    async def _client(self, url: str) -> None:
        request = request_bytes(url, body_of(BODY_BYTES).encode(), {"Content-Type": "application/json"})
        connection = await Connection.open(url)
        while self._sent < self._wanted and time.monotonic() < self._until:
            self._sent += 1
            answer = await connection.post(request)
            if 200 <= answer.status < 300:
                self._accepted.append(answer.headers["webhook-delivery-id"])
            self.done += 1
            self._progress.advance(self._bar)
            if not connection.usable:
                connection = await Connection.open(url)
        connection.close()

    async def _watch(self, pid: int) -> None:
        while True:
            self._samples.append(await asyncio.to_thread(weigh, pid, self.done))
            await asyncio.sleep(_LOOK_SECONDS)


def weigh(pid: int, runs: int) -> Sample:
    """Look at the worker below the process `pid`."""
    processes = list(_kinds(pid))
    by_kind: dict[str, list[float]] = {}
    for _, kind, resident in processes:
        by_kind.setdefault(kind, []).append(resident)
    return Sample(
        runs=runs,
        resident={kind: sum(found) / len(found) for kind, found in by_kind.items()},
        together=memory_mib(process for process, _, _ in processes),
        children=frozenset(process.pid for process, kind, _ in processes if kind == "children"),
    )


def _kinds(pid: int) -> Iterator[tuple[Any, str, float]]:
    for process in family(pid):
        try:
            parent = process.parent()
            kind = kind_of(process.cmdline(), parent.cmdline() if parent else [])
            if kind is not None:
                yield process, kind, process.memory_info().rss / MIB
        except psutil.Error:  # it has ended meanwhile
            continue


async def _soak(wanted: int, seconds: float, console: Console) -> Outcome:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with tempfile.TemporaryDirectory(prefix="webhooks-soak-") as folder:
        async with running_rig(Path(folder), lambda line: console.print(line, style="dim")) as rig:
            with Progress(*columns, console=console) as progress:
                return await Soak(wanted, seconds, progress).through(rig)


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=900.0, help="the longest time for all runs")
    parser.add_argument("--write", action="store_true", help="renew the section in docs/performance.md")
    words = parser.parse_args()
    if words.runs < 1:
        parser.error("--runs has to be 1 or more")
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    machine = describe(datetime.now(UTC), "make soak")
    try:
        outcome = asyncio.run(_soak(words.runs, words.seconds, console))
    except NotStarted as error:
        console.print(str(error), style="red", markup=False)
        return 1
    head, *body = rows(outcome)
    table = Table(*head, title=in_words(machine))
    for row in body:
        table.add_row(*row)
    console.print(table, in_a_sentence(outcome))
    wrong = faults(outcome)
    for fault in wrong:
        console.print(fault, style="red")
    if words.write and not wrong:
        lines = [f"{machine['at'][:10]}, {in_words(machine)}.", in_a_sentence(outcome)]
        page = report.with_section(_PAGE.read_text(encoding="utf-8"), report.SOAK, lines, head, body)
        _PAGE.write_text(page, encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
