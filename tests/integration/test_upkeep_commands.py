"""`webhooks vacuum`, `erase` and `backup`, against a server on a port."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from receiver.deliveries.lifecycle import Status
from receiver.supervisor.postgres import EmbeddedPostgres
from tests.support.admin import ServedApi, served_admin_api
from tests.support.commands import run_command
from tests.support.postgres import TestPostgres
from tests.support.prefect import outside_environment


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[ServedApi]:
    home = tmp_path / "home"
    home.mkdir()
    with served_admin_api(home, outside_environment()) as served:
        yield served


def test_erase_tells_first_asks_then_erases_and_names_what_is_left(receiver: ServedApi) -> None:
    refused = receiver.store(body=b'{"mail": "ada@example.com"}', status=Status.FILTERED, deployment="")
    other = receiver.store(body=b'{"mail": "grace@example.com"}', status=Status.FILTERED, deployment="")
    words = ("erase", "--match", "ADA@example.com")
    told = run_command(receiver.env, *words, "--dry-run").stdout
    assert "1 of 2 deliveries would be erased." in told and refused in told and other not in told
    assert "1 delivery is meant. Say --yes" in run_command(receiver.env, *words, exit_code=1).stderr
    assert "Give --match" in run_command(receiver.env, "erase", exit_code=1).stderr
    assert "1 of 2 deliveries erased." in run_command(receiver.env, *words, "--yes").stdout
    assert "0 of 2" in run_command(receiver.env, *words).stdout

    queued = receiver.store(body=b"ada@example.com")
    left = run_command(receiver.env, *words, "--yes", "--json", exit_code=1)
    assert [each["id"] for each in json.loads(left.stdout)["left"]] == [queued]


def test_vacuum_tells_what_the_inbox_took_and_takes(receiver: ServedApi) -> None:
    old = datetime.now(UTC) - timedelta(days=500)
    for _ in range(3):
        receiver.store(received_at=old, status=Status.FILTERED, deployment="", body=b"x" * 2_000_000)
    told = json.loads(run_command(receiver.env, "vacuum", "--json").stdout)
    assert told["purged"]["rows"] == 3
    assert told["after"]["total"] < told["before"]["total"] / 2
    assert "Deleted what had come of age: 0 bodies, 0 deliveries." in run_command(receiver.env, "vacuum").stdout
    assert "Say --yes" in run_command(receiver.env, "vacuum", "--full", exit_code=1).stderr
    assert "takes" in run_command(receiver.env, "vacuum", "--full", "--yes").stdout


def test_backup_copies_the_inbox_in_use(receiver: ServedApi, tmp_path: Path) -> None:
    receiver.store()
    copy = tmp_path / "copy.db"
    assert json.loads(run_command(receiver.env, "backup", str(copy), "--json").stdout) == {
        str(copy): copy.stat().st_size
    }
    assert "exists" in run_command(receiver.env, "backup", str(copy), exit_code=1).stderr
    words = ("backup", str(tmp_path / "other.db"), "--prefect", str(tmp_path / "prefect.dump"))
    assert "no PostgreSQL" in run_command(receiver.env, *words, exit_code=1).stderr


def test_prefects_database_is_dumped_while_it_runs(postgres: TestPostgres, tmp_path: Path) -> None:
    server: EmbeddedPostgres = postgres.server
    server.ensure_database("dumped")
    server.dump("dumped", tmp_path / "prefect.dump")
    dumped = tmp_path / "prefect.dump"
    assert dumped.read_bytes().startswith(b"PGDMP") and dumped.stat().st_mode & 0o777 == 0o600
