"""The command line in the test's own process: a process for each command takes seconds, and shows no more."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from typer.testing import CliRunner, Result

from receiver.cli import app


def run_command(
    environment: Mapping[str, str], *words: str, cwd: Path | None = None, given: str = "", exit_code: int = 0
) -> Result:
    """`webhooks WORDS` with exactly this environment and `given` as input: `.stdout` and `.stderr`.

    Raises AssertionError for another exit code, and whatever else but an exit left the command.
    """
    unset = {name: None for name in os.environ if name not in environment}
    with contextlib.chdir(cwd or Path.cwd()):
        done = CliRunner().invoke(app, words, input=given, env={**unset, **environment})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == exit_code, done.output
    return done
