"""`webhooks keys`: API keys of a receiver."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated
from urllib.parse import quote

import typer

from receiver.cli import app
from receiver.cli.client import connected
from receiver.cli.output import print_json, print_table, printable

keys = typer.Typer(name="keys", help="Make, list and revoke API keys.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(keys)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class ScopeChoice(StrEnum):
    """What a key may do; each scope includes the ones before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for, e.g. `ci`.")],
    scope: Annotated[ScopeChoice, typer.Option(help="What it may do.")] = ScopeChoice.READ,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, this once.

    Example: webhooks keys create ci --scope write
    """
    with connected() as client:
        made = client.request("POST", "/keys", content={"name": name, "scope": scope.value})
        if as_json:
            print_json(made)
        else:
            print(made["key"])
            typer.echo(
                f"Scope {made['scope']}, shown this once. To revoke it: webhooks keys revoke {made['id']}", err=True
            )


@keys.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List the keys: their names and scopes, never the keys themselves.

    Example: webhooks keys list
    """
    with connected() as client:
        known = list(client.pages("/keys", limit=100))
        if as_json:
            print_json(known)
        else:
            print_table(
                ("ID", "NAME", "SCOPE", "CREATED", "LAST USED"),
                [
                    (key["id"], key["name"], key["scope"], key["created_at"], key["last_used_at"] or "-")
                    for key in known
                ],
            )


@keys.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, from `webhooks keys list`.")],
    as_json: AsJson = False,
) -> None:
    """Revoke a key: it is refused from now on.

    Example: webhooks keys revoke 0f8e3c2a
    """
    with connected() as client:
        client.request("DELETE", f"/keys/{quote(key_id, safe='')}")
        if as_json:
            print_json({"revoked": key_id})
        else:
            print(f"Key {printable(key_id)} is revoked.")
