"""A receiver as a process of its own over an inbox that is there already, without Prefect."""

from __future__ import annotations

import asyncio
import http.client
import secrets
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.accounting import family, memory_mib
from benchmarks.apis import Receiver
from benchmarks.rig import PROJECT, NotStarted, free_ports, outside
from receiver.supervisor import environment
from receiver.supervisor.environment import Surroundings
from receiver.supervisor.guarded import Command, GuardedProcess

_READY_SECONDS = 120.0


@dataclass(frozen=True)
class Served:
    """The running receiver."""

    api: Receiver
    port: int
    key: str
    pid: int

    async def look(self, path: str) -> float:
        """Milliseconds from asking the admin API for a path to having read its whole answer, on an open connection."""
        return await asyncio.to_thread(self._look, path)

    def _look(self, path: str) -> float:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.connect()
        began = time.perf_counter()
        connection.request("GET", path, headers={"Authorization": f"Bearer {self.key}"})
        answer = connection.getresponse()
        body = answer.read()
        took = (time.perf_counter() - began) * 1000
        connection.close()
        if answer.status != http.client.OK:
            raise NotStarted(f"{path} was answered {answer.status}: {body[:300].decode(errors='replace')}")
        return took

    def memory(self) -> float:
        """MiB."""
        return memory_mib(family(self.pid))


@asynccontextmanager
async def served(home: Path, url: str | None) -> AsyncIterator[Served]:
    """Start it in a home that is there, and wait until it is ready; it is gone afterwards. Raises NotStarted."""
    port, nobody = free_ports(2)
    key = f"whk_{secrets.token_urlsafe(32)}"
    around = Surroundings(
        outside={**outside(), **({"WEBHOOKS_DATABASE_URL": url} if url else {})},
        home=home,
        project=PROJECT,
        host="127.0.0.1",
        port=port,
        base_url=f"http://127.0.0.1:{port}",
        admin_key=key,
        prefect_url=f"http://127.0.0.1:{nobody}/api",
        prefect_port=nobody,
        prefect_auth=None,
    )
    log = home / "receiver.log"
    with log.open("wb") as output:
        command = Command(argv=(sys.executable, "-m", "receiver.cli", "serve"), cwd=PROJECT)
        process = GuardedProcess(command, environment.receiver(around), output)
    try:
        async with Receiver(around.base_url, key) as api:
            deadline = time.monotonic() + _READY_SECONDS
            while not await api.answers():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise NotStarted(f"the receiver did not start:\n{log.read_text(errors='replace')[-2000:]}")
                await asyncio.sleep(0.02)
            yield Served(api, port, key, process.pid)
    finally:
        await asyncio.to_thread(process.stop)
