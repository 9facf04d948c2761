"""Replays of many from the terminal: counted first, asked about, sent in pages, followed to their ends."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote

import typer

from receiver.cli.client import AdminClient, CommandFailed
from receiver.cli.output import print_table, printable
from receiver.deliveries.lifecycle import UNFINISHED

LONGEST_WAIT = 3600.0
_EVERY_SECONDS = 1.0
_MOST_LOOKUPS = 50
_COUNT_PAGE, _PAGE = 1000, 100
_SKIPPED_SHOWN = 20


@dataclass
class Total:
    """What all calls of a chain did together."""

    replayed: list[str] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add(self, answer: Mapping[str, Any]) -> None:
        """Add one call's answer."""
        self.replayed += answer["delivery_ids"]
        self.skipped += answer["skipped"]
        self.warnings += [each for each in answer["warnings"] if each not in self.warnings]


class Step(Protocol):
    """Moves a progress bar on."""

    def __call__(self, steps: int) -> None: ...


def count(client: AdminClient, asked: Mapping[str, Any]) -> Total:
    """What would be replayed."""
    total = Total()
    for answer in _calls(client, {**asked, "dry_run": True}, _COUNT_PAGE):
        total.add(answer)
    return total


def send(client: AdminClient, asked: Mapping[str, Any], expected: int, *, quiet: bool) -> Total:
    """Replay them, page by page."""
    total = Total()
    with progress("queued", expected, quiet=quiet) as step:
        for answer in _calls(client, asked, _PAGE):
            total.add(answer)
            step(len(answer["delivery_ids"]))
    return total


def confirm(number: int, *, yes: bool) -> None:
    """Ask before many are replayed; without a terminal nobody can say yes but by `--yes`."""
    if yes:
        return
    meant = "1 delivery is meant" if number == 1 else f"{number} deliveries are meant"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise CommandFailed(f"{meant}. Say --yes to do it.")
    if not typer.confirm(f"{meant}. Go on?", err=True):
        raise typer.Exit(1)


def wait(client: AdminClient, ids: list[str], *, quiet: bool) -> dict[str, str]:
    """The statuses of deliveries once each has ended, by id; raises `CommandFailed` after an hour."""
    ends: dict[str, str] = {}
    until = time.monotonic() + LONGEST_WAIT
    with progress("ended", len(ids), quiet=quiet) as step:
        while left := [each for each in ids if each not in ends]:
            if time.monotonic() > until:
                raise CommandFailed(f"{len(left)} have not ended within an hour. Look again: webhooks deliveries")
            before = len(ends)
            for each in left[:_MOST_LOOKUPS]:
                status = client.get(f"/deliveries/{quote(each, safe='')}")["status"]
                if status not in UNFINISHED:
                    ends[each] = status
            step(len(ends) - before)
            if len(ends) == before:
                time.sleep(_EVERY_SECONDS)
    return ends


def print_total(total: Total, *, verb: str) -> None:
    """Say what was done, what was skipped and why."""
    print(f"{len(total.replayed)} {verb}, {len(total.skipped)} skipped.")
    if total.skipped:
        print_table(("SKIPPED", "WHY"), [(each["id"], each["why"]) for each in total.skipped[:_SKIPPED_SHOWN]])
        if len(total.skipped) > _SKIPPED_SHOWN:
            print(f"and {len(total.skipped) - _SKIPPED_SHOWN} more; --json has them all")
    for warning in total.warnings:
        print(f"Note: {printable(warning)}", file=sys.stderr)


def print_ends(ends: Mapping[str, str]) -> None:
    """How many ended how."""
    print_table(("STATUS", "DELIVERIES"), sorted(Counter(ends.values()).items()))


@contextmanager
def progress(what: str, total: int, *, quiet: bool) -> Iterator[Step]:
    """A bar on a terminal's standard error; nothing elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield _no_step
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total)
        yield lambda steps: bar.advance(task, steps)


def _no_step(steps: int) -> None:
    """Nobody looks."""


def _calls(client: AdminClient, asked: Mapping[str, Any], limit: int) -> Iterator[dict[str, Any]]:
    cursor = None
    while True:
        answer = client.request("POST", "/deliveries/replay", content={**asked, "limit": limit, "cursor": cursor})
        yield answer
        if not (cursor := answer["next_cursor"]):
            return
