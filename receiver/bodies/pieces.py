"""Bodies in the inbox's own database, in pieces: the place that several receivers on several machines share anyway."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from receiver.bodies.storage import BodyGone
from receiver.storage import Database
from receiver.storage.tables import body_piece

SIZE = 1024 * 1024
"""Bytes of a piece: what one commit holds up, and what one read has in memory."""


class DatabaseStorage:
    """A BodyStorage in the table `body_piece`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def put(self, key: str, body: bytes) -> None:
        """Each piece has a commit of its own, so that small requests are not held up by all of it."""
        for number, start in enumerate(range(0, len(body), SIZE)):
            piece = {"key": key, "number": number, "data": body[start : start + SIZE]}
            await self._db.write(partial(_add, piece=piece))

    async def read(self, key: str, start: int, stop: int) -> bytes:
        """The bytes from `start` to before `stop`. Raises BodyGone."""
        first, last = start // SIZE, max(start, stop - 1) // SIZE
        pieces = await self._db.read(lambda c: _pieces(c, key, first, last))
        if len(pieces) <= last - first:
            raise BodyGone(f"the pieces of a body are not there: {key}")
        return b"".join(pieces)[start - first * SIZE : stop - first * SIZE]

    async def delete(self, key: str) -> None:
        """Delete all pieces of a body."""
        await self._db.write(lambda c: c.execute(delete(body_piece).where(body_piece.c.key == key)).rowcount)

    async def days(self) -> Sequence[str]:
        """The days of which there are pieces."""
        day = func.substr(body_piece.c.key, 1, 10)
        query = select(day).where(body_piece.c.number == 0).distinct().order_by(day)
        return await self._db.read(lambda c: list(c.scalars(query)))

    async def keys(self, day: str) -> Sequence[str]:
        """The keys of a day's bodies."""
        of_day = (body_piece.c.key > f"{day}/") & (body_piece.c.key < f"{day}0") & (body_piece.c.number == 0)
        query = select(body_piece.c.key).where(of_day).order_by(body_piece.c.key)
        return await self._db.read(lambda c: list(c.scalars(query)))


def _add(connection: Connection, *, piece: dict[str, Any]) -> None:
    connection.execute(insert(body_piece), [piece])


def _pieces(connection: Connection, key: str, first: int, last: int) -> list[bytes]:
    wanted = (body_piece.c.key == key) & body_piece.c.number.between(first, last)
    query = select(body_piece.c.data).where(wanted).order_by(body_piece.c.number)
    return [bytes(data) for data in connection.scalars(query)]
