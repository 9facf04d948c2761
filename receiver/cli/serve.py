"""`webhooks serve`: the receiver alone, beside a Prefect server that runs already."""

from __future__ import annotations

import os

import typer

from receiver.cli import app


@app.command()
def serve() -> None:
    """Run the receiver. Prefect is found by PREFECT_API_URL; `webhooks up` starts everything instead.

    Example: webhooks serve
    """
    # Retries are the dispatcher's: Prefect's client would turn one 503 into minutes. Read before prefect is imported.
    os.environ["PREFECT_CLIENT_MAX_RETRIES"] = "0"
    from receiver.cli.client import failures_told
    from receiver.serving import run
    from receiver.settings import load_settings

    with failures_told():
        settings = load_settings()
    raise typer.Exit(run(settings))
