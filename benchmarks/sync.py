"""How long a caller waits for its workflow: on the warm worker, on Prefect's process worker, and the engine's floor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from benchmarks import waterfall
from benchmarks.ack import BODY_BYTES
from benchmarks.figures import Figure, percentile
from benchmarks.loader import Order
from benchmarks.loading import Load, LoadFailed, body_of, load, output_of
from benchmarks.plan import Plan, Tell
from benchmarks.rig import PROJECT, STOCK_POOL, WARM_POOL, Rig
from benchmarks.waterfall import Stage
from receiver.supervisor import environment

OPEN: dict[str, Any] = {"scheme": "none"}
_GROUP = "synchronous"
_WARM_UP = 12


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What was measured; `p50` and `per_second` are the warm worker's, to be compared with."""

    figures: list[Figure]
    stages: list[Stage]
    p50: float
    per_second: float


async def measure(rig: Rig, plan: Plan, tell: Tell) -> Answered:
    """The warm worker with one and with eight clients, then the engine alone."""
    url = await rig.receiver.define("sync", f"one-node/{WARM_POOL}", mode="sync", timeout=60, verification=OPEN)
    await _ask(url, count=_WARM_UP, clients=4, seconds=30)  # every child has run once
    one = await _ask(url, count=plan.sync_count, clients=1, seconds=plan.sync_seconds * 2)
    tell(f"one client: {len(one.milliseconds)} answers, p50 {one.p50:.0f} ms")
    eight = await _ask(url, clients=8, seconds=plan.sync_seconds)
    tell(f"eight clients: {eight.per_second:.1f} answers/s")
    engine = await _engine(rig, plan.engine_count)
    tell(f"the engine alone: {percentile([row[0] for row in engine], 0.5):.0f} ms to the flow's last line")
    stages = await waterfall.draw(rig, one.answers)
    figures = [
        Figure(
            group=_GROUP,
            name="warm worker, 1 client: p50",
            unit="ms",
            samples=tuple(one.milliseconds),
            goal=90,
            note="the spread is of single answers",
        ),
        Figure(group=_GROUP, name="warm worker, 1 client: p99", unit="ms", samples=(one.p99,), goal=250),
        Figure(group=_GROUP, name="warm worker, 8 clients: p50", unit="ms", samples=tuple(eight.milliseconds)),
        Figure(group=_GROUP, name="warm worker, 8 clients: p99", unit="ms", samples=(eight.p99,)),
        Figure(
            group=_GROUP,
            name="warm worker, 8 clients: answers",
            unit="/s",
            samples=(eight.per_second,),
            goal=8,
            lower_is_better=False,
        ),
        Figure(
            group=_GROUP,
            name="engine in-process, to the flow's last line",
            unit="ms",
            samples=tuple(row[0] for row in engine),
            note="Prefect's engine in a process that is there; a lower bound",
        ),
        Figure(
            group=_GROUP, name="engine in-process, to the run's end", unit="ms", samples=tuple(row[1] for row in engine)
        ),
    ]
    return Answered(figures=figures, stages=stages, p50=one.p50, per_second=eight.per_second)


async def stock(rig: Rig, plan: Plan, tell: Tell, warm_p50: float) -> list[Figure]:
    """The same webhook on Prefect's process worker; its deployment and worker are there."""
    url = await rig.receiver.define("sync-stock", f"one-node/{STOCK_POOL}", mode="sync", timeout=60, verification=OPEN)
    try:
        answered = await _ask(url, count=plan.stock_sync_count, clients=1, seconds=max(1.0, min(60.0, plan.left / 2)))
    except LoadFailed as error:
        return [Figure(group=_GROUP, name="process worker, 1 client: p50", unit="ms", samples=(), note=str(error)[:80])]
    tell(f"process worker: p50 {answered.p50:,.0f} ms")
    return [
        Figure(group=_GROUP, name="process worker, 1 client: p50", unit="ms", samples=tuple(answered.milliseconds)),
        Figure(
            group=_GROUP,
            name="times faster than the process worker: p50",
            unit="times",
            samples=tuple(value / warm_p50 for value in answered.milliseconds),
            goal=100,
            lower_is_better=False,
        ),
    ]


async def _ask(url: str, *, clients: int, seconds: float, count: int = 1_000_000) -> Load:
    body = body_of(BODY_BYTES)
    headers = {"Content-Type": "application/json"}
    order = Order(url=url, body=body, headers=headers, clients=clients, seconds=seconds, count=count, details=True)
    return await load(order)


async def _engine(rig: Rig, count: int) -> list[list[float]]:
    output = await output_of(
        "benchmarks.engine", str(count), what="the engine", env=environment.worker(rig.around), cwd=PROJECT
    )
    rows: list[list[float]] = orjson.loads(output.rsplit(b"\n", 1)[-1])
    return rows
