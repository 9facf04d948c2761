"""Brings a database's tables up to date at start, one process at a time."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import DBAPIError

from receiver.storage import tables
from receiver.storage.address import Address, find_address, make_file
from receiver.storage.connections import writer_engine
from receiver.storage.errors import StoreUnusable
from receiver.storage.faults import describe
from receiver.storage.lock import FileLock

_ADVISORY_LOCK = 0x77686B
"""Any number, as long as nobody else takes it in the same database."""


def migrate(url: str | None, home: Path) -> str:
    """Bring the tables of the database at `url` (default: SQLite in `home`) up to date; its instance token.

    Nothing happens when they are; a second process waits for the first. Raises StoreUnusable.
    """
    return migrate_address(find_address(url, home))


def migrate_address(address: Address) -> str:
    """As `migrate`, for an address that was found already."""
    if address.file:
        make_file(address.file)
    engine = writer_engine(address)
    try:
        with _alone(address), engine.begin() as connection:
            if address.file is None:
                _check_encoding(connection)
                # Another process may take its time; a migration of many rows too.
                connection.execute(text("SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0"))
                # Held to the end of the transaction, however it ends; a second process then finds nothing to do.
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            return _first_values(connection)
    except CommandError as error:
        raise StoreUnusable(
            f"{address.shown} was made by a newer version of prefect-webhooks ({error}): install that version"
        ) from None
    except DBAPIError as error:
        advice = "" if address.file else ": see that it runs and that WEBHOOKS_DATABASE_URL is right"
        raise StoreUnusable(f"{address.file or address.shown} cannot be used ({describe(error)}){advice}") from error
    finally:
        engine.dispose()


@contextlib.contextmanager
def _alone(address: Address) -> Iterator[None]:
    if address.file is None:
        yield
    else:
        with FileLock(address.file.with_name(address.file.name + ".migrate.lock")):
            yield


def _check_encoding(connection: Connection) -> None:
    encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
    if encoding != "UTF8":
        raise StoreUnusable(f"the database's encoding is {encoding}: create it with ENCODING 'UTF8' TEMPLATE template0")


def _first_values(connection: Connection) -> str:
    """The single values that every database has; the instance's token."""
    name = tables.meta.c.name
    found = connection.execute(select(tables.meta.c.text).where(name == "instance")).scalar_one_or_none()
    if found is not None:
        return str(found)
    token = secrets.token_hex(32)
    catalog = {"name": "catalog", "number": 0, "text": ""}
    connection.execute(tables.meta.insert(), [catalog, {"name": "instance", "number": 0, "text": token}])
    return token
