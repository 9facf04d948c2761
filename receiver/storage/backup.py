"""A copy of SQLite's file as it is at one moment, made while a receiver works with it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from receiver.contract.errors import WebhooksError
from receiver.storage.address import find_address
from receiver.storage.faults import describe


class BackupFailed(WebhooksError):
    """No copy was made; the message says why, or what makes one."""


def back_up(url: str | None, home: Path, target: Path) -> int:
    """Copy the inbox in `home` into the new file `target` (mode 0600), which then needs nothing beside it; its bytes.

    Requests go on; what they store meanwhile is not in the copy. Raises BackupFailed, and leaves no half file.
    """
    address = find_address(url, home)
    if address.file is None:
        raise BackupFailed(
            'the inbox is in PostgreSQL: pg_dump --format=custom --file=inbox.dump "$WEBHOOKS_DATABASE_URL" copies it'
        )
    if not address.file.is_file():
        raise BackupFailed(f"there is no inbox at {address.file}: run this where `webhooks up` was started")
    if target.exists():
        raise BackupFailed(f"{target} exists already: name a new file")
    unfinished = target.with_name(target.name + ".unfinished")
    try:
        os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        unfinished.chmod(0o600)
        with closing(sqlite3.connect(f"{address.file.absolute().as_uri()}?mode=rw", uri=True, timeout=30)) as inbox:
            inbox.execute("PRAGMA temp_store=FILE")
            inbox.execute("VACUUM INTO ?", (str(unfinished),))
        _sync(unfinished)
        unfinished.rename(target)
        _sync(target.parent)
        return target.stat().st_size
    except (OSError, sqlite3.Error) as error:
        raise BackupFailed(f"{target} cannot be written: {describe(error)}") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            unfinished.unlink()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
