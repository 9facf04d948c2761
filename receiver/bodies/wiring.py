"""The storages by their names, each opened when it is first needed."""

from __future__ import annotations

from pathlib import Path

from receiver.bodies.door import Bodies
from receiver.bodies.filesystem import BLOCK_TYPE, FilesystemStorage, ReadBlock
from receiver.bodies.folder import FolderStorage
from receiver.bodies.pieces import DatabaseStorage
from receiver.bodies.room import Room
from receiver.bodies.spool import Spool
from receiver.bodies.storage import BodyStorage
from receiver.storage import Database, StoreUnavailable

LOCAL, DATABASE, BLOCK = "local", "database", f"block:{BLOCK_TYPE}/"


class Storages:
    """Every storage that a row may name: `local`, `database`, `block:remote-file-system/NAME`."""

    def __init__(self, db: Database, home: Path, read_block: ReadBlock) -> None:
        self._db = db
        self._home = home
        self._read_block = read_block
        self._opened: dict[str, BodyStorage] = {}

    def __call__(self, name: str) -> BodyStorage:
        """The storage of a name. Raises StoreUnavailable for a name that is none."""
        if name not in self._opened:
            self._opened[name] = self._open(name)
        return self._opened[name]

    def _open(self, name: str) -> BodyStorage:
        if name == LOCAL:
            return FolderStorage(self._home / "bodies")
        if name == DATABASE:
            return DatabaseStorage(self._db)
        if name.startswith(BLOCK):
            return FilesystemStorage(name.removeprefix(BLOCK), self._read_block)
        raise StoreUnavailable("a body is kept in a storage that this version does not know")


def open_bodies(
    db: Database, home: Path, read_block: ReadBlock, *, place: str | None, inline: int, bench: Room, spool: Spool
) -> Bodies:
    """Bodies over `inline` bytes in the storage called `place`.

    By default in a folder of the home; where several receivers, perhaps on several machines, have the same inbox, in
    its database, which is the one place that all of them reach.
    """
    chosen = place or (LOCAL if db.is_ours_alone else DATABASE)
    return Bodies(place=chosen, storage=Storages(db, home, read_block), inline=inline, bench=bench, spool=spool)
