"""Engines: how each connection is set up. Nothing connects before it is used."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, QueuePool, create_engine, event

from receiver.storage.address import Address

READERS = 4
_BUSY_SECONDS = 5

_SQLITE_WRITER = (
    "PRAGMA auto_vacuum=INCREMENTAL",  # of a new file; what it gives back is asked for by `webhooks vacuum`
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",  # a commit is on disk when it returns
    "PRAGMA foreign_keys=ON",
    "PRAGMA secure_delete=ON",  # what is purged or erased is overwritten, not only let go
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-32768",
    "PRAGMA journal_size_limit=67108864",
)
_SQLITE_READER = ("PRAGMA query_only=ON", "PRAGMA temp_store=MEMORY")
_POSTGRES = (
    # A server that is set to acknowledge before it has written would break the promise of the answer 202.
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
    "SET lock_timeout = '10s'",
    "SET statement_timeout = '60s'",
    "SET idle_in_transaction_session_timeout = '60s'",
)
_POSTGRES_ARGUMENTS = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "application_name": "prefect-webhooks",
}


def writer_engine(address: Address) -> Engine:
    """For the one thread that writes: no pool, a transaction takes SQLite's write lock when it begins."""
    return _engine(address, poolclass=NullPool, begin="BEGIN IMMEDIATE", setup=_SQLITE_WRITER)


def reader_engine(address: Address) -> Engine:
    """For the threads that read: a small pool of connections that cannot write."""
    engine = _engine(
        address,
        poolclass=QueuePool,
        begin="BEGIN",
        setup=_SQLITE_READER,
        pool_size=READERS,
        max_overflow=0,
        pool_pre_ping=address.file is None,
    )
    if address.file is None:
        return engine.execution_options(postgresql_readonly=True, isolation_level="REPEATABLE READ")
    return engine


def _engine(address: Address, *, begin: str, setup: tuple[str, ...], **options: Any) -> Engine:
    if address.file is None:
        engine = create_engine(address.url, connect_args=_POSTGRES_ARGUMENTS, **options)
        event.listen(engine, "connect", _set_up_postgres)
        return engine
    # Transactions are begun by us alone: the driver's own would take the write lock at a moment of its choosing.
    arguments = {
        "timeout": _BUSY_SECONDS,
        "isolation_level": None,
        "check_same_thread": False,
        "cached_statements": 512,
    }
    engine = create_engine(address.url, connect_args=arguments, **options)

    def set_up(connection: sqlite3.Connection, _record: object) -> None:
        for statement in setup:
            connection.execute(statement)

    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", set_up)
    event.listen(engine, "begin", start)
    return engine


def _set_up_postgres(connection: Any, _record: object) -> None:
    for statement in _POSTGRES:
        connection.execute(statement)
    connection.commit()
