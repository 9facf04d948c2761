"""One round: measure the drain rate, send and break, heal, wait, read the ledgers."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.chaos import reading, schedule
from benchmarks.chaos.audit import Verdict, judge
from benchmarks.chaos.injector import Injector
from benchmarks.chaos.ledgers import Kind, Ledgers
from benchmarks.chaos.sender import EVENT_HEADER, Sender
from benchmarks.chaos.stage import Stage, running_stage
from benchmarks.loading import SIGNATURE_HEADER
from benchmarks.rig import SECRET_VARIABLE, WARM_POOL

Tell = Callable[[str], None]

SHARE = 0.4
"""Of what is drained when nothing is broken, that much is sent while things are."""
_MOST_BATCHED = 25.0
_SINGLES, _BATCHED = 24, 300
_DRAIN_SECONDS = 60.0
_RECOVER_SECONDS = 180.0
_SINGLE, _SYNC, _BATCH = "single", "sync", "batched"
_SYNC_SHARE = 0.1
_DEFINITION: dict[str, Any] = {
    "deduplicate": {"key": f"{{{{$context.headers.{EVENT_HEADER.lower()}}}}}", "window": "1d"},
    "verification": {
        "scheme": "hmac",
        "header": SIGNATURE_HEADER,
        "prefix": "sha256=",
        "secret": f"env:{SECRET_VARIABLE}",
    },
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to do: `seconds` of faults, one `every` so many seconds."""

    database: str
    seed: int
    seconds: float
    every: float


async def play(folder: Path, plan: Plan, tell: Tell) -> tuple[Ledgers, Verdict, list[str]]:
    """Everything from the start to the verdict; and what could not be tried here."""
    async with running_stage(folder, plan.database, plan.seed, tell) as stage:
        await _define(stage)
        sender = Sender(stage.urls, plan.seed)
        possible = schedule.targets(plan.database)
        if stage.disk is None:
            possible = [target for target in possible if target[0] is not Kind.FULL]
        injector = Injector(stage, schedule.faults(plan.seed, possible), tell)
        try:
            single, batched = await _drain_rates(stage, sender, tell)
            until = time.monotonic() + plan.seconds
            async with asyncio.TaskGroup() as group:
                group.create_task(sender.pour(_SINGLE, single * (1 - _SYNC_SHARE), until))
                group.create_task(sender.pour(_SYNC, single * _SYNC_SHARE, until))
                group.create_task(sender.pour(_BATCH, batched, until))
                group.create_task(injector.run(plan.every, until))
            await _recover(stage, sender, injector, tell)
        finally:
            await sender.aclose()
        prefect = stage.postgres["prefect"].url("prefect")
        ledgers = Ledgers(
            sent=sender.sent,
            stored=await asyncio.to_thread(reading.stored, stage.inbox),
            runs=await asyncio.to_thread(reading.runs, prefect),
            effects=await asyncio.to_thread(reading.effects, stage.effects),
            faults=[*injector.done, *stage.clocks.moved],
        )
    missed = [f"{name} (nobody was there at its time)" for name in injector.missed]
    return ledgers, judge(ledgers), [*stage.notes, *missed]


async def _define(stage: Stage) -> None:
    single = await stage.prefect.deploy("single", WARM_POOL, "benchmarks.chaos.workload.single", WARM_POOL)
    batched = await stage.prefect.deploy("batched", WARM_POOL, "benchmarks.chaos.workload.batched", WARM_POOL)
    define = stage.receivers[0].define
    await define(_SINGLE, single, **_DEFINITION)
    await define(_SYNC, single, mode="sync", timeout=8, **_DEFINITION)
    await define(
        _BATCH,
        batched,
        batch={"max_size": 50, "max_wait": "1s"},
        parameters={"batch": "{{$context}}"},
        **_DEFINITION,
    )


async def _drain_rates(stage: Stage, sender: Sender, tell: Tell) -> tuple[float, float]:
    """Events a second to send of single ones and of batched ones: their share of what is drained, half of it each."""
    rates = []
    for webhook, count in ((_SINGLE, 4), (_BATCH, 1), (_SINGLE, _SINGLES), (_BATCH, _BATCHED)):  # two warm it up
        began = time.monotonic()
        await asyncio.gather(*(sender.send_plainly(webhook) for _ in range(count)))
        await _until_none_is_open(stage, _DRAIN_SECONDS)
        rates.append(count / (time.monotonic() - began))
    single, batched = rates[2] * SHARE / 2, min(_MOST_BATCHED, rates[3] * SHARE / 2)
    tell(f"drained: {rates[2]:.1f} single and {rates[3]:.0f} batched a second; sent: {single:.1f} and {batched:.1f}")
    return single, batched


async def _recover(stage: Stage, sender: Sender, injector: Injector, tell: Tell) -> None:
    tell("healing")
    await injector.heal()
    began = time.monotonic()
    for part in stage.parts.values():
        if not await part.becomes_ready(_RECOVER_SECONDS):
            tell(f"{part.name} is not ready")
    tell("everything runs; waiting for what is open")
    await sender.finish(_RECOVER_SECONDS)
    left = await _until_none_is_open(stage, _RECOVER_SECONDS)
    tell(f"{left} open {time.monotonic() - began:.1f} s after the last fault")


async def _until_none_is_open(stage: Stage, seconds: float) -> int:
    """How many deliveries are open when none has ended for so many seconds, or none is left."""
    deadline = time.monotonic() + seconds
    least = left = sys.maxsize
    while left and time.monotonic() < deadline:
        with suppress(psycopg.Error):
            left = await asyncio.to_thread(reading.open_deliveries, stage.inbox)
        if left < least:
            least, deadline = left, time.monotonic() + seconds
        await asyncio.sleep(0.1)
    return left
