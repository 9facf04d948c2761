"""`webhooks deploy`: the project's deployments to Prefect, the webhooks its code defines to the receiver."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from receiver.cli import app
from receiver.cli.client import AdminClient, CommandFailed, connected, failures_told
from receiver.cli.first_secrets import make_first_secrets
from receiver.cli.flow_access import give_flows_access
from receiver.cli.output import print_json, print_table, printable
from receiver.contract.errors import DefinitionError
from receiver.webhooks.deploy_plan import Change, Step, plan_deploy

if TYPE_CHECKING:
    from receiver.webhooks.manifest import Entry, FoundDefinition

_IMPORT_SECONDS = 120


class FlowsTooSlow(CommandFailed):
    """The project's flows are not imported in the time there was."""


@app.command()
def deploy(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change and change nothing.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Delete webhooks that vanished from the code.")] = False,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Take webhooks that belong to another project, e.g. after a renaming.")
    ] = False,
    skip_prefect: Annotated[bool, typer.Option("--skip-prefect", help="Leave out `prefect deploy --all`.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Deploy the flows of prefect.yaml and the webhooks on them.

    Webhooks that vanished from the code stay until --prune; one that an operator paused or disabled stays so. Those of
    other projects (`name` in prefect.yaml) are left alone.

    Example: webhooks deploy --dry-run
    """
    with failures_told():
        project = find_project()
        wanted, source = read_project(project), read_name(project)
        if not (skip_prefect or dry_run):
            deploy_to_prefect(project, quiet=as_json)
    with connected() as client:
        steps = plan_deploy(wanted, list(client.pages("/webhooks", limit=100)), source, take_over=take_over)
        if not as_json and not steps:
            print("No flow of prefect.yaml has a webhook. Put @webhook on one.")
        elif not as_json:
            show(steps, prune=prune)
        refuse_conflicts(steps)
        made = [] if dry_run else make_first_secrets(steps, prefect_environment())
        warnings = [] if dry_run else carry_out(client, steps, source, prune=prune, take_over=take_over)
        if not (skip_prefect or dry_run):
            give_flows_access(client, prefect_environment())
        if as_json:
            print_json(
                {
                    "dry_run": dry_run,
                    "changes": [
                        {"key": step.key, "change": step.change, "fields": list(step.fields)} for step in steps
                    ],
                    "warnings": warnings,
                }
            )
        for name in made:
            typer.echo(f"Secret made: webhook-secret/{name}. Give it to the sender: Prefect's UI, Blocks.", err=True)
        for warning in warnings:
            typer.echo(f"webhooks: {printable(warning)}", err=True)


def find_project() -> Path:
    """The folder of `WEBHOOKS_PROJECT`, default the current one; raises `CommandFailed` when it is none."""
    from receiver.settings import load_settings

    project = load_settings().supervisor.project.resolve()
    if not (project / "prefect.yaml").is_file():
        raise CommandFailed(
            f"There is no prefect.yaml in {project}. Run this in the project's folder, or set WEBHOOKS_PROJECT to it."
        )
    refuse_hidden_flows(project)
    return project


def refuse_hidden_flows(project: Path) -> None:
    """Raise `CommandFailed` when the project's `flows/__init__.py` hides the `flows.nodes` that we install."""
    hiding = project / "flows" / "__init__.py"
    if hiding.exists():
        raise CommandFailed(
            f"{hiding} hides the installed flows.nodes: both folders must be one namespace package.\n"
            "Mend it in the project's folder with: rm flows/__init__.py"
        )


def read_project(project: Path) -> list[dict[str, Any]]:
    """The webhooks that the flows of `prefect.yaml` define, each with its deployment.

    Raises `CommandFailed` naming file, line and message of what cannot be imported or used.
    """
    from receiver.webhooks.manifest import bind_deployments

    try:
        entries, found = find_definitions(project)
        return bind_deployments(found, entries)
    except (CommandFailed, DefinitionError) as error:
        raise CommandFailed(f"Nothing was deployed. {error}") from None


def read_name(project: Path) -> str:
    """The project's name, by which the receiver knows whose webhooks they are."""
    from receiver.webhooks.manifest import project_name

    return project_name((project / "prefect.yaml").read_text(encoding="utf-8"), project.name)


def find_definitions(project: Path, seconds: float = _IMPORT_SECONDS) -> tuple[list[Entry], list[FoundDefinition]]:
    """The entries of `prefect.yaml` and what the flows of them define. Raises `CommandFailed`, `DefinitionError`."""
    from receiver.webhooks.manifest import FoundDefinition, read_entries

    try:
        entries = read_entries((project / "prefect.yaml").read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandFailed(f"{project / 'prefect.yaml'} cannot be read: {error.strerror}.") from None
    answer = _import_flows(project, [entry.entrypoint for entry in entries], seconds)
    if answer["failed"]:
        failed = "\n".join(f"  {each['entrypoint']}: {each['problem']}" for each in answer["failed"])
        raise CommandFailed(f"These cannot be imported:\n{failed}")
    return entries, [FoundDefinition(**each) for each in answer["found"]]


def _import_flows(project: Path, entrypoints: Sequence[str], seconds: float) -> dict[str, Any]:
    # In a process of its own: what a flow's module does while it is imported does not touch this one.
    command = [sys.executable, "-m", "receiver.webhooks.read_definitions", *entrypoints]
    try:
        done = subprocess.run(  # noqa: S603 (our own module; the entrypoints are arguments, not a shell line)
            command, cwd=project, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise FlowsTooSlow(
            f"Importing the flows took over {seconds:g} seconds. A flow's module may start nothing when imported."
        ) from None
    try:
        return dict(json.loads(done.stdout))
    except ValueError:
        raise CommandFailed(f"The flows' imports ended the process (exit code {done.returncode}); see above.") from None


def prefect_environment() -> dict[str, str]:
    """Our environment, with the Prefect that the receiver of this home uses where none is named."""
    environment = dict(os.environ)
    if not environment.get("PREFECT_API_URL"):
        from receiver.settings import load_settings

        home = load_settings().state.home
        with suppress(OSError, ValueError):
            written = json.loads((home / "receiver.json").read_text(encoding="utf-8"))
            if not (url := written.get("prefect_api_url")):
                return environment
            environment["PREFECT_API_URL"] = str(url)
            if (auth := home / "prefect.auth").is_file():
                environment["PREFECT_API_AUTH_STRING"] = auth.read_text(encoding="utf-8").strip()
            environment.setdefault("PREFECT_HOME", str(home / "prefect"))
    return environment


def deploy_to_prefect(project: Path, *, quiet: bool = False) -> None:
    """Run `prefect deploy --all` in the project's folder; its output goes to standard error when `quiet`."""
    environment = prefect_environment()
    if not environment.get("PREFECT_API_URL"):
        raise CommandFailed(
            "PREFECT_API_URL is not set, so there is no Prefect to deploy to. Set it (and PREFECT_API_AUTH_STRING), or "
            "leave Prefect out: webhooks deploy --skip-prefect"
        )
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    done = subprocess.run(  # noqa: S603 (fixed words)
        command,
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr if quiet else None,
        check=False,
    )
    if done.returncode:
        raise CommandFailed("`prefect deploy --all` failed, see above. No webhook was changed.")


def refuse_conflicts(steps: Sequence[Step]) -> None:
    """Raise `CommandFailed` when a webhook of the code is made by hand, or another project's."""
    by_hand = ", ".join(repr(step.key) for step in steps if step.change is Change.CONFLICT)
    if by_hand:
        raise CommandFailed(
            f"Not made by code: {by_hand}. Give the flow's webhook another key, or delete the one there is: "
            "webhooks delete KEY"
        )
    foreign = ", ".join(f"{step.key!r} ('{step.owner}')" for step in steps if step.change is Change.FOREIGN)
    if foreign:
        raise CommandFailed(
            f"Of another project: {foreign}. Give the flow's webhook another key. If it moved here, or the project got "
            "another name: webhooks deploy --take-over"
        )


def show(steps: Sequence[Step], *, prune: bool) -> None:
    """Print what will change, as a table."""
    notes: Mapping[Change, str] = {Change.VANISHED: "deleted" if prune else "stays; delete it with --prune"}
    print_table(
        ("WEBHOOK", "CHANGE", "WHAT"),
        [(step.key, step.change, ", ".join(step.fields) or step.owner or notes.get(step.change, "")) for step in steps],
    )


def carry_out(client: AdminClient, steps: Sequence[Step], source: str, *, prune: bool, take_over: bool) -> list[str]:
    """Put what is new or changed, delete what vanished when asked to; the receiver's warnings, each with its key."""
    warnings = []
    ours = {"origin": "code", "source": source}
    put = {**ours, "take_over": "true"} if take_over else ours
    for step in steps:
        path = f"/webhooks/{quote(step.key, safe='')}"
        if step.change in {Change.CREATED, Change.CHANGED}:
            webhook = client.request("PUT", path, query=put, content=step.definition)
            warnings += [f"{step.key}: {warning}" for warning in webhook["warnings"]]
        elif step.change is Change.VANISHED and prune:
            client.request("DELETE", path, query=ours)
    return warnings
