"""`webhooks deliveries`: what arrived and what became of it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from receiver.cli import app
from receiver.cli.behind import warn_when_behind
from receiver.cli.client import AdminClient, CommandFailed, ReceiverAbsent, connected
from receiver.cli.following import Changes
from receiver.cli.moments import parse_moment, tell_moment
from receiver.cli.output import STATUS_STYLES, print_json, print_line, print_table, printable, status_text

if TYPE_CHECKING:
    from rich.text import Text

_COLUMNS = ("RECEIVED", "ID", "WEBHOOK", "REQUEST", "STATUS", "REASON")
_EVERY_SECONDS = 1.0
_PAGE = 100
_MOST_PAGES = 20
_MOST_LOOKUPS = 50

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON; with --follow one line for each change.")]


@app.command()
def deliveries(
    webhook: Annotated[str | None, typer.Option(help="Only of this webhook.")] = None,
    status: Annotated[str | None, typer.Option(help="Only with this status, e.g. `failed`.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only with this reason, e.g. `signature_mismatch`.")] = None,
    since: Annotated[str | None, typer.Option(help="Received since: `2h` ago, or a time.")] = None,
    until: Annotated[str | None, typer.Option(help="Received before: `30m` ago, or a time.")] = None,
    event_id: Annotated[str | None, typer.Option(help="Only with this event id of the sender's.")] = None,
    parent: Annotated[str | None, typer.Option(help="Only the parts of this split request.")] = None,
    search: Annotated[str | None, typer.Option(help="Found in id, path, event id or flow-run id.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, the latest ones.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on and print what is new or changes.")] = False,
    utc: Annotated[bool, typer.Option("--utc", help="Times in UTC, as they are when piped.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the latest deliveries, refused requests too; with --follow go on until Ctrl-C.

    Example: webhooks deliveries --webhook orders --status failed --since 2h
    """
    in_utc = utc or not sys.stdout.isatty()
    with connected() as client:
        filters = {
            "webhook": webhook,
            "status": status,
            "reason": reason,
            "since": moment_option("--since", since),
            "until": moment_option("--until", until),
            "event_id": event_id,
            "parent": parent,
            "q": search,
        }
        if not as_json:
            warn_when_behind(client)
        latest = _latest(client, limit, **filters)
        if follow:
            _follow(client, latest, as_json, in_utc, **filters)
        elif as_json:
            print_json(latest)
        elif not latest:
            print(
                "No such delivery." if any(filters.values()) else "No delivery. Send one: webhooks send KEY --data '{}'"
            )
        else:
            print_table(_COLUMNS, [_row(delivery, in_utc) for delivery in latest])


def moment_option(name: str, text: str | None) -> str | None:
    """A moment that was given as an option, as the API takes it; raises `CommandFailed` naming the option."""
    if text is None:
        return None
    try:
        return parse_moment(text, datetime.now(UTC)).isoformat()
    except ValueError as error:
        raise CommandFailed(f"{name}: {error}") from None


def _latest(client: AdminClient, limit: int, **filters: str | None) -> list[dict[str, Any]]:
    return list(islice(client.pages("/deliveries", limit=min(limit, _PAGE), **filters), limit))


def _row(delivery: dict[str, Any], utc: bool) -> tuple[object, ...]:
    reason = " ".join(filter(None, (delivery["reason"], delivery["detail"])))
    return (
        tell_moment(delivery["received_at"], utc=utc),
        delivery["id"],
        delivery["webhook"],
        f"{delivery['method']} {delivery['path']}",
        status_text(delivery["status"]),
        reason[:120],
    )


def _follow(client: AdminClient, latest: list[dict[str, Any]], as_json: bool, utc: bool, **filters: str | None) -> None:
    changes, away = Changes(), False
    print_changes(changes.of(reversed(latest)), as_json, utc)
    try:
        while True:
            time.sleep(_EVERY_SECONDS)
            try:
                page = _since(client, changes, **filters)
                seen = {delivery["id"] for delivery in page}
                # Deliveries that were unfinished when they left the first pages are asked for one by one.
                lookups = [each for each in changes.unfinished() if each not in seen][:_MOST_LOOKUPS]
                page += [client.get(f"/deliveries/{each}") for each in lookups]
            except ReceiverAbsent as absent:
                # It is being started anew, for example: whoever watches wants to see what comes then.
                if not away:
                    print(f"webhooks: {absent} Waiting for it.", file=sys.stderr, flush=True)
                away = True
                continue
            away = False
            print_changes(changes.of(reversed(page)), as_json, utc)
    except KeyboardInterrupt:
        return


def _since(client: AdminClient, changes: Changes, **filters: str | None) -> list[dict[str, Any]]:
    """The latest deliveries down to the first page that holds nothing new."""
    found: list[dict[str, Any]] = []
    cursor = None
    for _ in range(_MOST_PAGES):
        page = client.get("/deliveries", limit=_PAGE, cursor=cursor, **filters)
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None or any(changes.knows(delivery["id"]) for delivery in page["items"]):
            break
    return found


def print_changes(rows: Iterable[dict[str, Any]], as_json: bool, utc: bool) -> None:
    """Print rows at once, one a line; on a terminal in colour."""
    for delivery in rows:
        if as_json:
            print(json.dumps(delivery, ensure_ascii=True), flush=True)
        else:
            print_line(_line(delivery, utc))


def _line(delivery: dict[str, Any], utc: bool) -> Text:
    from rich.text import Text

    received, identity, webhook, request, _, reason = _row(delivery, utc)
    status = Text(f"{printable(delivery['status']):<10}", style=STATUS_STYLES.get(delivery["status"], ""))
    line = Text(f"{received}  {printable(identity)}  ") + status
    line.append("  ".join(printable(each) for each in ("", webhook, request, reason)).rstrip())
    return line
