"""`webhooks audit`: who changed what, when, from where."""

from __future__ import annotations

import itertools
import json
import sys
from typing import Annotated, Any

import typer

from receiver.cli import app
from receiver.cli.client import connected
from receiver.cli.deliveries import moment_option
from receiver.cli.moments import tell_moment
from receiver.cli.output import print_json, print_table

_LONGEST_VALUE = 60


@app.command()
def audit(
    since: Annotated[str | None, typer.Option(help="Since: `2h` ago, or a time.")] = None,
    until: Annotated[str | None, typer.Option(help="Before: `2h` ago, or a time.")] = None,
    action: Annotated[str | None, typer.Option(help="Only this, e.g. webhook.delete or key.create.")] = None,
    subject: Annotated[
        str | None, typer.Option("--object", help="Only of this webhook's key, API key's id or delivery's id.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    utc: Annotated[bool, typer.Option("--utc", help="Times in UTC, as they are when piped.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show who changed what, when and from where; the latest first. Needs a key of scope admin.

    Example: webhooks audit --since 7d
    """
    with connected() as client:
        entries = client.pages(
            "/audit",
            limit=min(limit, 200),
            since=moment_option("--since", since),
            until=moment_option("--until", until),
            action=action,
            object=subject,
        )
        found = list(itertools.islice(entries, limit))
    if as_json:
        print_json(found)
    else:
        in_utc = utc or not sys.stdout.isatty()
        print_table(("AT", "WHO", "FROM", "ACTION", "OBJECT", "CHANGES"), [_row(each, in_utc) for each in found])


def _row(entry: dict[str, Any], utc: bool) -> tuple[object, ...]:
    who = entry["key_name"] if entry["origin"] == "api" else f"{entry['key_name']} ({entry['origin']})"
    changes = "\n".join(f"{each['field']}: {_change(each)}" for each in entry["changes"]) or _revisions(entry)
    return (
        tell_moment(entry["at"], utc=utc),
        who,
        entry["address"] or "-",
        entry["action"],
        entry["object"],
        changes,
    )


def _revisions(entry: dict[str, Any]) -> str:
    before, after = entry["revision_before"], entry["revision_after"]
    return "-" if before is after is None else f"revision {after if after is not None else before}"


def _change(change: dict[str, Any]) -> str:
    before, after = change["before"], change["after"]
    return _value(after) if before is None else f"{_value(before)} -> {_value(after)}"


def _value(value: Any) -> str:
    text = "(none)" if value is None else json.dumps(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}... ({len(text)} characters)"
