"""Prefect killed and away for minutes while requests come: what each is answered, and when all have run afterwards."""

from __future__ import annotations

import asyncio
import time

from benchmarks.batches import BODY, define
from benchmarks.figures import Figure
from benchmarks.loader import Order
from benchmarks.loading import Load, LoadFailed, load
from benchmarks.plan import Tell
from benchmarks.rig import Rig

GROUP = "prefect away"
RATE = 100.0
"""Requests a second."""

_KEY = "outage"
_CLIENTS = 16
_USUAL_SECONDS = 30.0
_WARM_UP = 400
_LOOK_SECONDS = 0.5
_RECOVERY_SECONDS = 600.0


async def measure(rig: Rig, minutes: float, tell: Tell) -> list[Figure]:
    """Requests at a constant rate into a batched webhook: with Prefect there, then with its server killed, which comes
    back after so many minutes. Raises LoadFailed when a request was not acknowledged or a delivery did not complete.
    """
    url = await define(rig, _KEY)
    await _send(url, _WARM_UP, 1000.0)
    await rig.receiver.wait_until_all_ended(_KEY, _RECOVERY_SECONDS)
    usual = await _send(url, round(RATE * _USUAL_SECONDS))
    tell(f"with Prefect: {usual.good:,} acknowledged, p99 {usual.p99:.1f} ms")
    await rig.receiver.wait_until_all_ended(_KEY, _RECOVERY_SECONDS)
    before = await rig.receiver.completed(_KEY)

    rig.kill("prefect")
    tell(f"Prefect's server is killed; it is away for {minutes:g} min")
    away = await _send(url, round(RATE * minutes * 60))
    behind = await rig.receiver.behind_seconds()
    tell(f"without Prefect: {away.good:,} acknowledged, p99 {away.p99:.1f} ms; behind by {behind:.0f} s")
    await rig.start_again("prefect")
    back = time.monotonic()
    first = await _seconds_until(rig, before + 1, back)
    all_done = await _seconds_until(rig, before + away.good, back)
    done = await rig.receiver.completed(_KEY) - before
    if done != away.good:
        raise LoadFailed(f"{done:,} of {away.good:,} acknowledged deliveries completed")
    tell(f"Prefect is back: the first completed after {first:.1f} s, the last after {all_done:.1f} s")
    return _figures(usual, away, minutes, behind, first, all_done)


async def _send(url: str, count: int, per_second: float = RATE) -> Load:
    order = Order(
        url=url,
        body=BODY,
        headers={"Content-Type": "application/json"},
        clients=_CLIENTS,
        count=count,
        seconds=2 * count / per_second + 60,
        per_second=per_second,
    )
    return await load(order)


async def _seconds_until(rig: Rig, completed: int, since: float) -> float:
    while await rig.receiver.completed(_KEY) < completed:
        if time.monotonic() - since > _RECOVERY_SECONDS:
            raise LoadFailed(f"fewer than {completed:,} deliveries completed within {_RECOVERY_SECONDS:.0f} s")
        await asyncio.sleep(_LOOK_SECONDS)
    return time.monotonic() - since


def _figures(usual: Load, away: Load, minutes: float, behind: float, first: float, all_done: float) -> list[Figure]:
    rate = f"{RATE:.0f}/s into batches"
    sent = len(away.milliseconds)

    def figure(name: str, value: float, unit: str, goal: float | None = None, note: str = "") -> Figure:
        return Figure(group=GROUP, name=name, unit=unit, samples=(value,), goal=goal, note=note)

    return [
        figure(f"{rate}, Prefect there: p50", usual.p50, "ms"),
        figure(f"{rate}, Prefect there: p99", usual.p99, "ms", note="from the moment it was to be sent"),
        figure(f"{rate}, Prefect away {minutes:g} min: p50", away.p50, "ms"),
        figure(f"{rate}, Prefect away {minutes:g} min: p99", away.p99, "ms"),
        figure("p99 without Prefect to p99 with it", away.p99 / usual.p99, "times", goal=1.2),
        figure("not acknowledged", sent - away.good, "", goal=0, note=f"of {sent:,}"),
        figure("not completed", 0, "", goal=0, note=f"of {away.good:,}; each counted once"),
        figure("behind, when Prefect comes back", behind, "s"),
        figure("Prefect ready to the first completed", first, "s"),
        figure("Prefect ready to all completed", all_done, "s", note=f"{away.good / all_done:,.0f} deliveries/s"),
    ]
