"""`webhooks deliveries` and `show`: what arrived and what became of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import Annotated, Any
from urllib.parse import quote

import typer

from receiver.cli import app
from receiver.cli.client import AdminClient, connected
from receiver.cli.following import Changes
from receiver.cli.output import print_json, print_table, printable

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
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, the latest ones.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on and print what is new or changes.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the latest deliveries, refused requests too; with --follow go on until Ctrl-C."""
    with connected() as client:
        latest = _latest(client, limit, webhook=webhook, status=status)
        if follow:
            _follow(client, latest, as_json, webhook=webhook, status=status)
        elif as_json:
            print_json(latest)
        elif not latest:
            print("No delivery. Send one: webhooks send KEY --data '{}'")
        else:
            print_table(_COLUMNS, [_row(delivery) for delivery in latest])


@app.command()
def show(
    delivery_id: Annotated[str, typer.Argument(metavar="ID", help="The delivery's id.")], as_json: AsJson = False
) -> None:
    """Show one delivery: what was received, how it was judged, its runs and its changes."""
    with connected() as client:
        delivery = client.get(f"/deliveries/{quote(delivery_id, safe='')}")
        if as_json:
            print_json(delivery)
        else:
            _print_delivery(delivery)


def _latest(client: AdminClient, limit: int, **filters: str | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for delivery in client.pages("/deliveries", limit=min(limit, _PAGE), **filters):
        found.append(delivery)
        if len(found) == limit:
            break
    return found


def _row(delivery: dict[str, Any]) -> tuple[object, ...]:
    reason = " ".join(filter(None, (delivery["reason"], delivery["detail"])))
    return (
        delivery["received_at"][:19].replace("T", " "),
        delivery["id"],
        delivery["webhook"],
        f"{delivery['method']} {delivery['path']}",
        delivery["status"],
        reason[:120],
    )


def _follow(client: AdminClient, latest: list[dict[str, Any]], as_json: bool, **filters: str | None) -> None:
    changes = Changes()
    print_changes(changes.of(reversed(latest)), as_json)
    try:
        while True:
            time.sleep(_EVERY_SECONDS)
            page = _since(client, changes, **filters)
            seen = {delivery["id"] for delivery in page}
            # Deliveries that were unfinished when they left the first pages are asked for one by one.
            lookups = [each for each in changes.unfinished() if each not in seen][:_MOST_LOOKUPS]
            page += [client.get(f"/deliveries/{each}") for each in lookups]
            print_changes(changes.of(reversed(page)), as_json)
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


def print_changes(rows: Iterable[dict[str, Any]], as_json: bool) -> None:
    """Print rows at once, one a line."""
    for delivery in rows:
        if as_json:
            print(json.dumps(delivery, ensure_ascii=True), flush=True)
        else:
            received, identity, webhook, request, status, reason = map(printable, _row(delivery))
            print(f"{received}  {identity}  {status:<10}  {webhook}  {request}  {reason}".rstrip(), flush=True)


def _print_delivery(delivery: dict[str, Any]) -> None:
    names = ("id", "webhook", "status", "reason", "detail", "received_at", "client_ip", "event_id", "duplicate_of")
    facts = [(name.replace("_", " "), delivery[name]) for name in names if delivery[name] not in (None, "")]
    facts.append(("request", f"{delivery['method']} {delivery['path']} ({delivery['body_size']} bytes)"))
    print_table(("", ""), facts, header=False)
    if delivery["attempts"]:
        print()
        print_table(
            ("ATTEMPT", "STATUS", "DEPLOYMENT", "FLOW RUN", "DETAIL"),
            [
                (
                    attempt["number"],
                    attempt["status"],
                    attempt["deployment"],
                    attempt["flow_run_url"] or attempt["flow_run_id"] or "-",
                    attempt["detail"],
                )
                for attempt in delivery["attempts"]
            ],
        )
