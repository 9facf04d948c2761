"""`webhooks create` and `delete`: a webhook without code, for any deployment that Prefect has."""

from __future__ import annotations

import json
import secrets
import shlex
import sys
from collections.abc import Iterable
from typing import Annotated, Any
from urllib.parse import quote

import typer

from receiver.cli import app
from receiver.cli.client import CommandFailed, connected, failures_told
from receiver.cli.first_secrets import CHOSEN_HERE
from receiver.cli.output import print_json, printable
from receiver.contract.secret_reference import is_secret_reference

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Key = Annotated[str, typer.Argument(help="The webhook's key.")]


@app.command()
def create(
    key: Key,
    deployment: Annotated[str, typer.Option(help="What it runs: `flow-name/deployment-name`.")],
    scheme: Annotated[str, typer.Option(help="How its sender is verified, e.g. `github`; `none` takes anybody's.")],
    secret: Annotated[str | None, typer.Option(help="A reference, e.g. `block:webhook-secret/orders`.")] = None,
    secret_stdin: Annotated[bool, typer.Option("--secret-stdin", help="Read the secret from standard input.")] = False,
    generate_secret: Annotated[
        bool, typer.Option("--generate-secret", help="Make a secret up and print it, this once.")
    ] = False,
    path: Annotated[str | None, typer.Option(help="A path of its own, e.g. `shops/{shop}/orders`.")] = None,
    method: Annotated[list[str] | None, typer.Option(help="A method it takes; may be repeated.")] = None,
    mode: Annotated[str | None, typer.Option(help="`async` or `sync`.")] = None,
    param: Annotated[
        list[str] | None, typer.Option(metavar="NAME=TEMPLATE", help="A parameter of the flow; may be repeated.")
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=JSON", help="Another field; verification={...}: its options."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a webhook for a deployment that Prefect has.

    A secret is kept in a Prefect block and never shown again. It is asked for, or read with --secret-stdin: a secret
    on the command line would stay in the shell's history.

    Example: webhooks create orders --deployment sync-orders/default --scheme api-key --generate-secret
    """
    with failures_told():
        if sum((secret is not None, secret_stdin, generate_secret)) > 1:
            raise CommandFailed("Give one of --secret, --secret-stdin and --generate-secret.")
        if secret is not None and not is_secret_reference(secret):
            raise CommandFailed(
                "--secret takes a reference, e.g. block:webhook-secret/orders. Give the secret with --secret-stdin."
            )
        if generate_secret and scheme not in CHOSEN_HERE:
            raise CommandFailed(
                f"The secret of scheme '{printable(scheme)}' is not ours to make up: take the sender's, --secret-stdin."
            )
        plain = secrets.token_urlsafe(32) if generate_secret else _asked_for(scheme, secret, secret_stdin)
        given = {name: _json_or_text(value) for name, value in _pairs("--set", field or [])}
        options = given.get("verification", {})
        if not isinstance(options, dict):
            raise CommandFailed("--set verification=... takes the scheme's options as an object of JSON.")
        proof = {"scheme": scheme, "secret": secret or plain}
        definition: dict[str, Any] = {
            **given,
            "key": key,
            "deployment": deployment,
            "verification": {**options, **{name: value for name, value in proof.items() if value}},
        }
        more = {
            "path": path,
            "methods": method or None,
            "mode": mode,
            "parameters": dict(_pairs("--param", param or [])),
        }
        definition |= {name: value for name, value in more.items() if value}
    with connected() as client:
        made = client.request("POST", "/webhooks", content=definition)
        if as_json:
            print_json({**made, "secret": plain} if generate_secret else made)
            return
        print(f"{printable(made['key'])} is {made['state']}: {printable(made['url'])}")
        if generate_secret:
            print(f"Its secret, shown this once: {plain}")
        for warning in made["warnings"]:
            print(f"webhooks: {printable(warning)}", file=sys.stderr)
        if "{" not in made["url"]:
            print(f"Try it: webhooks send {shlex.quote(made['key'])} --data '{{}}'")


@app.command()
def delete(
    key: Key,
    force: Annotated[
        bool, typer.Option("--force", help="Also one that code defines; a later deploy makes it again.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete a webhook. Its deliveries and revisions stay; senders get 404 from now on.

    Example: webhooks delete orders
    """
    with connected() as client:
        path = f"/webhooks/{quote(key, safe='')}"
        webhook = client.get(path)
        if webhook["origin"] == "code" and not force:
            raise CommandFailed(
                f"{printable(webhook['key'])} is defined in code. Take @webhook off its flow and run `webhooks deploy "
                "--prune`, or, where that code is gone: webhooks delete KEY --force"
            )
        if not yes:
            if not sys.stdin.isatty():
                raise CommandFailed("Nobody can be asked here. Give --yes to delete it.")
            typer.confirm(
                f"Delete {printable(webhook['key'])}? Its {webhook['stats']['total']} deliveries stay.", abort=True
            )
        client.request("DELETE", path, query={"origin": webhook["origin"]})
        if as_json:
            print_json({"deleted": webhook["key"]})
        else:
            print(f"{printable(webhook['key'])} is deleted.")


def _asked_for(scheme: str, reference: str | None, from_input: bool) -> str | None:
    """The secret from standard input or a prompt that does not show it; None where the receiver is to say."""
    if from_input:
        if not (given := sys.stdin.readline().strip()):
            raise CommandFailed("Standard input holds no secret.")
        return given
    if reference is None and scheme != "none" and sys.stdin.isatty():
        return str(typer.prompt("Secret", hide_input=True, confirmation_prompt=True))
    return None


def _pairs(option: str, given: Iterable[str]) -> list[tuple[str, str]]:
    pairs = [one.partition("=") for one in given]
    if wrong := [name for name, equals, _ in pairs if not (name and equals)]:
        raise CommandFailed(f"{option} takes NAME=VALUE, not {printable(wrong[0])!r}.")
    return [(name, value) for name, _, value in pairs]


def _json_or_text(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value
