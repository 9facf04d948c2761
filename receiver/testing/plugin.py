"""The pytest plugin: the fixture `webhooks_server`. Until a test asks for it, nothing is imported and nothing runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from receiver.testing.server import Server, home_of_a_test, running_prefect


@pytest.fixture(scope="session")
def _webhooks_prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_prefect(tmp_path_factory.mktemp("prefect")) as api_url:
        yield api_url


@pytest.fixture
def webhooks_server(_webhooks_prefect: str, tmp_path: Path) -> Iterator[Server]:
    """Flows run against a temporary Prefect server, one for the session; mail and records are kept in the test's own
    folder, see `receiver.testing.Server`."""
    with home_of_a_test(_webhooks_prefect, tmp_path / "webhooks") as server:
        yield server
