"""A link to a server that can be cut, in a thread of its own, so that a test may wait for other processes meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.chaos.proxy import Link


class CuttableLink:
    """`port` leads to the server until `cut()`, and again after `mend()`."""

    def __init__(self, link: Link, loop: asyncio.AbstractEventLoop) -> None:
        self._link, self._loop = link, loop
        self.port = link.port

    def cut(self) -> None:
        self._set(True)

    def mend(self) -> None:
        self._set(False)

    @property
    def refused(self) -> int:
        """How many connections were refused while it was cut."""
        return self._link.refused

    def _set(self, cut: bool) -> None:
        async def act() -> None:
            self._link.cut = cut

        asyncio.run_coroutine_threadsafe(act(), self._loop).result(20)


@contextmanager
def link_to(port: int) -> Iterator[CuttableLink]:
    """A link to a port of 127.0.0.1; closed with all its connections at the end."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="link")
    thread.start()

    async def open_link() -> Link:
        return await Link(port).__aenter__()

    link = asyncio.run_coroutine_threadsafe(open_link(), loop).result(20)
    try:
        yield CuttableLink(link, loop)
    finally:
        asyncio.run_coroutine_threadsafe(link.__aexit__(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()
