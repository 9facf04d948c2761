"""A running command under its guard, for the event loop: its lines as they come, its end, and how to end it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Self

from receiver.supervisor.guarded import Command
from receiver.supervisor.loglines import LineSplitter

_CHUNK = 64 * 1024


class Child:
    """Made by `start`. `on_line` is called with every line of its output and error output."""

    def __init__(self, process: asyncio.subprocess.Process, on_line: Callable[[str], None]) -> None:
        self._process = process
        self._reading = asyncio.create_task(self._read(on_line))

    @classmethod
    async def start(cls, command: Command, env: Mapping[str, str], on_line: Callable[[str], None]) -> Self:
        """Start the command with exactly this environment."""
        process = await asyncio.create_subprocess_exec(
            *command.guarded(),
            env=dict(env),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            pass_fds=command.held,
        )
        return cls(process, on_line)

    @property
    def ended(self) -> bool:
        return self._process.returncode is not None

    async def wait(self) -> int:
        """Its exit status (128 + signal when killed by one), once it and all its descendants are gone."""
        await self._reading
        return await self._process.wait()

    def ask_to_stop(self) -> None:
        """Its stop signal; after the command's grace it and its descendants are ended by force."""
        self._say(b"s")

    def kill(self) -> None:
        """End it and its descendants now."""
        self._say(b"k")

    def _say(self, word: bytes) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(ConnectionError, RuntimeError):  # it ended before it heard
            self._process.stdin.write(word)

    async def _read(self, on_line: Callable[[str], None]) -> None:
        assert self._process.stdout is not None
        splitter = LineSplitter()
        while True:
            data = await self._process.stdout.read(_CHUNK)
            for line in splitter.feed(data):
                on_line(line)
            if not data:
                return
