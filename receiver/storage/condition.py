"""What state a database is in: the revision of its tables against the one this code knows, and its clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from receiver.storage.address import find_address
from receiver.storage.connections import reader_engine
from receiver.storage.errors import StoreUnusable
from receiver.storage.faults import describe
from receiver.storage.tables import VERSION_TABLE


@dataclass(frozen=True, kw_only=True)
class Condition:
    """`revision` is None in a database without tables. `known` tells whether this code knows that revision.

    `clock` is the database server's; None on SQLite, which has ours.
    """

    revision: str | None
    head: str
    known: bool
    clock: datetime | None


def read_condition(connection: Connection) -> Condition:
    """The condition of an open database."""
    script = ScriptDirectory(str(Path(__file__).parent / "migrations"))
    revision = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()
    on_postgres = connection.dialect.name == "postgresql"
    clock = connection.execute(text("SELECT clock_timestamp()")).scalar_one() if on_postgres else None
    return Condition(
        revision=revision,
        head=script.get_current_head() or "",
        known=revision is None or revision in {each.revision for each in script.walk_revisions()},
        clock=None if clock is None else clock.astimezone(UTC),
    )


def look_at(url: str | None, home: Path) -> Condition | None:
    """The condition of a database that nobody has opened, which is not changed; None when there is no file yet.

    `url` and `home` as for `Database.open`. Raises StoreUnusable when it cannot be reached.
    """
    address = find_address(url, home)
    if address.file is not None and not address.file.exists():
        return None
    engine = reader_engine(address)
    try:
        with engine.connect() as connection:
            return read_condition(connection)
    except DBAPIError as error:
        raise StoreUnusable(f"{address.file or address.shown} cannot be read ({describe(error)})") from None
    finally:
        engine.dispose()
