"""A temporary Prefect server for tests, and the folder of state in which a test's mail and records are found."""

from __future__ import annotations

import asyncio
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

_STARTUP_SECONDS = 180
_HOME = "WEBHOOKS_HOME"


@dataclass(frozen=True, kw_only=True)
class Server:
    """The session's Prefect server, and a folder of state (`WEBHOOKS_HOME`) of the test's own.

    Where no block `smtp/default` and `records-database/default` is saved, flows put mail and records there. Blocks
    that a test saves stay until the session ends: give them names of their own.
    """

    api_url: str
    home: Path

    def mails(self) -> list[EmailMessage]:
        """The e-mails that this test's flows have sent, the oldest first."""
        files = sorted((self.home / "mail").glob("*.eml"), key=lambda file: (file.stat().st_mtime_ns, file.name))
        return [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]

    def records(self, table: str) -> list[dict[str, Any]]:
        """The rows that this test's flows have stored in a table, as the database keeps them; none without a table."""
        file = self.home / "records.db"
        if not file.is_file():
            return []
        with closing(sqlite3.connect(file)) as connection:
            connection.row_factory = sqlite3.Row
            known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone()
            quoted = '"' + table.replace('"', '""') + '"'
            return [dict(row) for row in connection.execute(f"SELECT * FROM {quoted}")] if known else []  # noqa: S608


@contextmanager
def running_prefect(folder: Path) -> Iterator[str]:
    """A Prefect server with its state in `folder`, used by this process until the end; gives the API's address."""
    from prefect import settings
    from prefect.filesystems import LocalFileSystem
    from prefect.settings import temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    auth = f"tests:{secrets.token_urlsafe(16)}"
    own = {
        settings.PREFECT_HOME: str(folder),
        settings.PREFECT_SERVER_API_AUTH_STRING: auth,
        settings.PREFECT_API_AUTH_STRING: auth,
        settings.PREFECT_SERVER_ANALYTICS_ENABLED: False,
    }
    # Nothing of the shell or a profile may lead a test to the server that is really used.
    outside = {settings.PREFECT_API_URL, settings.PREFECT_API_KEY, settings.PREFECT_DEFAULT_RESULT_STORAGE_BLOCK}
    with (
        temporary_settings(updates=own, restore_defaults=outside),
        prefect_test_harness(server_startup_timeout=_STARTUP_SECONDS),
    ):
        # Without storage for results by name, Prefect asks its server at each run with a client that it never closes.
        asyncio.run(LocalFileSystem(basepath=str(folder / "results")).asave("tests", overwrite=True))
        with temporary_settings(updates={settings.PREFECT_DEFAULT_RESULT_STORAGE_BLOCK: "local-file-system/tests"}):
            yield settings.PREFECT_API_URL.value()


@contextmanager
def home_of_a_test(api_url: str, folder: Path) -> Iterator[Server]:
    """The folder of state is `folder` until the end, and what was looked up before is forgotten."""
    from blocks import lookup

    before = os.environ.get(_HOME)
    os.environ[_HOME] = str(folder)
    lookup.forget()
    try:
        yield Server(api_url=api_url, home=folder)
    finally:
        if before is None:
            os.environ.pop(_HOME, None)
        else:
            os.environ[_HOME] = before
