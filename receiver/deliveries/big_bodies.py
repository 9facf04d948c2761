"""Big bodies of deliveries: kept before the commit that names them, at hand again where they are needed.

What is kept and then not committed (or perhaps so: a connection may be lost at the very end) stays where it is, and
`leftovers.py` deletes it when it is sure that nobody names it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeVar

from receiver.bodies import Bodies
from receiver.bodies.content import Content, InMemory, Kept, OnDisk
from receiver.deliveries.records import NewDelivery, NewReplay, StoredRequest
from receiver.storage import StoreUnavailable

New = TypeVar("New", NewDelivery, NewReplay)


class BigBodies:
    """`bodies` is None where everything stays in the rows."""

    def __init__(self, bodies: Bodies | None) -> None:
        self.bodies = bodies

    def among(self, rows: Sequence[NewDelivery | NewReplay]) -> bool:
        """Whether one of these has a body too big for a row."""
        bodies = self.bodies
        return bodies is not None and any(len(row.body or b"") > bodies.inline for row in rows)

    async def stow(self, rows: Sequence[New]) -> list[New]:
        """The same with each big body kept apart, safely, when this returns. Raises StoreUnavailable."""
        return [await self._stowed(row) if self.among((row,)) else row for row in rows]

    async def _stowed(self, row: New) -> New:
        assert self.bodies is not None and row.body is not None
        where = await self.bodies.keep(row.body)
        return replace(row, body=b"", body_at=where)

    @asynccontextmanager
    async def whole(self, request: StoredRequest, *, patient: bool = False) -> AsyncIterator[StoredRequest]:
        """The request with its body in memory. Raises BodyGone, and StoreUnavailable also while there is no room."""
        if request.body_at is None:
            yield request
        else:
            async with self._opened().whole(request.body_at, patient=patient) as body:
                yield replace(request, body=body, body_at=None)

    def content(self, request: StoredRequest, start: int = 0, stop: int | None = None) -> Content:
        """The request's body, or a part of it, to be sent."""
        if request.body_at is None:
            return InMemory(request.body[start:stop])
        size = (request.size if stop is None else stop) - start
        return Kept(self._opened(), request.body_at, size, start)

    async def set_aside(self, content: bytes) -> Content:
        """Bytes that are to be sent, on disk where they are many. Raises StoreUnavailable."""
        if self.bodies is None or len(content) <= self.bodies.inline:
            return InMemory(content)
        return OnDisk(await self.bodies.spool.of(content))

    def _opened(self) -> Bodies:
        if self.bodies is None:
            raise StoreUnavailable("this process was not told where big bodies are kept")
        return self.bodies
