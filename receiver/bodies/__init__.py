"""Big bodies: on disk while they come, a few at a time in memory, in a storage of their own afterwards."""

from receiver.bodies.door import Bodies
from receiver.bodies.room import NoRoom, Room
from receiver.bodies.spool import Spool, SpoolFile
from receiver.bodies.storage import BodyGone, BodyStorage, key_at, size_at

__all__ = ["Bodies", "BodyGone", "BodyStorage", "NoRoom", "Room", "Spool", "SpoolFile", "key_at", "size_at"]
