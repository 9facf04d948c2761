"""`webhooks backup`: copies of the inbox and of Prefect's database, while everything runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from receiver.cli import app
from receiver.cli.client import CommandFailed, failures_told
from receiver.cli.output import print_json


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The new file that the inbox is copied into.")],
    prefect: Annotated[
        Path | None, typer.Option(help="Also dump the database of the Prefect that `up` runs into this new file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Copy the inbox in the home folder into a file, consistent and readable by its owner alone, while requests go on.

    What else belongs to a backup, and how to restore one: docs/operations.md.

    Example: webhooks backup inbox.db --prefect prefect.dump
    """
    from receiver.settings import load_settings
    from receiver.storage.backup import back_up

    with failures_told():
        state = load_settings().state
        url = state.database_url.get_secret_value() if state.database_url else None
        if prefect is not None and prefect.exists():
            raise CommandFailed(f"{prefect} exists already: name a new file")
        sizes = {str(file): back_up(url, state.home, file)}
        if prefect is not None:  # after the inbox: whatever that names, Prefect has
            _dump(state.home, prefect)
            sizes[str(prefect)] = prefect.stat().st_size
            if os.environ.get("PREFECT_SERVER_ENCRYPTION_KEY"):
                print("Keep PREFECT_SERVER_ENCRYPTION_KEY too: the dump's blocks need it.", file=sys.stderr)
        if as_json:
            print_json(sizes)
        else:
            for written, size in sizes.items():
                print(f"{written}: {size / 2**20:,.1f} MiB")


def _dump(home: Path, target: Path) -> None:
    from receiver.supervisor.postgres import EmbeddedPostgres
    from receiver.supervisor.quarters import PostgresUnavailable

    if not (home / "postgres").is_dir():
        raise CommandFailed("Here is no PostgreSQL of `webhooks up`: back up Prefect's own database by its own means.")
    try:
        EmbeddedPostgres(home / "postgres").dump("prefect", target)
    except PostgresUnavailable as error:
        raise CommandFailed(f"Prefect's database cannot be dumped: {error}") from None
