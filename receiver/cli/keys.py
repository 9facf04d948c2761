"""`webhooks keys`: API keys of a receiver."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated
from urllib.parse import quote

import typer

from receiver.cli import app
from receiver.cli.client import connected
from receiver.cli.moments import tell_moment
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
    expires: Annotated[
        str | None, typer.Option(metavar="TIME", help="After how long it is refused, e.g. 90d or 12h; default never.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, this once.

    Example: webhooks keys create ci --scope write --expires 90d
    """
    wanted = {"name": name, "scope": scope.value, **({} if expires is None else {"expires": expires})}
    with connected() as client:
        made = client.request("POST", "/keys", content=wanted)
        if as_json:
            print_json(made)
        else:
            print(made["key"])
            until = f", good until {_told(made['expires_at'], utc=_utc())}" if made["expires_at"] else ""
            typer.echo(
                f"Scope {made['scope']}{until}, shown this once. To revoke it: webhooks keys revoke {made['id']}",
                err=True,
            )


@keys.command("list")
def list_keys(
    utc: Annotated[bool, typer.Option("--utc", help="Times in UTC, as they are when piped.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the keys: names, scopes, when each was last used and expires; never the keys themselves.

    Example: webhooks keys list
    """
    with connected() as client:
        known = list(client.pages("/keys", limit=100))
        if as_json:
            print_json(known)
        else:
            moments = ("created_at", "last_used_at", "expires_at")
            print_table(
                ("ID", "NAME", "SCOPE", "CREATED", "LAST USED", "EXPIRES"),
                [
                    (key["id"], key["name"], key["scope"], *(_told(key[each], utc=utc or _utc()) for each in moments))
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


def _told(moment: str | None, *, utc: bool) -> str:
    return tell_moment(moment, utc=utc) if moment else "-"


def _utc() -> bool:
    return not sys.stdout.isatty()
