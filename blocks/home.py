"""The folder of state that services without an account use: records and mail."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from blocks.errors import NotConfigured


def find_home(environment: Mapping[str, str] | None = None, start: Path | None = None) -> Path:
    """The folder of state: `WEBHOOKS_HOME`, else the nearest `.webhooks` from `start` upward.

    Raises `NotConfigured` when there is neither. A folder is never made here: a worker runs a flow in a temporary
    directory, and what is stored there is gone when the run ends.
    """
    environment = os.environ if environment is None else environment
    if named := environment.get("WEBHOOKS_HOME"):
        return Path(named).expanduser().absolute()
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / ".webhooks").is_dir():
            return folder / ".webhooks"
    raise NotConfigured(
        f"no folder for state: WEBHOOKS_HOME is not set and there is no `.webhooks` above {start}. "
        "Set WEBHOOKS_HOME for the worker, or save a block that names the service"
    )


def private_folder(folder: Path) -> Path:
    """Make `folder` with mode 0700 if it is missing, and give it back."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
