"""`webhooks export` and `apply`: webhooks as a file, for a repository or another receiver."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from receiver.cli import app
from receiver.cli.client import AdminClient, CommandFailed, connected, failures_told
from receiver.cli.deploy import show
from receiver.cli.output import print_json, printable
from receiver.webhooks.deploy_plan import Change, Step


class FileFormat(StrEnum):
    """How a file of definitions is written."""

    YAML = "yaml"
    JSON = "json"


@app.command()
def export(
    keys: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY]...", help="These; default all that code does not define.")
    ] = None,
    written_as: Annotated[FileFormat, typer.Option("--format", help="How it is written.")] = FileFormat.YAML,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Print definitions as `webhooks apply` takes them. Secrets are references, so the file holds none.

    Example: webhooks export orders > webhooks.yaml
    """
    import yaml  # type: ignore[import-untyped]  # PyYAML comes without types

    from receiver.webhooks.apply_plan import to_apply

    with connected() as client:
        if keys:
            found = [client.get(f"/webhooks/{quote(key, safe='')}") for key in keys]
        else:
            found = [webhook for webhook in client.pages("/webhooks", limit=100) if webhook["origin"] != "code"]
        definitions = [to_apply(webhook) for webhook in found]
        if as_json or written_as is FileFormat.JSON:
            print_json(definitions)
        else:
            # Escaped where it is not ASCII: what is printed cannot act on a terminal.
            print(yaml.safe_dump(definitions, sort_keys=False, width=100).rstrip())


@app.command()
def apply(
    file: Annotated[Path, typer.Option("--file", "-f", help="YAML or JSON; `-` is standard input.")],
    owner: Annotated[str | None, typer.Option(help="A name for the file: the webhooks become this owner's.")] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete what was applied for --owner before and is not in the file.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change and change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make or change the webhooks of a file; those it does not name stay as they are.

    The receiver checks the whole file before the first change. Applying it again changes nothing.

    Example: webhooks apply -f webhooks.yaml --dry-run

    Example: webhooks apply -f webhooks.yaml --owner shop --prune
    """
    from receiver.contract.errors import DefinitionError
    from receiver.webhooks.apply_plan import plan_apply, read_definitions_file

    with failures_told():
        if prune and not owner:
            raise CommandFailed("--prune needs --owner: only what was applied for that owner is ever deleted.")
        text = _read(file)
        try:
            wanted = read_definitions_file(text)
        except DefinitionError as error:
            raise CommandFailed(f"Nothing was changed. {error}") from None
    with connected() as client:
        steps = plan_apply(wanted, list(client.pages("/webhooks", limit=100)), owner)
        if not as_json:
            show(steps, prune=prune)
        if conflicts := [step.key for step in steps if step.change is Change.CONFLICT]:
            names = ", ".join(map(repr, conflicts))
            raise CommandFailed(
                f"Nothing was changed. Code defines {names}: change the flow and run `webhooks deploy`."
            )
        if foreign := [f"{step.key!r} ('{step.owner}')" for step in steps if step.change is Change.FOREIGN]:
            raise CommandFailed(
                f"Nothing was changed. Of another owner: {', '.join(foreign)}. Use another key or owner."
            )
        ours = {"source": owner} if owner else {}
        _check(client, steps, ours)
        warnings = [] if dry_run else _carry_out(client, steps, ours, prune=prune)
        if as_json:
            changes = [{"key": step.key, "change": step.change, "fields": list(step.fields)} for step in steps]
            print_json({"dry_run": dry_run, "changes": changes, "warnings": warnings})
        for warning in warnings:
            print(f"webhooks: {printable(warning)}", file=sys.stderr)


def _read(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{file} cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}.") from None


def _check(client: AdminClient, steps: Sequence[Step], ours: Mapping[str, str]) -> None:
    """Let the receiver check all that would be put; every refusal is told, not the first alone."""
    refused = []
    for step in _to_put(steps):
        try:
            client.request("PUT", _at(step), query={**ours, "dry_run": "true"}, content=step.definition)
        except CommandFailed as error:
            refused.append(f"'{step.key}' was refused: {error}")
    if refused:
        raise CommandFailed("\n".join(["Nothing was changed.", *refused]))


def _to_put(steps: Sequence[Step]) -> list[Step]:
    return [step for step in steps if step.change in {Change.CREATED, Change.CHANGED}]


def _at(step: Step) -> str:
    return f"/webhooks/{quote(step.key, safe='')}"


def _carry_out(client: AdminClient, steps: Sequence[Step], ours: Mapping[str, str], *, prune: bool) -> list[str]:
    warnings: list[str] = []
    done: list[str] = []
    gone = [step for step in steps if step.change is Change.VANISHED] if prune else []
    for step in [*gone, *_to_put(steps)]:  # what goes first may leave its path to what comes
        try:
            if step.change is Change.VANISHED:
                client.request("DELETE", _at(step), query=ours)
                continue
            webhook: dict[str, Any] = client.request("PUT", _at(step), query=ours, content=step.definition)
        except CommandFailed as error:
            before = f" Changed before it: {', '.join(done)}; apply goes on from there." if done else ""
            raise CommandFailed(f"'{step.key}' was refused: {error}{before}") from None
        done.append(step.key)
        warnings += [f"{step.key}: {warning}" for warning in webhook["warnings"]]
    return warnings
