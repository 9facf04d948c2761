"""What `up` brings up and what each step needs, from the settings. Starts nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from receiver.supervisor import environment
from receiver.supervisor.environment import Surroundings
from receiver.supervisor.guarded import Command
from receiver.supervisor.http_calls import POOL, POOL_TYPE, answers_at
from receiver.supervisor.parts import Action, Job, Part, Probe, Step

INTAKE = "receiver"
"""Asked to stop before all others, so that nothing more is taken in; waited for in its turn."""

STOP_ORDER = ("worker", "receiver", "prefect", "postgres")
"""One after the other: what depends on another ends before it."""


@dataclass(frozen=True, kw_only=True)
class Database:
    """Prefect's database: its URL, and PostgreSQL's command and probe when it is ours to run."""

    url: str
    command: Command | None = None
    env: Mapping[str, str] | None = None
    probe: Probe | None = None

    def __repr__(self) -> str:
        return f"Database(command={self.command!r})"


@dataclass(frozen=True, kw_only=True)
class Deeds:
    """What `up` does by itself between the parts."""

    reach_prefect: Callable[[], Awaitable[None]]
    make_pool: Callable[[], Awaitable[None]]
    make_flow_key: Callable[[], Awaitable[None]]
    flow_key: Callable[[], Mapping[str, str]]
    """The environment that carries the key made by `make_flow_key`."""


def plan(around: Surroundings, database: Database | None, deeds: Deeds, held: tuple[int, ...]) -> list[Step]:
    """The steps; `database` is None when Prefect is somebody else's."""
    return [
        *_prefect(around, database, deeds, held),
        Action(name="pool", title="work pool", act=deeds.make_pool, needs=("prefect",)),
        *_ours(around, held),
        *_jobs(around, deeds, held),
    ]


def worker_limit(cpus: int) -> int:
    """Flow runs the worker runs at once: each is a Python process, so an unlimited worker eats the memory."""
    return max(4, 2 * cpus)


def _prefect(around: Surroundings, database: Database | None, deeds: Deeds, held: tuple[int, ...]) -> list[Step]:
    if database is None:
        return [Action(name="prefect", title=f"Prefect at {around.prefect_url}", act=deeds.reach_prefect)]
    steps: list[Step] = []
    if database.command:
        steps.append(
            Part(
                name="postgres",
                title="PostgreSQL for Prefect",
                command=database.command,
                env=database.env or {},
                ready_line="ready to accept connections",  # asked before, it complains in its log
                probe=database.probe,
                next_step="WEBHOOKS_PREFECT_DATABASE=sqlite does without it.",
            )
        )
    words = ("server", "start", "--host", "127.0.0.1", "--port", str(around.prefect_port))
    steps.append(
        Part(
            name="prefect",
            title="Prefect server",
            command=_python("-m", "prefect", *words, around=around, held=held, grace=10),
            env=environment.server(around, database.url),
            needs=("postgres",) if database.command else (),
            probe=answers_at(f"{around.prefect_url}/health"),
            ready_within=480,  # the first start on a slow machine makes the whole schema
        )
    )
    return steps


def _ours(around: Surroundings, held: tuple[int, ...]) -> list[Step]:
    words = ("worker", "start", "--pool", POOL, "--type", POOL_TYPE, "--limit", str(worker_limit(os.cpu_count() or 1)))
    return [
        Part(
            name="receiver",
            title="receiver",
            command=_python("-m", "receiver.cli", "serve", around=around, held=held, grace=20),
            env=environment.receiver(around),
            needs=("prefect",),
            probe=answers_at(f"{around.control_url}/health/ready", around.certificate),
        ),
        Part(
            name="worker",
            title="worker",
            command=_python("-m", "prefect", *words, around=around, held=held, grace=10),
            env=environment.worker(around),
            needs=("pool",),
            ready_line=" started!",
        ),
    ]


def _jobs(around: Surroundings, deeds: Deeds, held: tuple[int, ...]) -> list[Step]:
    redo = "Mend it, then run `webhooks deploy`; what runs goes on meanwhile."
    return [
        Job(
            name="deployments",
            title="deployments",
            command=_python("-m", "prefect", "--no-prompt", "deploy", "--all", around=around, held=held),
            env=environment.worker(around),
            needs=("pool",),
            next_step=redo,
        ),
        Action(name="key", title="key for flows", act=deeds.make_flow_key, needs=("receiver",)),
        Job(
            name="blocks",
            title="blocks",
            command=_python("-m", "blocks.bootstrap", *flows_access(around), around=around, held=held),
            env=environment.worker(around),
            late_env=deeds.flow_key,
            needs=("key",),
            next_step="Without them flows cannot fetch large bodies, and examples have no secrets. Start `up` again.",
        ),
        Job(
            name="webhooks",
            title="webhooks",
            command=_python("-m", "receiver.cli", "deploy", "--skip-prefect", around=around, held=held),
            env=environment.command_line(around),
            needs=("blocks", "deployments"),
            next_step=redo,
        ),
    ]


def flows_reach(around: Surroundings) -> str:
    """The receiver's address as flows see it."""
    return around.outside.get("WEBHOOKS_INTERNAL_URL") or around.control_url


def flows_access(around: Surroundings) -> tuple[str, ...]:
    """The same for `blocks.bootstrap`, with the certificate where it is our own address that shows it."""
    url = flows_reach(around)
    shown = ("--receiver-certificate", str(around.certificate)) if around.certificate else ()
    return ("--receiver-url", url, *(shown if url == around.control_url else ()))


def _python(*words: str, around: Surroundings, held: tuple[int, ...], grace: float = 5) -> Command:
    return Command(argv=(sys.executable, *words), cwd=around.project, held=held, grace=grace)
