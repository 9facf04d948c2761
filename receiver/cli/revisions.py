"""`webhooks revisions`: what a webhook was, who changed it, when and how."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any
from urllib.parse import quote

import typer

from receiver.cli import app
from receiver.cli.client import connected
from receiver.cli.moments import tell_moment
from receiver.cli.output import print_json, print_line, printable

_LONGEST_VALUE = 200


@app.command()
def revisions(
    key: Annotated[str, typer.Argument(help="The webhook's key; also of one that was deleted.")],
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many.")] = 20,
    utc: Annotated[bool, typer.Option("--utc", help="Times in UTC, as they are when piped.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, each with its whole definition.")] = False,
) -> None:
    """Show who changed a webhook, when, and which fields; the latest first. Deliveries name their revision.

    Example: webhooks revisions orders
    """
    from rich.text import Text

    with connected() as client:
        items = client.get(f"/webhooks/{quote(key, safe='')}/revisions", limit=limit)["items"]
        if as_json:
            print_json(items)
            return
        for item in items:
            print_line(Text(_headline(item, utc=utc or not sys.stdout.isatty()), style="bold"))
            for change in item["changes"]:
                before, after = _value(change["before"]), _value(change["after"])
                print_line(Text(f"    {printable(change['field'])}: {before} -> {after}"))


def _headline(item: dict[str, Any], *, utc: bool) -> str:
    number, moment = item["revision"], tell_moment(item["created_at"], utc=utc)
    made = "" if item["changes"] else "  as it was made"
    return f"{number}  {moment}  {printable(item['actor'])} ({printable(item['origin'])}){made}"


def _value(value: Any) -> str:
    """A field's value on one line; JSON escapes what a terminal would act on."""
    text = "(none)" if value is None else json.dumps(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}... ({len(text)} characters)"
