"""Everything that is measured, running: Prefect on PostgreSQL, the receiver, workers, the bare endpoint."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]  # no stubs are installed

from benchmarks.accounting import family
from benchmarks.apis import PrefectServer, Receiver
from benchmarks.loading import SECRET
from benchmarks.plan import Tell
from receiver.supervisor import environment
from receiver.supervisor.environment import Surroundings
from receiver.supervisor.guarded import Command, GuardedProcess
from receiver.supervisor.plan import worker_limit
from receiver.supervisor.postgres import EmbeddedPostgres

PROJECT = Path(__file__).parents[1]
WARM_POOL, STOCK_POOL = "warm", "stock"
ENTRYPOINT = "benchmarks.workload.one_node"
SECRET_VARIABLE = "BENCHMARK_SECRET"  # noqa: S105 (the name of a variable)
AT_ONCE = worker_limit(os.cpu_count() or 1)
_READY_SECONDS = 120.0


class NotStarted(Exception):
    """A part did not come up; the message holds the end of its log."""


def outside() -> dict[str, str]:
    """Our environment without any setting of Prefect's or of this project's."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "WEBHOOKS_"))}


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 nobody listens on now, all different."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in listeners]


@dataclass(frozen=True)
class _Start:
    argv: tuple[str, ...]
    env: Mapping[str, str]
    ready: Callable[[], Awaitable[bool]]


@dataclass
class Rig:
    """The running parts. `pids` are the guards of the processes by name, `logs` is the folder of what they print."""

    around: Surroundings
    logs: Path
    bare_url: str
    prefect: PrefectServer
    receiver: Receiver
    stack: AsyncExitStack
    pids: dict[str, int] = field(default_factory=dict)
    _processes: dict[str, GuardedProcess] = field(default_factory=dict)
    _starts: dict[str, _Start] = field(default_factory=dict)

    def log(self, name: str) -> Path:
        """What a part has printed."""
        return self.logs / f"{name}.log"

    async def start(
        self, name: str, argv: tuple[str, ...], env: Mapping[str, str], ready: Callable[[], Awaitable[bool]]
    ) -> None:
        """Start a part and wait until it is ready; it ends with the rig. Raises NotStarted."""
        self._starts[name] = _Start(argv, env, ready)
        log = self.log(name)
        with log.open("ab") as output:
            process = GuardedProcess(Command(argv=(sys.executable, *argv), cwd=PROJECT), env, output)
        self.stack.push_async_callback(asyncio.to_thread, process.stop)
        self.pids[name] = process.pid
        self._processes[name] = process
        deadline = time.monotonic() + _READY_SECONDS
        while not await ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise NotStarted(f"{name} did not start:\n{log.read_text(errors='replace')[-2000:]}")
            await asyncio.sleep(0.05)

    def kill(self, name: str) -> None:
        """Kill a part and all its descendants at once."""
        for process in family(self.pids[name])[1:]:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    async def start_again(self, name: str) -> None:
        """Start a part that has ended as it was started before. Raises NotStarted."""
        await asyncio.to_thread(self._processes[name].stop)
        start = self._starts[name]
        await self.start(name, start.argv, start.env, start.ready)

    async def stop(self, name: str) -> None:
        """End a part before the others."""
        await asyncio.to_thread(self._processes[name].stop)

    async def start_worker(self, pool: str, kind: str) -> None:
        """Start a worker and deploy the flow to its pool.

        A `warm` one as `webhooks up` runs it, any other with the defaults of Prefect.
        """
        env = environment.worker(self.around)
        words = ["worker", "start", "--pool", pool, "--type", kind, "--name", f"benchmark-{kind}"]
        if kind == "warm":
            words += ["--limit", str(AT_ONCE)]
        else:
            del env["PREFECT_WORKER_QUERY_SECONDS"]
        await self.start(pool, ("-m", "prefect", *words), env, lambda: self._printed(pool, " started!"))
        await self.prefect.deploy("one-node", pool, ENTRYPOINT, pool)  # the worker has made the pool

    async def _printed(self, name: str, words: str) -> bool:
        return words in self.log(name).read_text(errors="replace")


@asynccontextmanager
async def running_rig(folder: Path, tell: Tell) -> AsyncIterator[Rig]:
    """Start PostgreSQL, Prefect, the receiver, the bare endpoint and the warm worker; all is gone afterwards."""
    port, prefect_port, bare_port = free_ports(3)
    home, logs = folder / "home", folder / "logs"
    (home / "prefect").mkdir(parents=True)
    logs.mkdir()
    around = Surroundings(
        outside={**outside(), SECRET_VARIABLE: SECRET},
        home=home,
        project=PROJECT,
        host="127.0.0.1",
        port=port,
        base_url=f"http://127.0.0.1:{port}",
        admin_key=f"whk_{secrets.token_urlsafe(32)}",
        prefect_url=f"http://127.0.0.1:{prefect_port}/api",
        prefect_port=prefect_port,
        prefect_auth=f"benchmark:{secrets.token_urlsafe(24)}",
    )
    async with AsyncExitStack() as stack:
        postgres = EmbeddedPostgres(folder / "postgres")
        stack.push_async_callback(asyncio.to_thread, postgres.remove)
        await asyncio.to_thread(postgres.start)
        await asyncio.to_thread(postgres.ensure_database, "prefect")
        rig = Rig(
            around=around,
            logs=logs,
            bare_url=f"http://127.0.0.1:{bare_port}/bare",
            prefect=await stack.enter_async_context(PrefectServer(around.prefect_url, around.prefect_auth or "")),
            receiver=await stack.enter_async_context(Receiver(around.base_url, around.admin_key)),
            stack=stack,
        )
        await _start_all(rig, postgres.url("prefect", "asyncpg"), prefect_port, bare_port, tell)
        yield rig


async def _start_all(rig: Rig, database_url: str, prefect_port: int, bare_port: int, tell: Tell) -> None:
    around = rig.around
    tell("starting Prefect's server and the bare endpoint")
    server = ("-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(prefect_port))
    bare = ("-m", "benchmarks.bare", str(bare_port))
    async with asyncio.TaskGroup() as group:
        group.create_task(rig.start("prefect", server, environment.server(around, database_url), rig.prefect.answers))
        group.create_task(rig.start("bare", bare, outside(), lambda: _listens(rig.bare_url)))
    tell("starting the receiver and a warm worker")
    serve = ("-m", "receiver.cli", "serve")
    async with asyncio.TaskGroup() as group:
        group.create_task(rig.start("receiver", serve, environment.receiver(around), rig.receiver.answers))
        group.create_task(rig.start_worker(WARM_POOL, "warm"))
    tell("everything runs")


async def _listens(url: str) -> bool:
    async with httpx.AsyncClient() as client:
        try:
            await client.get(url)
        except httpx.TransportError:
            return False
    return True
