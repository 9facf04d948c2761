"""The loader, a process of its own: `python -m benchmarks.loader '<order as JSON>'` prints what it measured as JSON.

Closed loop: each client sends its next request when it has the answer to the last one, until `seconds` or `count`. With
`per_second` each request has its moment, and is measured from there: who is late for want of a free client tells it.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson
import uvloop

from benchmarks.http_client import Answer, Connection, request_bytes

_LONGEST_WAIT = 90.0


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to send, how many clients at once, and for how long or how often; `per_second` 0 is as fast as they can.

    `details` keeps each answer whole.
    """

    url: str
    body: str
    headers: dict[str, str] = field(default_factory=dict)
    clients: int = 1
    seconds: float = 60.0
    count: int = 1_000_000
    details: bool = False
    per_second: float = 0.0

    def to_json(self) -> str:
        """For the command line of the loader."""
        return orjson.dumps(asdict(self)).decode()


async def perform(order: Order) -> dict[str, Any]:
    """`{"elapsed", "statuses", "milliseconds"}`; with details `"answers"` too: sent_at, ms, status, id, body."""
    request = request_bytes(order.url, order.body.encode(), order.headers)
    answers: list[Answer] = []
    left = order.count
    began = time.perf_counter()
    until = began + order.seconds

    async def client() -> None:
        nonlocal left
        connection = await Connection.open(order.url)
        while left > 0 and time.perf_counter() < until:
            moment = began + (order.count - left) / order.per_second if order.per_second else None
            left -= 1
            if moment is not None:
                await asyncio.sleep(moment - time.perf_counter())
            if not connection.usable:
                connection = await Connection.open(order.url)
            async with asyncio.timeout(_LONGEST_WAIT):
                answer = await connection.post(request)
            if moment is not None:
                answer.seconds = time.perf_counter() - moment
            answers.append(answer)
        connection.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(order.clients):
            group.create_task(client())
    elapsed = time.perf_counter() - began
    result: dict[str, Any] = {
        "elapsed": elapsed,
        "statuses": Counter(str(answer.status) for answer in answers),
        "milliseconds": [answer.seconds * 1000 for answer in answers],
    }
    if order.details:
        result["answers"] = [
            {
                "sent_at": answer.sent_at,
                "ms": answer.seconds * 1000,
                "status": answer.status,
                "id": answer.headers.get("webhook-delivery-id"),
                "body": answer.body.decode(errors="replace"),
            }
            for answer in answers
        ]
    return result


def main() -> None:
    """Perform the order on the command line."""
    gc.disable()  # a short life; a collection in it would be measured as the server's
    order = Order(**orjson.loads(sys.argv[1]))
    sys.stdout.buffer.write(orjson.dumps(uvloop.run(perform(order))))


if __name__ == "__main__":
    main()
