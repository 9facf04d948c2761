"""`webhooks alerts`: warnings that are raised, and whether they reach anybody. `webhooks automation`: by Prefect."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from receiver.cli import app
from receiver.cli.client import CommandFailed, connected
from receiver.cli.moments import tell_moment
from receiver.cli.output import print_json, print_table, printable, printable_lines

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def alerts(
    test: Annotated[bool, typer.Option("--test", help="Send a test by every channel and say which took it.")] = False,
    over: Annotated[bool, typer.Option("--over", help="Also warnings of the last week that are over.")] = False,
    utc: Annotated[bool, typer.Option("--utc", help="Times in UTC, as they are when piped.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the warnings that are raised, and the channels that tell people of them.

    Exit code 1 when a channel does not take a test.

    Example: webhooks alerts --test
    """
    with connected() as client:
        if test:
            results = client.request("POST", "/alerts/test")["results"]
            if as_json:
                print_json(results)
            else:
                rows = [(each["channel"], each["problem"] or "took the message") for each in results]
                print_table(("CHANNEL", "RESULT"), rows)
            if any(each["problem"] for each in results):
                raise typer.Exit(1)
            return
        found = client.get("/alerts", over=True if over else None)
        if as_json:
            print_json(found)
        else:
            _print(found, utc=utc or not sys.stdout.isatty())


@app.command()
def automation(
    notify: Annotated[
        str | None, typer.Option(metavar="BLOCK", help="Send by this notification block, e.g. slack-webhook/team.")
    ] = None,
    deployment: Annotated[
        str | None, typer.Option(metavar="F/D", help="Start this deployment with the warning as parameter `alert`.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the automation as JSON and make nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make an automation in Prefect that passes warnings on, or replace the one there is.

    Example: webhooks automation --notify slack-webhook/team
    """
    with connected() as client:
        if (notify is None) == (deployment is None):
            raise CommandFailed("Give --notify with a block or --deployment with a deployment, one of both.")
        wanted = {"notify": notify, "deployment": deployment, "dry_run": dry_run}
        made = client.request("PUT", "/alerts/automation", content=wanted)
        if dry_run:
            print_json(made["automation"])
        elif as_json:
            print_json(made)
        else:
            print(f"Prefect passes warnings on: automation {printable(made['id'])}. Try it: webhooks alerts --test")


def _print(found: Mapping[str, Any], *, utc: bool) -> None:
    for alert in found["items"]:
        over = f", over since {tell_moment(alert['resolved_at'], utc=utc)}" if alert["resolved_at"] else ""
        print(f"{alert['rule']}  since {tell_moment(alert['raised_at'], utc=utc)}{over}")
        print(f"  {printable_lines(alert['summary'])}")
        print(f"  → {printable_lines(alert['remedy'])}")
    if not found["items"]:
        print("No warning is raised.")
    print()
    for channel in found["channels"]:
        told = (
            f"last told {tell_moment(channel['last_sent_at'], utc=utc)}" if channel["last_sent_at"] else "not used yet"
        )
        print(f"{channel['name']}: {printable(channel['problem']) or told}")
    if not {"email", "url"} & {channel["name"] for channel in found["channels"]}:
        print("Nobody hears of warnings but by Prefect's events: set WEBHOOKS_ALERT_URL or WEBHOOKS_ALERT_SMTP_URL.")
