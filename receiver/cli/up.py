"""`webhooks up`: everything in one terminal."""

from __future__ import annotations

from typing import Annotated

import typer

from receiver.cli import app


@app.command()
def up(
    reload: Annotated[
        bool, typer.Option("--reload", help="Import the flows again when a file of the project that they use changes.")
    ] = False,
) -> None:
    """Start Prefect with its database, the deployments, a worker and the receiver, and keep them running.

    Ctrl-C stops everything in order; a second one hurries. State is in WEBHOOKS_HOME, default `.webhooks`.

    Example: webhooks up
    """
    from receiver.cli.client import failures_told
    from receiver.cli.deploy import find_project
    from receiver.settings import load_settings
    from receiver.supervisor.assemble import run_up

    with failures_told():
        settings = load_settings()
        project = find_project()
    raise typer.Exit(run_up(settings, project, reload=reload))
