"""`webhooks replay` and `webhooks discard`: run again what came, or drop what waits."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from receiver.cli import _replaying, app
from receiver.cli.client import AdminClient, CommandFailed, connected
from receiver.cli.deliveries import moment_option
from receiver.cli.output import print_json, printable
from receiver.cli.show import find
from receiver.deliveries.lifecycle import Status

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
_GOOD = {Status.COMPLETED.value}


@app.command()
def replay(
    which: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="A delivery's id, or its beginning or ending.")
    ] = None,
    body: Annotated[Path | None, typer.Option(help="With this text file as its body; `-` is standard input.")] = None,
    data: Annotated[str | None, typer.Option(help="With this JSON as its body.")] = None,
    content_type: Annotated[str | None, typer.Option(help="The type of that body.")] = None,
    deployment: Annotated[str | None, typer.Option(help="Run this deployment, `flow/deployment`.")] = None,
    webhook: Annotated[str | None, typer.Option(help="Many: of this webhook.")] = None,
    status: Annotated[str | None, typer.Option(help="Many: with this status, e.g. `failed`.")] = None,
    reason: Annotated[str | None, typer.Option(help="Many: with this reason.")] = None,
    since: Annotated[str | None, typer.Option(help="Many: received since `2h` ago, or a time.")] = None,
    until: Annotated[str | None, typer.Option(help="Many: received before `30m` ago, or a time.")] = None,
    all_of_it: Annotated[bool, typer.Option("--all", help="Many: all of a webhook, whatever its status.")] = False,
    per_second: Annotated[float, typer.Option(min=0.01, max=1000, help="Many: so many in a second.")] = 5,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Many: only say what would be done.")] = False,
    yes: Yes = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the ends and print them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a delivery again, or many, by the definition in force now and past de-duplication.

    Exit code 1 when none could be replayed, or one that was waited for did not complete.

    Example: webhooks replay 3f9c21ab --data '{"id": 7}' --wait

    Example: webhooks replay --webhook orders --status failed --since 2h
    """
    with connected() as client:
        many = {
            "webhook": webhook,
            "status": status,
            "reason": reason,
            "since": moment_option("--since", since),
            "until": moment_option("--until", until),
        }
        if which is not None:
            if any(many.values()) or all_of_it or dry_run:
                raise CommandFailed("Give an ID, or --webhook, --status and the like for many; not both.")
            good = _one(client, which, _changes(body, data, content_type, deployment), wait=wait, as_json=as_json)
        else:
            if body is not None or data is not None or content_type is not None:
                raise CommandFailed("--body, --data and --content-type are for one delivery: give its ID.")
            _check_filter(many, all_of_it=all_of_it)
            asked = {**many, "per_second": per_second, "deployment": deployment}
            good = _many(client, asked, dry_run=dry_run, yes=yes, wait=wait, as_json=as_json)
    if not good:
        raise typer.Exit(1)


@app.command()
def discard(
    key: Annotated[str | None, typer.Argument(metavar="[KEY]", help="The key of a paused webhook.")] = None,
    delivery: Annotated[
        str | None, typer.Option(metavar="ID", help="Only this delivery: held, or waiting at a paused webhook.")
    ] = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Drop what waits at a paused webhook: `cancelled`, with the reason `discarded`. A replay can still run it.

    Example: webhooks discard orders --yes

    Example: webhooks discard --delivery 3f9c21ab
    """
    with connected() as client:
        if (key is None) == (delivery is None):
            raise CommandFailed("Give a webhook's KEY, or --delivery ID.")
        if delivery is not None:
            answer = client.request("POST", f"/deliveries/{quote(find(client, delivery), safe='')}/discard")
        else:
            answer = _discard_all(client, str(key), yes=yes)
        if as_json:
            print_json({"discarded": answer["discarded"]})
        else:
            print(f"{answer['discarded']} discarded.")


def _one(client: AdminClient, which: str, changes: dict[str, Any], *, wait: bool, as_json: bool) -> bool:
    identity = find(client, which)
    answer = client.request("POST", f"/deliveries/{quote(identity, safe='')}/replay", content=changes)
    for warning in answer["warnings"]:
        print(f"Note: {printable(warning)}", file=sys.stderr)
    if not as_json:
        print(f"Attempt {answer['attempt']} of {printable(identity)} is queued for {printable(answer['deployment'])}.")
    ends = _replaying.wait(client, [identity], quiet=True) if wait else {}
    if as_json:
        print_json({**answer, **({"status": ends[identity]} if wait else {})})
    else:
        print(f"It {ends[identity]}." if wait else f"Next: webhooks show {printable(identity)}")
    return set(ends.values()) <= _GOOD


def _many(client: AdminClient, asked: dict[str, Any], *, dry_run: bool, yes: bool, wait: bool, as_json: bool) -> bool:
    total = _replaying.count(client, asked)
    number = len(total.replayed)
    if not dry_run and number:
        _replaying.confirm(number, yes=yes)
        total = _replaying.send(client, asked, number, quiet=as_json)
    if not as_json:
        _replaying.print_total(total, verb="would be replayed" if dry_run else "replayed")
    ends = _replaying.wait(client, total.replayed, quiet=as_json) if wait and not dry_run else {}
    if as_json:
        told = {"replayed": len(total.replayed), "delivery_ids": total.replayed, "skipped": total.skipped}
        print_json({**told, "warnings": total.warnings, **({"ends": ends} if wait else {})})
    elif ends:
        _replaying.print_ends(ends)
    return (bool(total.replayed) or not total.skipped) and set(ends.values()) <= _GOOD


def _discard_all(client: AdminClient, key: str, *, yes: bool) -> dict[str, Any]:
    at = f"/webhooks/{quote(key, safe='')}"
    if not yes:
        waits = client.get(at)["stats"]["by_status"].get(Status.QUEUED.value, 0)
        _replaying.confirm(waits, yes=False)
    discarded = 0
    while True:
        answer = client.request("POST", f"{at}/discard")
        discarded += answer["discarded"]
        if not answer["more"]:
            return {"discarded": discarded}


def _check_filter(many: dict[str, Any], *, all_of_it: bool) -> None:
    given = {name for name, value in many.items() if value is not None}
    if all_of_it and "webhook" not in given:
        raise CommandFailed("--all is for the deliveries of one webhook: add --webhook KEY.")
    if given <= {"webhook"} and not all_of_it:
        raise CommandFailed("Say which: an ID, or --status, --reason or --since; --webhook KEY --all for all of it.")


def _changes(body: Path | None, data: str | None, content_type: str | None, deployment: str | None) -> dict[str, Any]:
    changes: dict[str, Any] = {"content_type": content_type, "deployment": deployment}
    if data is not None:
        try:
            changes["data"] = json.loads(data)
        except ValueError as error:
            raise CommandFailed(f"--data is no JSON: {error}. Give other text by --body FILE.") from None
    if body is not None:
        changes["body"] = _read(body)
    return changes


def _read(file: Path) -> str:
    try:
        content = typer.get_binary_stream("stdin").read() if str(file) == "-" else file.read_bytes()
        return content.decode()
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise CommandFailed(f"{file} is not text in UTF-8.") from None
