"""`webhooks vacuum` and `webhooks erase`: give back disk, and erase a person's data, while requests go on."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from receiver.cli import _replaying, app
from receiver.cli.client import AdminClient, CommandFailed, failures_told, open_client
from receiver.cli.deliveries import moment_option
from receiver.cli.output import print_json, print_table

_PATIENCE = 6 * 3600.0
"""Seconds that a large table may take to be written anew."""
_SHOWN = 20
_MUCH = 0.05
"""The share of a file that is worth a word when it is still free."""


@app.command()
def vacuum(
    full: Annotated[
        bool, typer.Option("--full", help="Write everything anew, which gives back most; requests get 503 meanwhile.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Delete what has come of age now, and give back the disk it took, in small steps between the requests.

    Example: webhooks vacuum
    """
    with failures_told(), open_client(_PATIENCE) as client:
        if full and not yes:
            _ask("While each part is written anew, requests get 503 and senders try again.")
        before = client.get("/size")
        purged = _purge(client, quiet=as_json)
        after = _give_back(client, full=full, quiet=as_json)
        if as_json:
            print_json({"before": before, "after": after, "purged": dict(purged)})
            return
        told = (f"{purged[name]} {words}" for name, words in (("bodies", "bodies"), ("rows", "deliveries")))
        print(f"Deleted what had come of age: {', '.join(told)}.")
        print(f"The inbox took {_mib(before['total'])} and takes {_mib(after['total'])}.")
        if (after["free"] or 0) > _MUCH * after["total"]:
            print(f"{_mib(after['free'])} of it are free and used again. To give them back: webhooks vacuum --full")


@app.command()
def erase(
    match: Annotated[
        str | None, typer.Option(help="A text of theirs, such as an e-mail address; asked for when it is not given.")
    ] = None,
    webhook: Annotated[str | None, typer.Option(help="Only deliveries of this webhook.")] = None,
    since: Annotated[str | None, typer.Option(help="Only received since `30d` ago, or a time.")] = None,
    until: Annotated[str | None, typer.Option(help="Only received before `1h` ago, or a time.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the deliveries that are meant.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Erase what is kept of a person: bodies, headers, paths, addresses, replies, and the runs in Prefect.

    That there were deliveries stays: id, webhook, times, statuses. Exit code 1 when one is left since it is under way.

    Example: webhooks erase --match ada@example.com --dry-run
    """
    with failures_told(), open_client(_PATIENCE) as client:
        asked = {
            "match": match if match is not None else _prompt(),
            "webhook": webhook,
            "since": moment_option("--since", since),
            "until": moment_option("--until", until),
        }
        meant = _all(client, {**asked, "dry_run": True}, quiet=as_json)
        if dry_run or not meant["delivery_ids"]:
            _tell(meant, "would be erased", as_json=as_json)
            return
        _replaying.confirm(len(meant["delivery_ids"]), yes=yes)
        done = _all(client, {**asked, "dry_run": False}, quiet=as_json)
        _give_back(client, full=False, quiet=True)
        _tell(done, "erased", as_json=as_json)
    if done["left"]:
        raise typer.Exit(1)


def _purge(client: AdminClient, *, quiet: bool) -> Counter[str]:
    deleted: Counter[str] = Counter()
    more = True
    with _replaying.progress("deleted", 0, quiet=quiet) as step:
        while more:
            answer = client.request("POST", "/purge")
            counts = {name: answer[name] for name in ("bodies", "rows", "events")}
            deleted.update(counts)
            step(sum(counts.values()))
            more = answer["more"]
    return deleted


def _give_back(client: AdminClient, *, full: bool, quiet: bool) -> Mapping[str, Any]:
    following: str | None = None
    with _replaying.progress("steps to give back disk", 0, quiet=quiet) as step:
        while True:
            answer: Mapping[str, Any] = client.request("POST", "/vacuum", content={"part": following, "full": full})
            step(1)
            following = answer["next"]
            if following is None:
                return answer


def _all(client: AdminClient, asked: Mapping[str, Any], *, quiet: bool) -> dict[str, Any]:
    """What all steps together saw and did."""
    total: dict[str, Any] = {"looked_at": 0, "delivery_ids": [], "left": [], "runs_left": False}
    with _replaying.progress("deliveries looked at", 0, quiet=quiet) as step:
        for answer in _steps(client, asked):
            total["looked_at"] += answer["looked_at"]
            total["delivery_ids"] += answer["delivery_ids"]
            total["left"] += answer["left"]
            total["runs_left"] = answer["runs_left"]
            step(answer["looked_at"])
    return total


def _steps(client: AdminClient, asked: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    cursor = None
    while True:
        answer = client.request("POST", "/deliveries/erase", content={**asked, "cursor": cursor})
        yield answer
        if not (cursor := answer["next_cursor"]):
            return


def _tell(total: Mapping[str, Any], verb: str, *, as_json: bool) -> None:
    if as_json:
        print_json(total)
        return
    ids = total["delivery_ids"]
    print(f"{len(ids)} of {total['looked_at']} deliveries {verb}.")
    if verb != "erased":
        more = [f"and {len(ids) - _SHOWN} more; --json has them all"] if len(ids) > _SHOWN else []
        print("\n".join([*ids[:_SHOWN], *more]))
    if total["left"]:
        print_table(("LEFT", "WHY"), [(each["id"], each["why"]) for each in total["left"]])
    if total["runs_left"]:
        print("Their runs in Prefect are deleted as soon as it answers.")
    if verb == "erased":
        print("Not reached: backups, logs, what flows wrote elsewhere, and Prefect's events, which it keeps 7 days.")


def _prompt() -> str:
    if not sys.stdin.isatty():
        raise CommandFailed("Give --match TEXT.")
    return str(typer.prompt("Text that stands in the data", err=True))


def _ask(warning: str) -> None:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise CommandFailed(f"{warning} Say --yes to do it.")
    if not typer.confirm(f"{warning} Go on?", err=True):
        raise typer.Exit(1)


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
