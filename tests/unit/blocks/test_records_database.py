"""Tables found and made in a real database: SQLite here, PostgreSQL beside it."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Column, Integer, MetaData, String, Table, func, insert, select, text

from blocks import RecordsDatabase, connections
from blocks.errors import Failed, NotConfigured, TryAgain, UnknownColumn, UnknownTable


def customers() -> Table:
    return Table("customers", MetaData(), Column("id", Integer, primary_key=True), Column("name", String(50)))


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RecordsDatabase]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'records.db'}"
    else:
        url = request.getfixturevalue("postgres").create_database()
    yield RecordsDatabase(url=SecretStr(url))
    await connections.close()


async def test_a_declared_table_is_created_once_and_used(database: RecordsDatabase):
    table = await database.table(customers())

    stored = await database.run(insert(table).values(name="Ada").returning(table))

    assert stored == [{"id": 1, "name": "Ada"}]
    assert await database.run(select((await database.table("customers")).c.name)) == [{"name": "Ada"}]


async def test_many_who_need_a_table_at_once_all_get_it(database: RecordsDatabase):
    await asyncio.gather(*(database.table(customers()) for _ in range(20)))

    assert await database.run(select(func.count().label("rows")).select_from(customers())) == [{"rows": 0}]


async def test_an_unknown_table_names_near_ones_and_says_how_to_make_it(database: RecordsDatabase):
    await database.table(customers())

    with pytest.raises(UnknownTable, match=r"no table 'customer' \(did you mean 'customers'\?\).*SQLAlchemy Table"):
        await database.table("customer")


async def test_a_declared_column_the_table_lacks_is_named(database: RecordsDatabase):
    await database.table(customers())
    grown = Table("customers", MetaData(), Column("id", Integer, primary_key=True), Column("surname", String))

    with pytest.raises(UnknownColumn, match="no column 'surname'"):
        await database.table(grown)


async def test_a_table_that_has_grown_is_looked_at_again(database: RecordsDatabase):
    await database.table(customers())
    assert "age" not in (await database.table("customers")).c
    await database.run(text("ALTER TABLE customers ADD COLUMN age INTEGER"))

    assert "age" in (await database.table("customers", ["age"])).c


async def test_statements_of_one_call_are_stored_together_or_not_at_all(database: RecordsDatabase):
    table = await database.table(customers())

    with pytest.raises(Failed):
        await database.run(insert(table).values(id=1, name="Ada"), insert(table).values(id=1, name="Bob"))

    assert await database.run(select(table)) == []


async def test_a_server_that_is_down_is_worth_another_try(free_port: int):
    database = RecordsDatabase(url=SecretStr(f"postgresql://nobody@127.0.0.1:{free_port}/none"))

    with pytest.raises(TryAgain):
        await database.table("customers")
    await connections.close()


@pytest.mark.parametrize("url", ["no url", "sqlite://", "sqlite:///:memory:", "oracle://host/name", "nosuch://host"])
async def test_a_url_that_cannot_be_used_is_refused(url: str):
    with pytest.raises(NotConfigured):
        await RecordsDatabase(url=SecretStr(url)).table("customers")


def _store(url: str, name: str) -> None:
    async def store() -> None:
        database = RecordsDatabase(url=SecretStr(url))
        table = await database.table(customers())
        await database.run(insert(table).values(name=name))
        await connections.close()

    asyncio.run(store())


async def test_several_processes_may_make_the_same_table_at_the_same_moment(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'records.db'}"
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_store, args=(url, f"process {number}")) for number in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        await asyncio.to_thread(process.join, 60)

    assert [process.exitcode for process in processes] == [0, 0, 0]
    database = RecordsDatabase(url=SecretStr(url))
    rows = await database.run(select((await database.table("customers")).c.name))
    assert sorted(row["name"] for row in rows) == ["process 0", "process 1", "process 2"]
    await connections.close()
