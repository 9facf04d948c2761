"""`python -m benchmarks.chaos [--minutes N] [--seed N] [--every SECONDS] [--on sqlite|postgres]`.

Faults of every kind while deliveries run, then an audit. Exit status 1 when one was lost, doubled or stuck; the seed
repeats the faults and their order, the machine decides what they meet.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.chaos import report
from benchmarks.chaos.audit import Verdict, recoveries
from benchmarks.chaos.ledgers import Injected
from benchmarks.chaos.round import Plan, play
from benchmarks.machine import describe, in_words
from benchmarks.rig import NotStarted


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=float, default=5.0, metavar="SECONDS", help="time between faults")
    parser.add_argument("--on", choices=("sqlite", "postgres"), default="sqlite", help="the inbox's database")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave logs and ledgers there")
    words = parser.parse_args()
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 120)
    command = f"make chaos MINUTES={words.minutes:g} SEED={words.seed} EVERY={words.every:g} ON={words.on}"
    machine = describe(datetime.now(UTC), command)
    began = time.monotonic()

    def tell(line: str) -> None:
        console.print(f"{time.monotonic() - began:6.1f} s  {line}", style="dim")

    folder = Path(tempfile.mkdtemp(prefix="webhooks-chaos-"))
    plan = Plan(database=words.on, seed=words.seed, seconds=words.minutes * 60, every=words.every)
    try:
        ledgers, verdict, notes = asyncio.run(play(folder, plan, tell))
    except NotStarted as error:
        console.print(str(error), style="red")
        return 1
    finally:
        if words.keep:
            # The databases of PostgreSQL are another account's, and `home` holds nothing of its own.
            shutil.copytree(folder, words.keep, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*postgres", "home"))
        shutil.rmtree(folder, ignore_errors=True)
    for note in notes:
        console.print(f"NOT TRIED: {note}", style="yellow")
    _show(console, in_words(machine), command, verdict, list(ledgers.faults), recoveries(ledgers))
    if not verdict.good:
        for line in report.complaints(verdict):
            console.print(line, style="red")
        console.print(f"Again: {command}", style="red")
    return 0 if verdict.good else 1


def _show(
    console: Console,
    machine: str,
    command: str,
    verdict: Verdict,
    faults: list[Injected],
    recovery: dict[str, float],
) -> None:
    console.print(f"{command}\n{machine}")
    table = Table("", "", show_header=False)
    for row in report.figures(verdict, faults, recovery):
        table.add_row(*row)
    console.print(table)
    table = Table("fault", "times", "slowest recovery")
    for line in report.by_fault(faults, recovery):
        table.add_row(*line)
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
