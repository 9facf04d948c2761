"""Runs of asynchronous webhooks: how soon they start, how many end a second, and what each costs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from benchmarks.accounting import cpu_seconds, family, memory_mib
from benchmarks.ack import BODY_BYTES
from benchmarks.figures import Figure
from benchmarks.http_client import Connection, request_bytes
from benchmarks.loader import Order
from benchmarks.loading import body_of, load
from benchmarks.plan import Plan, Tell
from benchmarks.rig import AT_ONCE, STOCK_POOL, WARM_POOL, Rig
from benchmarks.sync import OPEN
from benchmarks.waterfall import seconds_of

_GROUP = "runs"
_RUN_SECONDS = 20.0
_LOOK_SECONDS = 0.5


@dataclass
class Burst:
    """What a burst of requests cost. `cpu` by part in seconds, `peak` the worker's memory in MiB with its runs."""

    done: int
    per_second: float
    cpu: dict[str, float] = field(default_factory=dict)
    peak: float = 0.0
    at_once: int = 1


async def measure(rig: Rig, plan: Plan, expected_rate: float, tell: Tell) -> tuple[list[Figure], Burst]:
    """On the warm worker. `expected_rate` in runs a second bounds how many are sent at once."""
    starts = await _starts(rig, plan.paced_count)
    tell(f"{len(starts)} runs started, one at a time")
    count = max(2 * AT_ONCE, min(plan.burst_count, round(expected_rate * plan.burst_seconds)))
    burst = await _burst(rig, "burst", WARM_POOL, count, AT_ONCE, 40)
    tell(f"warm worker: {burst.per_second:.1f} runs/s")
    return [
        Figure(
            group=_GROUP,
            name="accepted to flow-run start, 1 client: p50",
            unit="ms",
            samples=tuple(starts),
            goal=100,
            note="until Prefect has the run as Running; the spread is of single runs",
        ),
        *_figures("warm worker", burst, rate_goal=8),
    ], burst


async def stock(rig: Rig, plan: Plan, tell: Tell, warm: Burst) -> list[Figure]:
    """On Prefect's process worker, and how the warm worker compares."""
    burst = await _burst(
        rig, "burst-stock", STOCK_POOL, plan.stock_burst_count, plan.stock_burst_count, max(5.0, min(75.0, plan.left))
    )
    if burst.done < plan.stock_burst_count:
        return [Figure(group=_GROUP, name="process worker: rate", unit="/s", samples=(), note="did not end in time")]
    tell(f"process worker: {burst.per_second:.2f} runs/s")
    worker_cpu = burst.cpu["worker"] / burst.done
    return [
        *_figures("process worker", burst),
        Figure(
            group=_GROUP,
            name="times the process worker's rate",
            unit="times",
            samples=(warm.per_second / burst.per_second,),
            goal=25,
            lower_is_better=False,
        ),
        Figure(
            group=_GROUP,
            name="times less CPU of the worker a run",
            unit="times",
            samples=(worker_cpu / (warm.cpu["worker"] / warm.done),),
            goal=15,
            lower_is_better=False,
        ),
    ]


async def _starts(rig: Rig, count: int) -> list[float]:
    """Milliseconds from a delivery's acceptance to its run's start, one delivery at a time."""
    url = await rig.receiver.define("paced", f"one-node/{WARM_POOL}", verification=OPEN)
    request = request_bytes(url, body_of(BODY_BYTES).encode(), {"Content-Type": "application/json"})
    connection = await Connection.open(url)
    accepted: dict[str, float] = {}
    for _ in range(count):
        answer = await connection.post(request)
        delivery_id = answer.headers["webhook-delivery-id"]
        accepted[f"delivery:{delivery_id}"] = answer.sent_at + answer.seconds
        await rig.receiver.wait_for(delivery_id, "completed", _RUN_SECONDS)
    connection.close()
    found = []
    for run in await rig.prefect.runs("webhook:paced"):
        tag = next(tag for tag in run["tags"] if tag.startswith("delivery:"))
        if run["start_time"]:
            found.append((seconds_of(run["start_time"]) - accepted[tag]) * 1000)
    return found


async def _burst(rig: Rig, key: str, pool: str, count: int, at_once: int, seconds: float) -> Burst:
    url = await rig.receiver.define(key, f"one-node/{pool}", verification=OPEN)
    parts = {"worker": pool, "server": "prefect", "receiver": "receiver"}
    idle = {name: cpu_seconds(family(rig.pids[part])) for name, part in parts.items()}
    peak = 0.0

    async def watch() -> None:
        nonlocal peak
        while True:
            peak = max(peak, await asyncio.to_thread(memory_mib, family(rig.pids[pool])))
            await asyncio.sleep(_LOOK_SECONDS)

    watching = asyncio.create_task(watch())
    try:
        order = Order(
            url=url,
            body=body_of(BODY_BYTES),
            headers={"Content-Type": "application/json"},
            clients=8,
            count=count,
            seconds=30,
            details=True,
        )
        sent = await load(order)
        done = await rig.prefect.wait_for(f"webhook:{key}", count, seconds)
    finally:
        watching.cancel()
    cpu = {name: cpu_seconds(family(rig.pids[part])) - idle[name] for name, part in parts.items()}
    first = min(answer["sent_at"] for answer in sent.answers)
    ends = [seconds_of(run["end_time"]) for run in await rig.prefect.runs(f"webhook:{key}") if run["end_time"]]
    rate = len(ends) / (max(ends) - first) if ends else 0.0
    return Burst(done=done, per_second=rate, cpu=cpu, peak=peak, at_once=at_once)


def _figures(name: str, burst: Burst, rate_goal: float | None = None) -> list[Figure]:
    runs = f"{burst.done} runs, {burst.at_once} at once"
    cpu = [
        Figure(
            group=_GROUP,
            name=f"{name}: CPU of the {part} a run",
            unit="ms",
            samples=(used * 1000 / burst.done,) if burst.done else (),
        )
        for part, used in burst.cpu.items()
    ]
    return [
        Figure(
            group=_GROUP,
            name=f"{name}: rate, end to end",
            unit="/s",
            samples=(burst.per_second,),
            goal=rate_goal,
            lower_is_better=False,
            note=runs,
        ),
        *cpu,
        Figure(group=_GROUP, name=f"{name}: memory at its peak", unit="MiB", samples=(burst.peak,), note=runs),
        Figure(
            group=_GROUP, name=f"{name}: memory for each run at once", unit="MiB", samples=(burst.peak / burst.at_once,)
        ),
    ]
