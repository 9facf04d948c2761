"""`webhooks show`: one delivery, from its first byte to its answer."""

from __future__ import annotations

import base64
import re
import sys
from itertools import islice
from typing import Annotated, Any
from urllib.parse import quote

import typer

from receiver.cli import app
from receiver.cli.client import AdminClient, CommandFailed, connected
from receiver.cli.output import print_json, print_line

_WHOLE_ID = 36
_SHORTEST = 4
_MOST_LOOKED_AT = 1000


@app.command()
def show(
    which: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID]", help="A delivery's id, or its beginning or ending; with --last a webhook's key."
        ),
    ] = None,
    last: Annotated[
        bool, typer.Option("--last", help="The latest delivery, of any webhook or of the one named.")
    ] = False,
    body: Annotated[bool, typer.Option("--body", help="The whole body, not only its first 2 KB.")] = False,
    utc: Annotated[bool, typer.Option("--utc", help="Times in UTC, as they are when piped.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: all of it.")] = False,
) -> None:
    """Show one delivery: request, verification, where the time went, its runs with their logs, and the answer.

    Example: webhooks show 3f9c21ab
    """
    with connected() as client:
        identity = _latest(client, which) if last else find(client, which)
        at = f"/deliveries/{quote(identity, safe='')}"
        delivery, content, runs = client.get(at), client.content(f"{at}/body"), client.get(f"{at}/runs")
        if as_json:
            encoded = base64.b64encode(content).decode("ascii")
            print_json({**delivery, "body_base64": encoded, "runs": runs})
        else:
            _print(delivery, content, runs, utc=utc, whole_body=body)


def find(client: AdminClient, part: str | None) -> str:
    """The id that begins or ends like this; raises `CommandFailed` when it is none's or that of several."""
    if part is None:
        raise CommandFailed("Give a delivery's id (webhooks deliveries lists them), or --last for the latest.")
    wanted = part.strip().lower()
    if len(wanted) >= _WHOLE_ID or not re.fullmatch(r"[0-9a-f-]+", wanted):
        return part  # whole, or none: the receiver says which
    if len(wanted) < _SHORTEST:
        raise CommandFailed(f"Give at least {_SHORTEST} characters of the id.")
    like = islice(client.pages("/deliveries", q=wanted, limit=200), _MOST_LOOKED_AT)
    ids = [each["id"] for each in like if each["id"].startswith(wanted) or each["id"].endswith(wanted)]
    if not ids:
        raise CommandFailed(f"No delivery's id begins or ends with {wanted}. List them: webhooks deliveries")
    if len(ids) > 1:
        several = "\n".join(f"  {each}" for each in ids[:10])
        raise CommandFailed(f"{wanted} may be any of {len(ids)}; give more of it:\n{several}")
    return str(ids[0])


def _latest(client: AdminClient, webhook: str | None) -> str:
    items = client.get("/deliveries", webhook=webhook, limit=1)["items"]
    if not items:
        raise CommandFailed(f"There is no delivery{f' of {webhook!r}' if webhook else ''} yet.")
    return str(items[0]["id"])


def _print(delivery: dict[str, Any], content: bytes, runs: dict[str, Any], *, utc: bool, whole_body: bool) -> None:
    from receiver.cli._story import Manner, tell

    blocks = (sys.stdout.encoding or "").lower().startswith("utf")
    manner = Manner(utc=utc or not sys.stdout.isatty(), blocks=blocks, whole_body=whole_body)
    for line in tell(delivery, content, runs, manner):
        print_line(line)
