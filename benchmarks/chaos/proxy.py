"""A TCP proxy on loopback whose connections can be cut, slowed, or made to lose what comes back."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Self

_CHUNK = 64 * 1024


class Link:
    """From a port of its own to `target` on 127.0.0.1. `cut`, `mute` and `delay` (seconds a chunk) act at once."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._cut = False
        self._open: set[asyncio.Task[None]] = set()
        self.mute = False
        self.delay = 0.0
        self.port = 0
        self.refused = 0

    async def __aenter__(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Close it and all its connections."""
        self._server.close()
        self.break_all()
        await asyncio.gather(*self._open, return_exceptions=True)

    @property
    def cut(self) -> bool:
        """Whether every connection is broken and none can be made."""
        return self._cut

    @cut.setter
    def cut(self, value: bool) -> None:
        self._cut = value
        if value:
            self.break_all()

    def break_all(self) -> None:
        """Break every connection there is; new ones can be made."""
        for task in self._open:
            task.cancel()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        onward: asyncio.StreamWriter | None = None
        try:
            if self._cut:
                self.refused += 1
                return
            with suppress(OSError):
                back, onward = await asyncio.open_connection("127.0.0.1", self._target)
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pump(reader, onward, coming_back=False))
                    group.create_task(self._pump(back, writer, coming_back=True))
        except* OSError:
            pass  # one side has gone; the other is closed below
        except* asyncio.CancelledError:
            pass  # cut
        finally:
            self._open.discard(task)
            for each in (writer, onward):
                if each is not None:
                    each.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, coming_back: bool) -> None:
        while chunk := await source.read(_CHUNK):
            if self.delay:
                await asyncio.sleep(self.delay)
            if coming_back and self.mute:
                continue
            sink.write(chunk)
            await sink.drain()
        raise ConnectionResetError  # ends the other direction too: HTTP needs no half-closed connections
