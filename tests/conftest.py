"""Fixtures that start real parts once a session: PostgreSQL, Prefect's server."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings as hypothesis_settings

from receiver.supervisor.postgres import EmbeddedPostgres
from tests.support.certificates import self_signed
from tests.support.ports import free_port as any_free_port
from tests.support.postgres import TestPostgres
from tests.support.prefect import PrefectServer, running_prefect_server, settings_with

if TYPE_CHECKING:
    from prefect.context import SettingsContext

# A script's background jobs ignore SIGINT, and so would all that the tests start; Prefect's worker ends by it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Prefect reads its settings when it is imported: the machine's own must not reach the tests, and a client without an
# address must fail instead of starting a server by itself.
_HOME = tempfile.mkdtemp(prefix="webhooks-tests-")
# Each of Prefect's clients reads all the authorities that are trusted, which takes longer than what most tests ask of
# it. Nothing here is outside this machine: one authority, of nobody, is enough, for subprocesses too.
os.environ["SSL_CERT_FILE"] = str(self_signed(Path(_HOME), "nobody.invalid"))
os.environ.pop("SSL_CERT_DIR", None)
for _name in [name for name in os.environ if name.startswith(("PREFECT_", "WEBHOOKS_"))]:
    del os.environ[_name]
os.environ.update(
    PREFECT_HOME=_HOME,
    PREFECT_SERVER_ALLOW_EPHEMERAL_MODE="false",
    PREFECT_SERVER_ANALYTICS_ENABLED="false",
    DO_NOT_TRACK="1",
)

# How long an example takes says something about the machine, not about the code.
hypothesis_settings.register_profile("any-machine", deadline=None)
hypothesis_settings.load_profile("any-machine")


def pytest_unconfigure() -> None:
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture
def free_port() -> int:
    """A port of 127.0.0.1 nobody listens on."""
    return any_free_port()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestPostgres]:
    """A started PostgreSQL; `postgres.create_database()` gives the URL of an empty database of one's own."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), options={"fsync": "off"})
    server.start()
    yield TestPostgres(server)
    server.remove()


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory, postgres: TestPostgres) -> Iterator[PrefectServer]:
    """A running Prefect server with an auth string: `.api_url`, `.auth_string`, `.env` for subprocesses."""
    from prefect.logging.handlers import APILogWorker

    folder: Path = tmp_path_factory.mktemp("prefect")
    url = postgres.create_database().replace("postgresql://", "postgresql+asyncpg://", 1)
    with running_prefect_server(folder, url) as server:
        yield server
        APILogWorker.drain_all(timeout=10)  # what flows of this process logged has a server to go to until here


@pytest.fixture(scope="session")
def _settings_of_prefect(prefect_server: PrefectServer) -> SettingsContext:
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL

    return settings_with({PREFECT_API_URL: prefect_server.api_url, PREFECT_API_AUTH_STRING: prefect_server.auth_string})


@pytest.fixture
def prefect_settings(prefect_server: PrefectServer, _settings_of_prefect: SettingsContext) -> Iterator[PrefectServer]:
    """Flows and clients in the test's own process use `prefect_server`, which is what the test gets."""
    with _settings_of_prefect.model_copy():
        yield prefect_server
