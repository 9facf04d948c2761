"""The worker's ends of its zygotes and children: what was said, what ended."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from flows.worker import wire
from flows.worker.child import end_family_of
from flows.worker.pool import ChildState, ChildView, Vitals


class ZygoteLost(Exception):
    """The zygote ended before it could do what it was asked."""


class UnfitPrefect(Exception):
    """The installed Prefect lacks names this worker uses; the message lists them."""


@dataclass(frozen=True)
class Death:
    """A child ended over its order. `status` is negative for a signal, None when its zygote ended with it."""

    status: int | None
    timed_out: bool = False


class ZygoteHandle:
    """A zygote process. `lost` is set when it has ended, after `on_exited(number, status)` for what it reported."""

    def __init__(self, generation: int, on_exited: Callable[[int, int], None], on_lost: Callable[[int], None]) -> None:
        self.generation = generation
        self.files: list[str] = []
        self.failed: dict[str, str] = {}
        self.threads: list[str] = []
        self._on_exited, self._on_lost = on_exited, on_lost
        self._forking = asyncio.Lock()
        self._forked: asyncio.Future[int] | None = None
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self, env: Mapping[str, str], entrypoints: list[str], held: tuple[int, ...]) -> None:
        """Spawn it and wait until everything is imported. Raises ZygoteLost and UnfitPrefect.

        `held` are descriptors that it and its children keep open.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "flows.worker.zygote",
                str(theirs.fileno()),
                env=dict(env),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[theirs.fileno(), *held],
                start_new_session=True,  # a terminal's Ctrl-C reaches the worker only, which lets runs finish
            )
        self._raw = ours.dup()  # descriptors travel outside asyncio's streams
        self._reader, self._writer = await asyncio.open_unix_connection(sock=ours)
        self._writer.write(wire.encode({"import": entrypoints}))
        message = await wire.read(self._reader)
        if message is None or "ready" not in message:
            await self.stop()
            if message is not None:
                raise UnfitPrefect("; ".join(message["unfit"]))
            raise ZygoteLost("the zygote ended while it imported the flows")
        ready = message["ready"]
        self.files, self.failed, self.threads = ready["files"], ready["failed"], ready["threads"]
        self._listening = asyncio.create_task(self._listen())

    async def fork(self, number: int, env: Mapping[str, str], channel: socket.socket, output: int) -> int:
        """The new child's process id. Raises ZygoteLost."""
        async with self._forking:  # one message with descriptors at a time
            self._forked = asyncio.get_running_loop().create_future()
            try:
                socket.send_fds(
                    self._raw, [wire.encode({"fork": number, "env": dict(env)})], [channel.fileno(), output]
                )
            except OSError as error:
                raise ZygoteLost("the zygote ended before it could fork") from error
            return await self._forked

    async def _listen(self) -> None:
        while (message := await wire.read(self._reader)) is not None:
            if "forked" in message and self._forked and not self._forked.done():
                self._forked.set_result(message["pid"])
            elif "exited" in message:
                self._on_exited(message["exited"], message["status"])
        if self._forked and not self._forked.done():
            self._forked.set_exception(ZygoteLost("the zygote ended before it could fork"))
        self._close()
        assert self._process is not None
        await self._process.wait()
        self._on_lost(self.generation)

    async def stop(self) -> None:
        """End it with all its children, now, and wait until it is gone."""
        self._close()
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(5):  # wait_for may lose a cancellation on Python 3.11
                await self._process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    def _close(self) -> None:
        if self._process is not None and hasattr(self, "_writer"):
            self._writer.close()
            self._raw.close()


class ChildHandle:
    """A child process, its order and what it prints."""

    def __init__(self, number: int, generation: int, write_line: Callable[[str], None], single: bool = False) -> None:
        self.number, self.generation, self.single = number, generation, single
        self.state = ChildState.STARTING
        self.idle_since = 0.0
        self.vitals = Vitals(runs=0, memory=0.0)
        self.pid: int | None = None
        self.flow_run: str | None = None
        self.timed_out = False
        self.ended, self.free = asyncio.Event(), asyncio.Event()
        self.free.set()
        self._write_line, self._rest = write_line, b""
        self._prefix: str | None = f"child {number}"
        self._answer: asyncio.Future[wire.Message | Death] | None = None

    @property
    def view(self) -> ChildView:
        return ChildView(number=self.number, state=self.state, generation=self.generation, idle_since=self.idle_since)

    async def start(self, zygote: ZygoteHandle, env: Mapping[str, str]) -> Vitals | None:
        """Fork it and wait until it has opened its client; None when it ended before. Raises ZygoteLost."""
        ours, theirs = socket.socketpair()
        self._output, theirs_output = os.pipe()
        try:
            self.pid = await zygote.fork(self.number, env, theirs, theirs_output)
        except BaseException:
            ours.close()
            os.close(self._output)
            raise
        finally:
            theirs.close()
            os.close(theirs_output)
        os.set_blocking(self._output, False)
        asyncio.get_running_loop().add_reader(self._output, self._read_output)
        self._reader, self._writer = await asyncio.open_unix_connection(sock=ours)
        message = await wire.read(self._reader)
        if message is None:
            return None
        self._listening = asyncio.create_task(self._listen())
        return Vitals(**message["ready"])

    async def order(self, message: wire.Message, prefix: str | None) -> wire.Message | Death:
        """Give it something to do and wait for its answer or its end."""
        self._prefix, self.flow_run = prefix, message["flow_run"]["id"]
        self._answer = asyncio.get_running_loop().create_future()
        self.free.clear()
        if self.ended.is_set():
            return Death(None)
        self.say(message)
        return await self._answer

    def say(self, message: wire.Message) -> None:
        """Send without waiting; a child that is gone hears nothing."""
        if hasattr(self, "_writer") and not self._writer.is_closing():
            self._writer.write(wire.encode(message))

    async def _listen(self) -> None:
        while (message := await wire.read(self._reader)) is not None:
            self._read_output()  # what the run printed before it was done still bears its name
            self.vitals = Vitals(**message["vitals"])
            self._settle(message)

    def _settle(self, answer: wire.Message | Death) -> None:
        self.flow_run = None
        self.free.set()
        if self._answer and not self._answer.done():
            self._answer.set_result(answer)

    def exited(self, status: int | None) -> None:
        """The zygote says that it ended, or has ended itself."""
        if self.ended.is_set():
            return
        self.ended.set()
        self.state = ChildState.RETIRING
        if hasattr(self, "_output"):
            self._read_output()
            asyncio.get_running_loop().remove_reader(self._output)
            os.close(self._output)
            if self._rest:
                self._write(self._rest)
        if hasattr(self, "_writer"):
            self._writer.close()
        self._settle(Death(status, self.timed_out))

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it with what it started; SIGTERM lets a run report itself crashed."""
        if self.pid is None or self.ended.is_set():
            return
        if number is signal.SIGKILL:
            end_family_of(self.pid)
            return
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def _read_output(self) -> None:
        if self.ended.is_set() and self.state is not ChildState.RETIRING:
            return
        while True:
            try:
                chunk = os.read(self._output, 65536)
            except OSError:
                return
            if not chunk:
                asyncio.get_running_loop().remove_reader(self._output)
                return
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            for line in lines:
                self._write(line)

    def _write(self, line: bytes) -> None:
        if self._prefix is not None:
            self._write_line(f"{self._prefix} | {line.decode(errors='replace')}")
