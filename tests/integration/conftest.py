"""What tests need that run flows in their own process, or a receiver beside Prefect's server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.context import SettingsContext
from prefect.filesystems import LocalFileSystem
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_DEFAULT_RESULT_STORAGE_BLOCK,
    temporary_settings,
)
from pydantic import SecretStr

from blocks import RecordsDatabase, connections, lookup
from tests.support.prefect import PrefectServer, settings_with
from tests.support.receiver import RunningReceiver, running_receiver, settings_for


@pytest.fixture(scope="session")
async def result_storage(prefect_server: PrefectServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a block of the session's server that keeps results in a folder."""
    with temporary_settings(
        updates={PREFECT_API_URL: prefect_server.api_url, PREFECT_API_AUTH_STRING: prefect_server.auth_string}
    ):
        await LocalFileSystem(basepath=str(tmp_path_factory.mktemp("results"))).asave("tests", overwrite=True)
    return "local-file-system/tests"


@pytest.fixture(scope="session")
def _settings_with_storage(prefect_server: PrefectServer, result_storage: str) -> SettingsContext:
    return settings_with(
        {
            PREFECT_API_URL: prefect_server.api_url,
            PREFECT_API_AUTH_STRING: prefect_server.auth_string,
            PREFECT_DEFAULT_RESULT_STORAGE_BLOCK: result_storage,
        }
    )


@pytest.fixture
def runs_in_process(
    prefect_settings: PrefectServer, _settings_with_storage: SettingsContext
) -> Iterator[PrefectServer]:
    """Flows may be called. Where no storage for results is named, Prefect asks its server at each run with a client
    that it never closes, and an unclosed socket is an error here."""
    with _settings_with_storage.model_copy():
        yield prefect_settings


@pytest.fixture
async def prefect(prefect_settings: PrefectServer) -> AsyncIterator[PrefectClient]:
    """A client of the session's Prefect server."""
    async with get_client() as client:
        yield client


@pytest.fixture
async def receiver(tmp_path: Path, prefect: PrefectClient) -> AsyncIterator[RunningReceiver]:
    """A receiver of the test's own, on SQLite."""
    async with running_receiver(settings_for(tmp_path)) as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
async def records(
    request: pytest.FixtureRequest, prefect_settings: PrefectServer, tmp_path: Path
) -> AsyncIterator[str]:
    """The name of a block whose database of records is empty, on SQLite and on PostgreSQL."""
    name = f"records-on-{request.param}"
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'records.db'}"
    else:
        url = request.getfixturevalue("postgres").create_database()
    lookup.forget()
    await RecordsDatabase(url=SecretStr(url)).asave(name, overwrite=True)
    yield name
    await connections.close()
    lookup.forget()


@pytest.fixture
async def default_records(
    request: pytest.FixtureRequest, runs_in_process: PrefectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Path]:
    """The folder of state. The default database of records is an empty file in it, or one on PostgreSQL where a test
    is parametrized so: `@pytest.mark.parametrize("default_records", ["sqlite", "postgresql"], indirect=True)`."""
    monkeypatch.setenv("WEBHOOKS_HOME", str(tmp_path))
    lookup.forget()
    document: UUID | None = None
    if getattr(request, "param", "sqlite") == "postgresql":
        url = request.getfixturevalue("postgres").create_database()
        document = await RecordsDatabase(url=SecretStr(url)).asave("default", overwrite=True)
    yield tmp_path
    if document is not None:
        async with get_client() as client:
            await client.delete_block_document(document)
    await connections.close()
    lookup.forget()
