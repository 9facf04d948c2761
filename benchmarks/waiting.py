"""What a caller that waits for its workflow costs in memory: many wait at once for runs that nobody takes."""

from __future__ import annotations

import asyncio

from benchmarks.accounting import family, memory_mib
from benchmarks.ack import BODY_BYTES
from benchmarks.figures import Figure
from benchmarks.http_client import Connection, request_bytes
from benchmarks.loading import LoadFailed, body_of
from benchmarks.plan import Tell
from benchmarks.rig import ENTRYPOINT, Rig

CALLERS = 200
_KEY = "waiting"
_SECONDS = 30.0


async def measure(rig: Rig, tell: Tell) -> list[Figure]:
    """The receiver's memory before, and while everybody waits; then all hang up. Raises LoadFailed."""
    deployment = await rig.prefect.deploy("one-node", "nowhere", ENTRYPOINT, None)
    url = await rig.receiver.define(_KEY, deployment, mode="sync", timeout=120, verification={"scheme": "none"})
    request = request_bytes(url, body_of(BODY_BYTES).encode(), {"Content-Type": "application/json"})
    connections = [await Connection.open(url) for _ in range(CALLERS)]
    before = memory_mib(family(rig.pids["receiver"]))
    callers = [asyncio.create_task(connection.post(request)) for connection in connections]
    try:
        stored = await rig.receiver.wait_for_stored(_KEY, CALLERS, _SECONDS)
        if stored < CALLERS or any(caller.done() for caller in callers):
            raise LoadFailed(f"not everybody of {CALLERS} callers waited at {url}")
        grown = max(0.0, memory_mib(family(rig.pids["receiver"])) - before)
    finally:
        for connection in connections:
            connection.close()
        await asyncio.gather(*callers, return_exceptions=True)
    each = grown * 1024 / CALLERS
    tell(f"{CALLERS} callers wait: {grown:.1f} MiB more, {each:.0f} KiB each")
    return [
        Figure(
            group="synchronous",
            name="receiver: memory for each caller that waits",
            unit="KiB",
            samples=(each,),
            note=f"{CALLERS} at once, with bodies of 2 KB; handing them over is in it",
        )
    ]
