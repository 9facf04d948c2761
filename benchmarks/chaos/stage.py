"""Everything that is put under fault, running: databases, Prefect, links, receivers, warm workers."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import IO

from benchmarks.apis import PrefectServer, Receiver
from benchmarks.chaos.clocks import Clocks
from benchmarks.chaos.parts import Part, Ready
from benchmarks.chaos.proxy import Link
from benchmarks.chaos.workload import EFFECTS_VARIABLE, make_table
from benchmarks.loading import SECRET
from benchmarks.rig import AT_ONCE, PROJECT, SECRET_VARIABLE, WARM_POOL, free_ports, outside
from receiver.supervisor import environment
from receiver.supervisor.environment import Surroundings
from receiver.supervisor.guarded import Command, GuardedProcess
from receiver.supervisor.postgres import EmbeddedPostgres

RECEIVERS = {"sqlite": 1, "postgres": 2}
WORKERS = {"sqlite": 1, "postgres": 2}
DISK_MIB = 96
HURRIED = {"WEBHOOKS_LEASE_SECONDS": "15", "WEBHOOKS_POLL_SECONDS": "5"}
"""Shorter than their defaults, so that what waits for them does so within the time there is."""


@dataclass
class Stage:
    """What runs. `inbox` is the SQLite file, or the URL of the PostgreSQL database; `disk` a small one of its own."""

    database: str
    folder: Path
    effects: Path
    clocks: Clocks
    disk: Path | None = None
    inbox: str = ""
    parts: dict[str, Part] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)
    postgres: dict[str, EmbeddedPostgres] = field(default_factory=dict)
    receivers: list[Receiver] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    prefect: PrefectServer = field(init=False)
    notes: list[str] = field(default_factory=list)

    def like(self, prefix: str) -> list[Part]:
        """The parts of a kind: `receiver`, `worker`, or one by its name."""
        return [part for name, part in self.parts.items() if name == prefix or name.startswith(f"{prefix}-")]


@asynccontextmanager
async def running_stage(folder: Path, database: str, seed: int, tell: Callable[[str], None]) -> AsyncIterator[Stage]:
    """Start all of it; nothing of it is left afterwards but `folder`. `seed` draws the clocks."""
    stage = Stage(database=database, folder=folder, effects=folder / "effects.db", clocks=Clocks(seed, tell))
    make_table(stage.effects)
    async with AsyncExitStack() as stack:
        tell("starting PostgreSQL and Prefect's server")
        await _start_postgres(stage, stack, "prefect")
        if database == "postgres":
            await _start_postgres(stage, stack, "inbox")
            stage.inbox = stage.postgres["inbox"].url("inbox")
        ports = free_ports(1 + RECEIVERS[database])
        around = Surroundings(
            outside={
                **outside(),
                **HURRIED,
                SECRET_VARIABLE: SECRET,
                EFFECTS_VARIABLE: str(stage.effects),
                "TMPDIR": str(folder / "tmp"),  # a killed child cannot remove the folder of its run
            },
            home=folder / "home",
            project=PROJECT,
            host="127.0.0.1",
            port=ports[1],
            base_url=f"http://127.0.0.1:{ports[1]}",
            admin_key=f"whk_{secrets.token_urlsafe(32)}",
            prefect_url=f"http://127.0.0.1:{ports[0]}/api",
            prefect_port=ports[0],
            prefect_auth=f"chaos:{secrets.token_urlsafe(24)}",
        )
        (around.home / "prefect").mkdir(parents=True)
        (folder / "tmp").mkdir()
        stage.prefect = await stack.enter_async_context(PrefectServer(around.prefect_url, around.prefect_auth or ""))
        server = ("-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(ports[0]))
        env = environment.server(around, stage.postgres["prefect"].url("prefect", "asyncpg"))
        await _start(stage, stack, "prefect", _python(server, lambda: env), stage.prefect.answers)
        for name in ("receiver-link", "worker-link"):
            stage.links[name] = await stack.enter_async_context(Link(ports[0]))
        tell("starting receivers and warm workers")
        await _start_workers(stage, stack, _through(around, stage.links["worker-link"]))
        for number, port in enumerate(ports[1:], 1):
            await _start_receiver(stage, stack, _through(around, stage.links["receiver-link"]), number, port)
        yield stage


def _through(around: Surroundings, link: Link) -> Surroundings:
    return replace(around, prefect_url=f"http://127.0.0.1:{link.port}/api")


def _python(words: tuple[str, ...], clock: Callable[[], Mapping[str, str]]) -> Callable[[IO[bytes]], GuardedProcess]:
    """Each start asks for its environment, with its clock."""
    command = Command(argv=(sys.executable, *words), cwd=PROJECT, grace=20.0)
    return lambda output: GuardedProcess(command, clock(), output)


async def _start(
    stage: Stage, stack: AsyncExitStack, name: str, launch: Callable[[IO[bytes]], GuardedProcess], ready: Ready
) -> None:
    part = Part(name, launch, ready, stack.enter_context((stage.folder / f"{name}.log").open("ab")))
    stage.parts[name] = part
    stack.push_async_callback(part.stop)
    await part.start()


async def _start_postgres(stage: Stage, stack: AsyncExitStack, database: str) -> None:
    server = EmbeddedPostgres(stage.folder / f"{database}-postgres")
    stack.push_async_callback(asyncio.to_thread, server.remove)

    def launch(output: IO[bytes]) -> GuardedProcess:
        server.prepare()
        return GuardedProcess(server.command(), server.environment(), output)

    await _start(stage, stack, f"{database}-postgres", launch, lambda: asyncio.to_thread(server.answers))
    await asyncio.to_thread(server.ensure_database, database)
    stage.postgres[database] = server


async def _start_workers(stage: Stage, stack: AsyncExitStack, around: Surroundings) -> None:
    for number in range(1, WORKERS[stage.database] + 1):
        name = f"worker-{number}"
        words = ("worker", "start", "--pool", WARM_POOL, "--type", "warm", "--name", name, "--limit", str(AT_ONCE))

        async def ready(name: str = name) -> bool:
            return await asyncio.to_thread(_started, stage.folder / f"{name}.log", stage.parts[name].log_from)

        clock = partial(stage.clocks.given, name, environment.worker(around))
        await _start(stage, stack, name, _python(("-m", "prefect", *words), clock), ready)


def _started(log: Path, begin: int) -> bool:
    return b" started!" in log.read_bytes()[begin:]


async def _start_receiver(stage: Stage, stack: AsyncExitStack, around: Surroundings, number: int, port: int) -> None:
    url = f"http://127.0.0.1:{port}"
    around = replace(around, home=stage.folder / f"receiver-{number}", port=port, base_url=url)
    around.home.mkdir()
    if stage.database == "sqlite":
        stage.inbox = str(around.home / "receiver.db")
        if (refusal := await asyncio.to_thread(_mount, around.home)) is None:
            stage.disk = around.home
            stack.push_async_callback(asyncio.to_thread, _unmount, around.home)
        else:
            stage.notes.append(f"no disk of {DISK_MIB} MiB could be mounted ({refusal}): 'disk full' is not tried")
    (around.home / "prefect").mkdir()
    api = await stack.enter_async_context(Receiver(url, around.admin_key))
    env = environment.receiver(around)
    if stage.database == "postgres":
        env |= {"WEBHOOKS_DATABASE_URL": stage.inbox}
    name = f"receiver-{number}"
    clock = partial(stage.clocks.given, name, env)
    await _start(stage, stack, name, _python(("-m", "receiver.cli", "serve"), clock), api.answers)
    stage.receivers.append(api)
    stage.urls.append(url)


def _mount(place: Path) -> str | None:
    """A small file system of its own there; why not, where it cannot be."""
    program = shutil.which("mount")
    if not sys.platform.startswith("linux") or os.geteuid() != 0 or program is None:
        return "only root on Linux may"
    done = subprocess.run(  # noqa: S603 (a fixed command on a folder of ours)
        [program, "-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=0700", "tmpfs", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr.strip() or "mount failed" if done.returncode else None


def _unmount(place: Path) -> None:
    program = shutil.which("umount")
    assert program is not None
    subprocess.run([program, "-l", str(place)], check=True, capture_output=True)  # noqa: S603 (what `_mount` mounted)
