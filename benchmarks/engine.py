"""A lower bound: Prefect's own engine in a process that is there already. `python -m benchmarks.engine COUNT`.

Prints `[[milliseconds to the flow's last line, milliseconds until the run has ended], ...]`.
"""

from __future__ import annotations

import asyncio
import sys
import time

import orjson
from prefect.context import AsyncClientContext

from benchmarks.loading import body_of
from benchmarks.workload import one_node_alone

_WARM_UP = 3


async def measure(count: int) -> list[tuple[float, float]]:
    """Call the flow so many times, one after another, with one client for all."""
    data = orjson.loads(body_of(2048))
    rows = []
    async with AsyncClientContext.get_or_create():
        for _ in range(count + _WARM_UP):
            began = time.time()
            result = await one_node_alone(data)
            rows.append(((result["ended"] - began) * 1000, (time.time() - began) * 1000))
    return rows[_WARM_UP:]


if __name__ == "__main__":
    sys.stdout.buffer.write(b"\n" + orjson.dumps(asyncio.run(measure(int(sys.argv[1])))))
