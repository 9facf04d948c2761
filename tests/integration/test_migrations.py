"""The tables as migrations make them, on both databases."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, inspect, text

from receiver.storage import StoreUnusable
from receiver.storage.address import find_address
from receiver.storage.migrate import migrate
from receiver.storage.tables import metadata
from tests.support.postgres import TestPostgres

_PROCESS = """
import pathlib, sys
from receiver.storage.migrate import migrate
print(migrate(sys.argv[1] or None, pathlib.Path(sys.argv[2])))
"""


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """Where to migrate; empty for SQLite in the home."""
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres").create_database()


def described(connection: Connection) -> dict[str, Any]:
    """Everything the database itself says about its tables but their migrations' own."""
    if connection.dialect.name == "sqlite":
        rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE tbl_name != 'webhooks_schema'")).all()
        return {row.name: " ".join(row.sql.split()) if row.sql else None for row in rows}
    columns = connection.execute(
        text(
            "SELECT table_name, column_name, data_type, is_nullable, column_default, collation_name "
            "FROM information_schema.columns WHERE table_schema = 'public' AND table_name != 'webhooks_schema'"
        )
    )
    indexes = connection.execute(
        text(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename != 'webhooks_schema'"
        )
    )
    return {
        **{f"{row.table_name}.{row.column_name}": tuple(row) for row in columns},
        **{row.indexname: row.indexdef for row in indexes},
    }


def test_migrations_make_exactly_the_tables_of_the_code(url: str, tmp_path: Path, postgres: TestPostgres) -> None:
    migrate(url, tmp_path)
    migrated = create_engine(find_address(url, tmp_path).url)
    made_url = (
        f"sqlite:///{tmp_path / 'made.db'}" if not url else find_address(postgres.create_database(), tmp_path).url
    )
    made = create_engine(made_url)
    try:
        metadata.create_all(made)
        with migrated.connect() as one, made.connect() as other:
            assert set(inspect(one).get_table_names()) == {*metadata.tables, "webhooks_schema"}
            assert described(one) == described(other)
    finally:
        migrated.dispose()
        made.dispose()


def test_migrating_again_changes_nothing(url: str, tmp_path: Path) -> None:
    token = migrate(url, tmp_path)
    assert len(token) == 64
    assert migrate(url, tmp_path) == token


def test_processes_that_migrate_at_once_agree(url: str, tmp_path: Path) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", _PROCESS, url, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    answers = [process.communicate(timeout=300)[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert answers == [migrate(url, tmp_path)] * 3


def test_tables_of_a_newer_version_are_left_alone(url: str, tmp_path: Path) -> None:
    migrate(url, tmp_path)
    engine = create_engine(find_address(url, tmp_path).url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE webhooks_schema SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StoreUnusable, match="newer version"):
        migrate(url, tmp_path)


def test_a_database_that_is_not_there_is_named_without_its_password(tmp_path: Path, free_port: int) -> None:
    with pytest.raises(StoreUnusable, match=f"127.0.0.1:{free_port}.*WEBHOOKS_DATABASE_URL") as caught:
        migrate(f"postgresql://me:hunter2@127.0.0.1:{free_port}/inbox", tmp_path)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["mysql://me:hunter2@host/db", "hunter2", "sqlite:///x.db"])
def test_another_kind_of_database_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match="postgresql://") as caught:
        migrate(url, tmp_path)
    assert "hunter2" not in str(caught.value)


def test_a_database_of_another_encoding_is_refused(postgres: TestPostgres, tmp_path: Path) -> None:
    engine = create_engine(find_address(postgres.create_database(), tmp_path).url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(
            text("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0")
        )
    latin = engine.url.set(database="latin", drivername="postgresql").render_as_string(hide_password=False)
    engine.dispose()
    with pytest.raises(StoreUnusable, match="UTF8"):
        migrate(latin, tmp_path)


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnusable, match="WEBHOOKS_HOME"):
        migrate(None, tmp_path / "file" / "home")


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    migrate(None, tmp_path / "home")
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "home").iterdir()} == {0o600}
