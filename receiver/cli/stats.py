"""`webhooks stats`: how the webhooks fare, so that what is wrong is seen at a look."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from receiver.cli import app
from receiver.cli.behind import warn_when_behind
from receiver.cli.client import connected
from receiver.cli.deliveries import moment_option
from receiver.cli.moments import tell_moment, tell_ms
from receiver.cli.output import STATUS_STYLES, print_json, print_table
from receiver.cli.timeline import sparkline

if TYPE_CHECKING:
    from rich.text import Text

_COLUMNS = ("WEBHOOK", "STATE", "TOTAL", "STATUS", "REASON", "QUEUE", "START", "RUN", "WAITS", "LAST 24 H")
_BACKLOG = {"waiting": "waiting", "later": "tried in vain", "leased": "in hand", "parked": "paused"}


@app.command()
def stats(
    key: Annotated[str | None, typer.Argument(help="Only the webhook with this key.")] = None,
    since: Annotated[str, typer.Option(help="Since: `24h` ago, or a time; at most 31 days.")] = "24h",
    utc: Annotated[bool, typer.Option("--utc", help="Times in UTC, as they are when piped.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Count deliveries by webhook: statuses, reasons, times (p50/p95), what waits, and the last 24 hours.

    Example: webhooks stats orders --since 7d
    """
    with connected() as client:
        if not as_json:
            warn_when_behind(client)
        found = client.get("/stats", webhook=key, since=moment_option("--since", since))
        if as_json:
            print_json(found)
        elif not found["webhooks"]:
            print("No webhook and no delivery yet. Put @webhook on a flow of prefect.yaml and run: webhooks deploy")
        else:
            in_utc = utc or not sys.stdout.isatty()
            print_table(_COLUMNS, [_row(each, in_utc) for each in found["webhooks"]])


def _row(webhook: Mapping[str, Any], utc: bool) -> Sequence[object]:
    refused, uncounted = webhook["refused"], webhook["refused"] - webhook["by_status"].get("rejected", 0)
    reasons = [f"{number} {reason}" for reason, number in _most_first(webhook["by_reason"])]
    return (
        webhook["webhook"],
        webhook["state"] or "deleted",
        webhook["total"],
        _statuses(webhook["by_status"]),
        "\n".join([*reasons, *([f"{refused} refused in all"] if uncounted > 0 else [])]),
        *(_spread(webhook["times"].get(stage)) for stage in ("queue", "start", "run")),
        _waits(webhook["backlog"], utc),
        _hours(webhook["hours"]),
    )


def _most_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: -pair[1])


def _statuses(by_status: Mapping[str, int]) -> Text:
    from rich.text import Text

    return Text("\n").join(
        Text(f"{number} {status}", style=STATUS_STYLES.get(status, "")) for status, number in _most_first(by_status)
    )


def _spread(spread: Mapping[str, float] | None) -> str:
    return f"{tell_ms(spread['p50'])} / {tell_ms(spread['p95'])}" if spread else "-"


def _waits(backlog: Mapping[str, Any], utc: bool) -> Text:
    from rich.text import Text

    lines = [f"{backlog[name]} {words}" for name, words in _BACKLOG.items() if backlog[name]]
    if lines and backlog["oldest_due_at"]:
        lines.append(f"since {tell_moment(backlog['oldest_due_at'], utc=utc)}")
    return Text("\n".join(lines) or "-", style="yellow" if lines else "")


def _hours(hours: Sequence[Mapping[str, Any]]) -> Text:
    from rich.text import Text

    blocks = (sys.stdout.encoding or "").lower().startswith("utf")
    drawn = sparkline([hour["total"] for hour in hours], blocks=blocks)
    # In red where something went wrong in that hour.
    return Text("").join(
        Text(character, style="red" if hour["trouble"] else "green")
        for character, hour in zip(drawn, hours, strict=True)
    )
