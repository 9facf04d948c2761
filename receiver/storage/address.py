"""Where the database is: SQLite in the home, or the PostgreSQL of `WEBHOOKS_DATABASE_URL`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from receiver.storage.errors import StoreUnusable

_FILE = "receiver.db"
_POSTGRES = {"postgres", "postgresql", "postgresql+psycopg"}


@dataclass(frozen=True)
class Address:
    """A database's URL with our drivers. `file` is SQLite's, None on PostgreSQL."""

    url: URL
    file: Path | None

    @property
    def shown(self) -> str:
        """For messages: without the password."""
        return self.url.render_as_string(hide_password=True)


def find_address(url: str | None, home: Path) -> Address:
    """The address of `url` (`postgresql://...`, psycopg's driver is chosen), by default of `home/receiver.db`.

    Raises StoreUnusable for any other kind of database.
    """
    if not url:
        file = home / _FILE
        return Address(URL.create("sqlite", database=str(file)), file)
    try:
        parsed = make_url(url)
    except ArgumentError:
        # The text may hold a password: it is not repeated.
        raise StoreUnusable("WEBHOOKS_DATABASE_URL is no URL; write postgresql://user:password@host/name") from None
    if parsed.drivername not in _POSTGRES:
        raise StoreUnusable(
            f"WEBHOOKS_DATABASE_URL names {parsed.drivername!r}; write postgresql://user:password@host/name, "
            "or leave it empty for SQLite in WEBHOOKS_HOME"
        )
    return Address(parsed.set(drivername="postgresql+psycopg"), None)


def make_file(file: Path) -> None:
    """Make the database's file and folder, readable by their owner alone. Raises StoreUnusable."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StoreUnusable(
            f"{file} cannot be written ({error.strerror}): make the folder writable or set WEBHOOKS_HOME to another"
        ) from None
