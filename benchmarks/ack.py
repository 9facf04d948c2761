"""How fast a request is acknowledged that is stored durably, against a bare endpoint that stores nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.accounting import cpu_seconds, family
from benchmarks.disk import commit_ms
from benchmarks.figures import Figure, ratios
from benchmarks.loader import Order
from benchmarks.loading import SIGNATURE_HEADER, Load, body_of, load, signed
from benchmarks.plan import Plan, Tell
from benchmarks.rig import SECRET_VARIABLE, Rig

CLIENTS = (1, 8, 64)
BODY_BYTES = 2048
_GROUP = "acknowledge"
_VERIFICATION = {
    "scheme": "hmac",
    "header": SIGNATURE_HEADER,
    "prefix": "sha256=",
    "secret": f"env:{SECRET_VARIABLE}",
}


@dataclass
class _Side:
    """One of the two endpoints: `cpu` is its process's CPU milliseconds a request at the most clients, by round."""

    name: str
    url: str
    part: str
    loads: dict[int, list[Load]] = field(default_factory=lambda: {clients: [] for clients in CLIENTS})
    cpu: list[float] = field(default_factory=list)


async def measure(rig: Rig, plan: Plan, tell: Tell) -> list[Figure]:
    """Both endpoints in turn, the order changing with each round; the webhook is paused, so Prefect is out of it."""
    url = await rig.receiver.define("ack", "one-node/warm", state="paused", verification=_VERIFICATION)
    bare, ours = _Side("bare", rig.bare_url, "bare"), _Side("ours", url, "receiver")
    for side in (bare, ours):
        await _one(side.url, 8, 0.5)
    before = _inbox_bytes(rig.around.home)
    commits = []
    for number in range(plan.rounds):
        commits.append(await asyncio.to_thread(commit_ms, rig.around.home))
        for clients in CLIENTS:
            for side in (bare, ours) if number % 2 else (ours, bare):
                await _round(rig, side, clients, plan.round_seconds)
            rates = [side.loads[clients][-1].per_second for side in (ours, bare)]
            tell(f"round {number + 1} of {plan.rounds}, {_told(clients)}: {rates[0]:,.0f}/s against {rates[1]:,.0f}/s")
    stored = sum(one.good for loads in ours.loads.values() for one in loads)
    kept = (_inbox_bytes(rig.around.home) - before) / stored / 1024
    return [
        *(figure for clients in CLIENTS for figure in _compare(bare, ours, clients)),
        _figure("bare: CPU a request, 64 clients", "ms", bare.cpu),
        _figure("ours: CPU a request, 64 clients", "ms", ours.cpu),
        _figure("ours to bare's CPU a request, 64 clients", "ratio", ratios(ours.cpu, bare.cpu)),
        _figure("a commit of SQLite alone on this disk", "ms", commits, note="one row of 3 KB, synchronous=FULL"),
        _figure("disk a delivery of 2 KB", "KiB", (kept,), note="the database's file"),
    ]


async def peer(url: str, plan: Plan, tell: Tell) -> list[Figure]:
    """Another system's webhook under the same load: the same signed body, the same clients. Any 2xx counts."""
    figures = []
    for clients in CLIENTS:
        rounds = [await _one(url, clients, plan.round_seconds, must_succeed=False) for _ in range(plan.rounds)]
        tell(f"{url}, {_told(clients)}: {rounds[-1].per_second:,.0f}/s")
        bad = sum(len(one.milliseconds) - one.good for one in rounds)
        figures += _of_one("peer", clients, rounds, note=f"{bad} answers were no success" if bad else "")
    return figures


def rate_name(system: str, clients: int) -> str:
    """How the figure of a rate is called; `system` is bare, ours or peer."""
    return f"{system}, {_told(clients)}: rate"


async def _round(rig: Rig, side: _Side, clients: int, seconds: float) -> None:
    before = cpu_seconds(family(rig.pids[side.part]))
    done = await _one(side.url, clients, seconds)
    side.loads[clients].append(done)
    if clients == CLIENTS[-1]:
        side.cpu.append((cpu_seconds(family(rig.pids[side.part])) - before) * 1000 / done.good)


async def _one(url: str, clients: int, seconds: float, *, must_succeed: bool = True) -> Load:
    body = body_of(BODY_BYTES)
    order = Order(url=url, body=body, headers=signed(body), clients=clients, seconds=seconds)
    return await load(order, must_succeed=must_succeed)


def _compare(bare: _Side, ours: _Side, clients: int) -> list[Figure]:
    mine, others = ours.loads[clients], bare.loads[clients]
    share = ratios([one.per_second for one in mine], [one.per_second for one in others])
    more = [one.p50 - other.p50 for one, other in zip(mine, others, strict=True)]
    at = _told(clients)
    return [
        *_of_one("bare", clients, others),
        *_of_one("ours", clients, mine, p99_goal=60 if clients == 64 else None),
        _figure(
            f"ours to bare's rate, {at}", "ratio", share, goal=0.6 if clients == 64 else None, lower_is_better=False
        ),
        _figure(f"p50 above bare's, {at}", "ms", more, goal=0.8 if clients == 1 else None),
    ]


def _of_one(
    name: str, clients: int, loads: list[Load], *, p99_goal: float | None = None, note: str = ""
) -> list[Figure]:
    at = f"{name}, {_told(clients)}"
    rates = [one.per_second for one in loads]
    return [
        _figure(rate_name(name, clients), "/s", rates, lower_is_better=False, note=note),
        _figure(f"{at}: p50", "ms", [one.p50 for one in loads]),
        _figure(f"{at}: p99", "ms", [one.p99 for one in loads], goal=p99_goal),
    ]


def _figure(name: str, unit: str, samples: list[float] | tuple[float, ...], **more: Any) -> Figure:
    return Figure(group=_GROUP, name=name, unit=unit, samples=tuple(samples), **more)


def _told(clients: int) -> str:
    return f"{clients} client{'s' if clients > 1 else ''}"


def _inbox_bytes(home: Path) -> int:
    return sum(file.stat().st_size for file in home.glob("receiver.db"))
