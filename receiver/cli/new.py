"""`webhooks new`: a workflow with its webhook, its deployment and its test, ready to be changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from receiver.cli import app
from receiver.cli.client import CommandFailed, failures_told
from receiver.cli.deploy import refuse_hidden_flows
from receiver.cli.first_secrets import secret_to_make

_OPTIONS: dict[str, dict[str, Any]] = {"hmac": {"header": "X-Signature"}}
"""What a scheme needs besides its secret, to begin with."""


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="The webhook's key, `shop-orders`: the flow is named shop_orders.")],
    sync: Annotated[
        bool, typer.Option("--sync", help="The sender waits: what the flow returns is the answer.")
    ] = False,
    scheme: Annotated[str, typer.Option(help="How the sender is verified.")] = "api-key",
    path: Annotated[str | None, typer.Option(help="A path of its own, `shops/{shop_id}/orders`.")] = None,
) -> None:
    """Write a workflow, its entry in prefect.yaml and its test into this project.

    Nothing is ever overwritten: what is in the way is named, and nothing is changed.

    Example: webhooks new shop-orders --sync --path 'shops/{shop_id}/orders'
    """
    from receiver.scaffold.names import module_name
    from receiver.scaffold.project import MANIFEST, plan, write
    from receiver.scaffold.templates import Scaffold, trial

    with failures_told():
        project = _project()
        refuse_hidden_flows(project)
        scaffold = Scaffold(
            key=name,
            module=module_name(name, _installed_flows(project)),
            path=_checked_path(path),
            sync=sync,
            verification=_verification(name, scheme),
        )
        files = plan(project, scaffold)
        changed = (project / MANIFEST).exists()
        write(files)
    for file in files:
        print(f"{'changed' if changed and file.name == MANIFEST else 'written':8}{file.relative_to(project)}")
    test = f"tests/test_{scaffold.module}.py"
    steps = [
        (f"pytest {test}", "its test passes as it is"),
        (f"$EDITOR flows/{scaffold.module}.py", "what is to happen"),
        *_secret_step(scaffold.verification),
        ("webhooks deploy", "makes it live"),
        (trial(scaffold), "sends a first request"),
        ("webhooks show ID", "what came of it"),
    ]
    print("\nNext:")
    width = max(len(command) for command, _ in steps if len(command) < 60)
    for command, does in steps:
        print(f"  {command:{width}}  # {does}")


def _project() -> Path:
    from receiver.settings import load_settings

    project = load_settings().supervisor.project.resolve()
    if not project.is_dir():
        raise CommandFailed(f"{project} is not a folder. Run this in the project's folder, or set WEBHOOKS_PROJECT.")
    return project


def _installed_flows(project: Path) -> frozenset[str]:
    """Modules of `flows` that come with us, where this project is not the one they are written in."""
    installed = Path(__file__).parents[2] / "flows"
    if installed == project / "flows":
        return frozenset()
    return frozenset(entry.stem for entry in installed.glob("[!_.]*"))


def _checked_path(path: str | None) -> str | None:
    from receiver.contract.paths import check_path

    try:
        return None if path is None else check_path(path)
    except ValueError as error:
        raise CommandFailed(f"--path {error}.") from None


def _verification(key: str, scheme: str) -> dict[str, Any]:
    from receiver.contract.errors import DefinitionError
    from receiver.ingress.verify import SCHEMES, build_scheme

    if scheme not in SCHEMES:
        raise CommandFailed(f"There is no scheme '{scheme}'. Take one of: {', '.join(SCHEMES)}.")
    verification: dict[str, Any] = {"scheme": scheme}
    if SCHEMES[scheme].needs_secret:
        verification["secret"] = f"block:webhook-secret/{key.replace('_', '-')}"
    verification |= _OPTIONS.get(scheme, {})
    try:
        build_scheme(verification)
    except DefinitionError as error:
        raise CommandFailed(f"--scheme {scheme}: {error.problem}.") from None
    return verification


def _secret_step(verification: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Of a secret that the sender issues somebody has to make the block; others are made by `webhooks deploy`."""
    if "secret" not in verification or secret_to_make({"verification": verification}):
        return []
    block = str(verification["secret"]).removeprefix("block:")
    return [(f"block {block}", "make it in Prefect's UI, Blocks, with the sender's secret")]
