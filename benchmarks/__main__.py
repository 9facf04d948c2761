"""`python -m benchmarks [--quick] [--write] [--peer URL] [--only GROUP] [--rows N] [--minutes N]`.

Measures, shows, keeps.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks import ack, batches, outage, plan, plot, report, runs, sync, up, waiting
from benchmarks.figures import Figure
from benchmarks.loading import LoadFailed
from benchmarks.machine import describe, in_words
from benchmarks.plan import Plan, Tell
from benchmarks.report import Report
from benchmarks.rig import PROJECT, STOCK_POOL, NotStarted, Rig, running_rig
from benchmarks.stored import measure as stored
from benchmarks.waterfall import Stage

LATEST = PROJECT / "benchmarks" / "results" / "latest.json"
DOCS = PROJECT / "docs"
PLOT = "performance.svg"
GROUPS = ("up", "sync", "batch", "ack", "stock")
STORED, OUTAGE = "stored", "outage"
"""Groups that take long, and so are measured only where they are named."""
ORDER = ("acknowledge", "synchronous", "runs", "webhooks up", stored.GROUP, outage.GROUP)
_STOCK_SECONDS = 20.0
"""What the process worker needs at the least; with less time left it is left out."""


@dataclass
class Found:
    """What has been measured so far; kept when a later part fails."""

    figures: list[Figure] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)


async def measure(
    folder: Path, chosen: Plan, only: set[str], words: argparse.Namespace, tell: Tell, found: Found
) -> None:
    """Everything that was asked for, one after the other, so that nothing measures another's work."""
    if words.peer:
        found.figures += await ack.peer(words.peer, chosen, tell)
    if STORED in only:
        found.figures += await stored.measure(folder, words.rows, tell)
    if OUTAGE in only:
        async with running_rig(folder, tell) as rig:
            found.figures += await outage.measure(rig, words.minutes, tell)
    if "up" in only and chosen.starts:
        found.figures += await up.measure(folder, chosen.starts, tell)
    if only & {"sync", "batch", "ack", "stock"}:
        async with running_rig(folder, tell) as rig:
            if only & {"sync", "stock"}:
                await _runs(rig, chosen, "stock" in only, tell, found)
            if "batch" in only:
                found.figures += await batches.measure(rig, chosen, tell)
            if "ack" in only:
                found.figures += await ack.measure(rig, chosen, tell)
            if "sync" in only:  # last: it leaves runs that nobody takes
                found.figures += await waiting.measure(rig, tell)


async def _runs(rig: Rig, chosen: Plan, with_stock: bool, tell: Tell, found: Found) -> None:
    answered = await sync.measure(rig, chosen, tell)
    found.figures += answered.figures
    found.stages += answered.stages
    figures, burst = await runs.measure(rig, chosen, answered.per_second, tell)
    found.figures += figures
    if not with_stock:
        return
    if chosen.left < _STOCK_SECONDS:
        tell("no time is left for the process worker")
        return
    await rig.start_worker(STOCK_POOL, "process")
    found.figures += await sync.stock(rig, chosen, tell, answered.p50)
    if chosen.stock_burst_count and burst.done:
        found.figures += await runs.stock(rig, chosen, tell, burst)
    await rig.stop(STOCK_POOL)


def main() -> int:
    """The exit status: 1 when something could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under 90 seconds, with fewer samples")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md and its picture")
    parser.add_argument("--peer", metavar="URL", help="measure another system's webhook by the same loader")
    parser.add_argument(
        "--only", action="append", choices=(*GROUPS, "peer", STORED, OUTAGE), help="a part of it; may be repeated"
    )
    parser.add_argument("--rows", type=int, default=1_000_000, help="deliveries in the full inbox of `--only stored`")
    parser.add_argument("--minutes", type=float, default=5, help="how long Prefect is away in `--only outage`")
    words = parser.parse_args()
    if words.rows < 2 * stored.FEW:
        parser.error(f"--rows has to be {2 * stored.FEW} or more")
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    chosen = plan.quick() if words.quick else plan.thorough()
    machine = describe(datetime.now(UTC), " ".join(["make bench", *_make_words(words)]))

    def tell(line: str) -> None:
        console.print(f"[dim]{time.monotonic() - chosen.began:5.0f} s[/]  {line}", markup=True)

    only = set(words.only or GROUPS)
    found, status = Found(), 0
    with tempfile.TemporaryDirectory(prefix="webhooks-bench-") as folder:
        try:
            asyncio.run(measure(Path(folder), chosen, only, words, tell, found))
        except* (NotStarted, LoadFailed) as group:
            for error in group.exceptions:
                console.print(type(error).__name__, str(error), style="red", markup=False)
            status = 1
    figures = sorted(found.figures, key=lambda figure: ORDER.index(figure.group))
    done = Report(machine=machine, figures=figures, stages=found.stages)
    report.show(done, console)
    report.write_json(done, LATEST)
    tell(f"written: {LATEST.relative_to(PROJECT)}")
    if words.write and only in ({STORED}, {OUTAGE}):
        if not status:
            _write_section(done, *(_inbox(words.rows) if only == {STORED} else _outage()))
            tell("written: docs/performance.md")
    elif words.write:
        DOCS.mkdir(exist_ok=True)
        (DOCS / PLOT).write_text(plot.draw(_rates(figures), found.stages), encoding="utf-8")
        page = DOCS / "performance.md"
        old = page.read_text(encoding="utf-8") if page.exists() else ""
        page.write_text(report.keeping_sections(report.page(done, PLOT), old), encoding="utf-8")
        tell(f"written: docs/performance.md, docs/{PLOT}")
    return status


def _inbox(rows: int) -> tuple[str, list[str]]:
    return report.INBOX, [
        f"An inbox with {rows:,} deliveries of thirty days beside one with {stored.FEW:,}: two receivers,",
        "measured in turn by 8 clients and by one who looks. Prefect is not there.",
    ]


def _outage() -> tuple[str, list[str]]:
    return report.OUTAGE, [
        "Requests at a constant rate into a webhook whose deliveries share runs, while Prefect's server is killed and",
        "started again later; its database and the warm worker stay.",
    ]


def _write_section(done: Report, title: str, about: list[str]) -> None:
    page = DOCS / "performance.md"
    sentences = [f"{done.machine['at'][:10]}, {in_words(done.machine)}; `{done.machine['command']}`.", *about]
    head, body = report.section_rows(done.figures)
    old = page.read_text(encoding="utf-8")
    page.write_text(report.with_section(old, title, sentences, head, body), encoding="utf-8")


def _make_words(words: argparse.Namespace) -> list[str]:
    only = " ".join(f"--only {each}" for each in words.only or ())
    arguments = [f'ARGS="{only}"'] if words.only else []
    return [*(["QUICK=1"] if words.quick else []), *(["PEER=…"] if words.peer else []), *arguments]


def _rates(figures: list[Figure]) -> dict[tuple[str, int], float]:
    medians = {figure.name: figure.median for figure in figures}
    asked = [(system, clients) for clients in ack.CLIENTS for system in ("bare", "ours", "peer")]
    return {one: rate for one in asked if (rate := medians.get(ack.rate_name(*one)))}


if __name__ == "__main__":
    sys.exit(main())
