"""`webhooks list`, `enable`, `resume`, `pause`, `disable`: the webhooks of a receiver and their state."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from receiver.cli import app
from receiver.cli.client import connected
from receiver.cli.output import print_json, print_table, printable

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Key = Annotated[str, typer.Argument(help="The webhook's key.")]


@app.command("list")
def list_webhooks(as_json: AsJson = False) -> None:
    """List the webhooks, their address and the deployment each one runs.

    Example: webhooks list
    """
    with connected() as client:
        webhooks = list(client.pages("/webhooks", limit=100))
        if as_json:
            print_json(webhooks)
        elif not webhooks:
            print("No webhook yet. Put @webhook on a flow of prefect.yaml and run: webhooks deploy")
        else:
            columns = ("KEY", "STATE", "METHODS", "SCHEME", "DEPLOYMENT", "ORIGIN", "URL")
            print_table(
                columns,
                [
                    (
                        webhook["key"],
                        webhook["state"],
                        ",".join(webhook["methods"]),
                        webhook["verification"].get("scheme"),
                        webhook["deployment"],
                        webhook["origin"],
                        webhook["url"],
                    )
                    for webhook in webhooks
                ],
            )


@app.command()
def enable(key: Key, as_json: AsJson = False) -> None:
    """Take requests of a webhook again and run what was stored while it was paused.

    Example: webhooks enable orders
    """
    _set_state(key, "enabled", as_json)


@app.command()
def resume(key: Key, as_json: AsJson = False) -> None:
    """Run what a paused webhook has stored, and what comes from now on; the same as `enable`.

    Example: webhooks resume orders
    """
    _set_state(key, "enabled", as_json)


@app.command()
def pause(key: Key, as_json: AsJson = False) -> None:
    """Store and answer requests of a webhook, but run nothing until it is enabled again.

    Example: webhooks pause orders
    """
    _set_state(key, "paused", as_json)


@app.command()
def disable(key: Key, as_json: AsJson = False) -> None:
    """Answer requests of a webhook as if it did not exist.

    Example: webhooks disable orders
    """
    _set_state(key, "disabled", as_json)


def _set_state(key: str, state: str, as_json: bool) -> None:
    with connected() as client:
        webhook = client.request("PATCH", f"/webhooks/{quote(key, safe='')}", content={"state": state})
        if as_json:
            print_json(webhook)
        else:
            print(f"{printable(webhook['key'])} is {webhook['state']}.")
