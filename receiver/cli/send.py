"""`webhooks send`: one request to a webhook, signed as its sender would sign it."""

from __future__ import annotations

import base64
import time
from http import HTTPStatus
from http.client import responses
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from receiver.cli import app
from receiver.cli.client import AdminClient, CommandFailed, connected
from receiver.cli.output import print_json, print_line, printable, printable_lines, status_text
from receiver.deliveries.lifecycle import UNFINISHED, Status

_HEADERS_OF_NOTE = ("webhook-delivery-id", "webhook-duplicate-of", "retry-after", "location", "allow", "content-type")
_JSON = "application/json"
_EVERY_SECONDS = 0.5
_LONGEST_WAIT = 3600.0
_BAD_ENDS = {Status.HELD, Status.FAILED, Status.CRASHED, Status.CANCELLED, Status.DEAD}


@app.command()
def send(
    key: Annotated[str, typer.Argument(help="The webhook's key.")],
    file: Annotated[Path | None, typer.Option(help="Send this file's bytes; `-` is standard input.")] = None,
    data: Annotated[str | None, typer.Option(help="Send this JSON.")] = None,
    example: Annotated[str | None, typer.Option(hidden=True)] = None,  # not available yet: the receiver says so
    header: Annotated[list[str] | None, typer.Option(help="A header, `X-GitHub-Event: push`; may be repeated.")] = None,
    path_param: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A parameter of the webhook's path; may be repeated.")
    ] = None,
    query: Annotated[str, typer.Option(help="The query, `a=1&b=2`.")] = "",
    method: Annotated[str | None, typer.Option(help="The method; default the webhook's first.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the run's end and print each change.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; with --wait the delivery at its end.")] = False,
) -> None:
    """Send one request to a webhook, signed as its scheme demands, and print the answer.

    The receiver signs it: no secret leaves it. Exit code 1 when the answer's status is 400 or more, or the run that
    was waited for did not complete.

    Example: webhooks send orders --data '{"id": 7}' --wait
    """
    with connected() as client:
        sample = make_sample(file, data, example, header or [], path_param or [], query, method)
        answer = client.request("POST", f"/webhooks/{quote(key, safe='')}/send", content=sample)
        identity, good = answer["delivery_id"], answer["status"] < HTTPStatus.BAD_REQUEST
        if not as_json:
            _print_answer(answer)
        ended = _wait(client, identity, quiet=as_json) if wait and good and identity else None
        if as_json:
            print_json(answer if ended is None else {**answer, "delivery": ended})
        elif identity:
            print(f"\nNext: webhooks show {printable(identity)}")
    if not good or (ended is not None and ended["status"] in _BAD_ENDS):
        raise typer.Exit(1)


def _wait(client: AdminClient, delivery_id: str, *, quiet: bool) -> dict[str, Any]:
    """The delivery once it has ended; each of its statuses is printed."""
    known, until = "", time.monotonic() + _LONGEST_WAIT
    while time.monotonic() < until:
        delivery: dict[str, Any] = client.get(f"/deliveries/{quote(delivery_id, safe='')}")
        if delivery["status"] != known and not quiet:
            print_line(status_text(delivery["status"]))
        known = delivery["status"]
        if known not in UNFINISHED:
            return delivery
        time.sleep(_EVERY_SECONDS)
    raise CommandFailed(f"It has not ended within an hour. Look again: webhooks show {delivery_id}")


def make_sample(
    file: Path | None,
    data: str | None,
    example: str | None,
    headers: list[str],
    path_params: list[str],
    query: str,
    method: str | None,
) -> dict[str, Any]:
    """The body of the admin API's `send` route; raises `CommandFailed` for options that exclude each other."""
    if sum(given is not None for given in (file, data, example)) > 1:
        raise CommandFailed("Give one of --file, --data and --example.")
    pairs = [_header(line) for line in headers]
    body = data.encode() if data is not None else _read(file) if file is not None else None
    looks_like_json = data is not None or (file is not None and file.suffix == ".json")
    if looks_like_json and not any(name.lower() == "content-type" for name, _ in pairs):
        pairs.append(("Content-Type", _JSON))
    return {
        "method": method.upper() if method else None,
        "headers": [list(pair) for pair in pairs],
        "params": dict(_path_parameter(word) for word in path_params),
        "query": query.removeprefix("?"),
        "body_base64": None if body is None else base64.b64encode(body).decode("ascii"),
        "example": example,
    }


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name.strip():
        raise CommandFailed(f"--header {line!r}: write it as 'Name: value'.")
    return name.strip(), value.strip()


def _path_parameter(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals or not name or not value:
        raise CommandFailed(f"--path-param {word!r}: write it as NAME=VALUE.")
    return name, value


def _read(file: Path) -> bytes:
    try:
        return typer.get_binary_stream("stdin").read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror}.") from None


def _print_answer(answer: dict[str, Any]) -> None:
    status = answer["status"]
    print(f"{status} {responses.get(status, '')}".rstrip())
    for name, value in answer["headers"]:
        if name.lower() in _HEADERS_OF_NOTE:
            print(printable(f"{name}: {value}"))
    if answer["body"]:
        print()
        print(printable_lines(answer["body"]))
    elif answer["body_base64"]:
        print(f"\n({len(base64.b64decode(answer['body_base64']))} bytes that are not text; --json has them)")
