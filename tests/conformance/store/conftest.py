"""The stores on each database they are made for: every test here runs once on SQLite and once on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete

from receiver.deliveries.store import DeliveryStore
from receiver.storage import Database, tables
from receiver.webhooks.definitions import DefinitionStore
from receiver.webhooks.keys import KeyStore


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str | None:
    """An empty database of this module's own."""
    created: str | None = None
    if request.param == "postgres":
        created = request.getfixturevalue("postgres").create_database()
    return created


@pytest.fixture(scope="module")
async def database(url: str | None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Database]:
    home: Path = tmp_path_factory.mktemp("home")
    opened = Database.open(url, home)
    yield opened
    await opened.close()


@pytest.fixture
async def db(database: Database) -> Database:
    """The database with nothing in it."""

    def empty(connection: Connection) -> None:
        for table in tables.metadata.sorted_tables:
            if table is not tables.meta:
                connection.execute(delete(table))

    await database.write(empty)
    return database


@pytest.fixture
def store(db: Database) -> DeliveryStore:
    return DeliveryStore(db)


@pytest.fixture
async def stores(
    url: str | None, store: DeliveryStore, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[list[DeliveryStore]]:
    """The stores of two processes; SQLite has one, which then is both."""
    if url is None:
        yield [store, store]
        return
    other = Database.open(url, tmp_path_factory.mktemp("other"))
    yield [store, DeliveryStore(other)]
    await other.close()


@pytest.fixture
def definitions(db: Database) -> DefinitionStore:
    return DefinitionStore(db)


@pytest.fixture
def keys(db: Database) -> KeyStore:
    return KeyStore(db)
