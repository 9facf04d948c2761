"""Deliveries that share their runs: how many a second are stored, handed over, run, and known to have ended."""

from __future__ import annotations

import time

from benchmarks.accounting import cpu_seconds, family
from benchmarks.figures import Figure
from benchmarks.loader import Order
from benchmarks.loading import LoadFailed, load
from benchmarks.plan import Plan, Tell
from benchmarks.rig import WARM_POOL, Rig
from benchmarks.sync import OPEN

SIZE = 100
_GROUP = "runs"
_KEY = "batched"
_CLIENTS = 8
BODY = '{"device": "boiler-1", "sensor": "temperature", "value": 71.5, "at": "2026-03-01T10:00:00Z"}'
_PARTS = {"worker": WARM_POOL, "server": "prefect", "receiver": "receiver"}
_SECONDS = 60.0


async def define(rig: Rig, key: str) -> str:
    """Make a webhook whose deliveries share runs on the warm worker; its URL."""
    deployment = await rig.prefect.deploy("many-at-once", WARM_POOL, "benchmarks.workload.many_at_once", WARM_POOL)
    return await rig.receiver.define(
        key,
        deployment,
        batch={"max_size": SIZE, "max_wait": "2s"},
        parameters={"batch": "{{$context}}"},
        verification=OPEN,
    )


async def measure(rig: Rig, plan: Plan, tell: Tell) -> list[Figure]:
    """A burst of small requests, each a delivery, a hundred to a run. Raises LoadFailed when one does not complete."""
    url = await define(rig, _KEY)
    await _burst(rig, url, 4 * SIZE)  # every child has run once
    known = len(await rig.prefect.runs(f"webhook:{_KEY}"))
    idle = {name: cpu_seconds(family(rig.pids[part])) for name, part in _PARTS.items()}
    rate = await _burst(rig, url, plan.batched_count)
    cpu = {name: cpu_seconds(family(rig.pids[part])) - idle[name] for name, part in _PARTS.items()}
    runs = len(await rig.prefect.runs(f"webhook:{_KEY}")) - known
    tell(f"batches of {SIZE}: {rate:,.0f} deliveries/s in {runs} runs")
    return [
        Figure(
            group=_GROUP,
            name=f"batches of {SIZE}: deliveries, end to end",
            unit="/s",
            samples=(rate,),
            goal=500,
            lower_is_better=False,
            note=f"{plan.batched_count:,} deliveries in {runs} runs",
        ),
        *(
            Figure(
                group=_GROUP,
                name=f"batches of {SIZE}: CPU of the {part} a delivery",
                unit="ms",
                samples=(used * 1000 / plan.batched_count,),
            )
            for part, used in cpu.items()
        ),
    ]


async def _burst(rig: Rig, url: str, count: int) -> float:
    """Deliveries a second, from the first request to the moment when the receiver knows that all have completed."""
    before = await rig.receiver.completed(_KEY)
    headers = {"Content-Type": "application/json"}
    sent = await load(Order(url=url, body=BODY, headers=headers, clients=_CLIENTS, count=count, seconds=_SECONDS))
    after = time.monotonic()
    await rig.receiver.wait_until_all_ended(_KEY, _SECONDS)
    took = sent.elapsed + time.monotonic() - after
    done = await rig.receiver.completed(_KEY) - before
    if done < count:
        raise LoadFailed(f"{done} of {count} batched deliveries completed in {_SECONDS:.0f} s")
    return count / took
