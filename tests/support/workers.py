"""Real workers on real pools, and deployments that are run on them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import FlowRun
from prefect.states import Scheduled
from prefect.workers.base import BaseWorker

from receiver.supervisor.guard import family, processes
from tests.support.prefect import PrefectServer
from tests.support.waiting import eventually, wait_until

ROOT = Path(__file__).parents[2]
_PATIENCE = {"process": 60.0}  # a new interpreter for each run, on a machine that may be busy


def client_of(server: PrefectServer) -> PrefectClient:
    """A client with the server's address, whatever the settings of this process say. Enter it."""
    return PrefectClient(server.api_url, auth_string=server.auth_string)


@dataclass
class Pool:
    """A work pool with a client; deployments of sample flows are made as they are needed."""

    name: str
    kind: str
    client: PrefectClient
    server: PrefectServer
    deployments: dict[tuple[str, str], UUID] = field(default_factory=dict)

    async def deployment(self, flow: str, label: str = "", **more: Any) -> UUID:
        """`flow` is `module.function` below `tests.support.sample_flows`; `label` tells two of one flow apart."""
        if (flow, label) not in self.deployments:
            flow_id = await self.client.create_flow_from_name(flow.rpartition(".")[2].replace("_", "-"))
            settings = {"entrypoint": f"tests.support.sample_flows.{flow}", "work_pool_name": self.name, **more}
            self.deployments[flow, label] = await self.client.create_deployment(
                flow_id=flow_id, name=f"{self.name}{label}", **settings
            )
        return self.deployments[flow, label]

    async def start(self, flow: str, *, label: str = "", **more: Any) -> FlowRun:
        """A new run; `more` are parameters, or `job_variables`, `tags` and `state`."""
        options = {name: more.pop(name) for name in ("job_variables", "tags", "state") if name in more}
        return await self.client.create_flow_run_from_deployment(
            await self.deployment(flow, label), parameters=more, **{"state": Scheduled(), **options}
        )

    async def run(self, flow: str, **more: Any) -> FlowRun:
        """A new run, when it has ended."""
        return await self.ended(await self.start(flow, **more))

    async def ended(self, run: FlowRun, timeout: float | None = None) -> FlowRun:
        """The run in its final state. Without a timeout, it has what a worker of this kind may need."""

        async def look() -> FlowRun | None:
            now = await self.client.read_flow_run(run.id)
            return now if now.state and now.state.is_final() else None

        found = await eventually(look, timeout or _PATIENCE.get(self.kind, 60.0), what=f"{run.name} has ended")
        assert found is not None
        return found

    async def in_state(self, run: FlowRun, name: str, timeout: float = 30.0) -> None:
        async def look() -> bool:
            state = (await self.client.read_flow_run(run.id)).state
            return state is not None and state.name == name

        await eventually(look, timeout, what=f"{run.name} is {name}")

    async def states(self, run: FlowRun) -> list[str]:
        """Names of all the states the run has had, oldest first."""
        found = await self.client.read_flow_run_states(run.id)
        return [state.name or "" for state in sorted(found, key=lambda state: state.timestamp)]


async def make_pool(client: PrefectClient, server: PrefectServer, kind: str, **values: Any) -> Pool:
    """A pool of that type with these values in its job configuration."""
    worker = BaseWorker.get_worker_class_from_type(kind)
    assert worker is not None, f"no worker of type {kind} is registered"
    template = worker.get_default_base_job_template()
    template["job_configuration"] |= values
    name = f"{kind}-{time.time_ns()}"
    await client.create_work_pool(WorkPoolCreate(name=name, type=kind, base_job_template=template))
    return Pool(name, kind, client, server)


@dataclass
class RunningWorker:
    """`prefect worker start` in a process of its own."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def text(self) -> str:
        return self.log.read_text()

    def family(self) -> dict[int, str]:
        """All its processes: id → a token that tells a reused id apart."""
        return family(self.process.pid, processes())

    def zygote(self) -> int:
        """Its id, once an old one has gone."""
        wait_until(lambda: len(_offspring(self.process.pid)) == 1, 20, what="there is one zygote")
        return _offspring(self.process.pid)[0]

    def children(self) -> list[int]:
        return _offspring(self.zygote())

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(240)


@contextmanager
def running_worker(
    pool: Pool, folder: Path, name: str = "tests", cwd: Path = ROOT, **env: str
) -> Iterator[RunningWorker]:
    """A worker on the pool, ready; afterwards no process of it is left, which is asserted."""
    log = folder / f"{name}-{time.time_ns()}.log"
    environment = {
        **pool.server.env,
        "PYTHONPATH": str(ROOT),
        "PREFECT_WORKER_QUERY_SECONDS": "1" if pool.kind == "process" else "5",
        "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "0.2",
        **env,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool.name, "--name", name],
            cwd=cwd,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    worker = RunningWorker(process, log)
    left: dict[int, str] = {}
    try:
        wait_until(lambda: "started!" in worker.text or process.poll() is not None, 60, what="the worker is ready")
        assert process.poll() is None, worker.text
        yield worker
    finally:
        if process.poll() is None:
            left = worker.family()
            worker.stop()
        wait_until_gone(left)


def _offspring(parent: int) -> list[int]:
    return sorted(pid for pid, (its_parent, _) in processes().items() if its_parent == parent)


def wait_until_gone(left: dict[int, str], timeout: float = 5.0) -> None:
    """Until none of these processes runs any more; AssertionError after `timeout` seconds."""

    def none() -> bool:
        table = processes()
        return not any(pid in table and table[pid][1] == born for pid, born in left.items())

    wait_until(none, timeout, what=f"processes {sorted(left)} have ended")


def lines(path: Path) -> list[str]:
    """What a sample flow has noted."""
    return path.read_text().splitlines() if path.exists() else []


async def noted(path: Path, words: str, timeout: float = 120.0) -> list[str]:
    """The notes, once one of them begins with `words`."""

    async def look() -> list[str]:
        found = lines(path)
        return found if any(line.startswith(words) for line in found) else []

    return await eventually(look, timeout, what=f"{path.name} says {words!r}")


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
