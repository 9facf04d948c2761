"""One `webhooks up` for all that a newcomer does with it."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.up import PROJECT, Up, remove_home, started_up


@pytest.fixture(scope="session")
def up() -> Iterator[Up]:
    with tempfile.TemporaryDirectory(prefix="webhooks-first-") as folder:
        project, home = Path(folder, "project"), Path(folder, "home")
        project.mkdir()
        shutil.copy(PROJECT / "prefect.yaml", project)
        shutil.copytree(PROJECT / "tests" / "payloads", project / "tests" / "payloads")
        with started_up(home, {"WEBHOOKS_PROJECT": str(project)}) as running:
            running.wait_ready()
            yield running
            assert running.end(signal.SIGTERM) == 0
        remove_home(home)
