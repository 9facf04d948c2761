"""What a full inbox costs on each database: acknowledging, looking, starting, and the disk."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.figures import Figure, ratios
from benchmarks.loader import Order
from benchmarks.loading import Load, body_of, load
from benchmarks.plan import Tell
from benchmarks.stored.seed import BODY_BYTES, Seed, sow
from benchmarks.stored.served import Served, served
from receiver.storage.values import first_id
from receiver.supervisor.postgres import EmbeddedPostgres

FEW = 1_000
"""Deliveries in the nearly empty inbox: as many as fill every page that is asked for."""
GROUP = "a full inbox"
_ROUNDS = 5
_CLIENTS = 8
_SECONDS = 3.0
_LOOKS = 40
_OPEN: dict[str, Any] = {"verification": {"scheme": "none"}, "state": "paused"}


@dataclass
class _Side:
    """One of the two receivers, with what was measured at it."""

    receiver: Served
    acks: list[Load] = field(default_factory=list)
    looks: dict[str, list[float]] = field(default_factory=dict)


async def measure(folder: Path, rows: int, tell: Tell) -> list[Figure]:
    """Both databases, one after the other; Prefect is not there, which none of this needs."""
    figures = []
    postgres = EmbeddedPostgres(folder / "postgres")
    try:
        await asyncio.to_thread(postgres.start)
        for name in ("SQLite", "PostgreSQL"):
            urls: dict[str, str | None] = dict.fromkeys(("few", "many", "waiting"))
            if name == "PostgreSQL":
                for kind in urls:
                    await asyncio.to_thread(postgres.ensure_database, kind)
                    urls[kind] = postgres.url(kind)
            figures += await _on(name, folder / name.lower(), urls, rows, tell)
    finally:
        await asyncio.to_thread(postgres.remove)
    return figures


async def _on(name: str, folder: Path, urls: dict[str, str | None], rows: int, tell: Tell) -> list[Figure]:
    now = datetime.now(UTC) - timedelta(minutes=1)
    homes = {kind: folder / kind for kind in urls}
    for kind, count in (("few", FEW), ("many", rows), ("waiting", rows)):
        tell(f"{name}: {count:,} deliveries are put into an inbox")
        await asyncio.to_thread(homes[kind].mkdir, parents=True)
        await asyncio.to_thread(sow, urls[kind], homes[kind], Seed(rows=count, end=now, queued=kind == "waiting"))
    size = _bytes(urls["many"], homes["many"]) - _bytes(urls["few"], homes["few"])
    figures = [_figure(name, "disk a delivery with a body of 1 KiB", "KiB", [size / (rows - FEW) / 1024])]
    async with served(homes["few"], urls["few"]) as few, served(homes["many"], urls["many"]) as many:
        sides = [_Side(few), _Side(many)]
        await _look(sides, now, tell)
        await _acknowledge(sides, name, tell)
        figures += [*_compared_acks(name, sides), *_compared_looks(name, sides)]
    figures += await _start(name, homes, urls, tell)
    return figures


async def _acknowledge(sides: list[_Side], name: str, tell: Tell) -> None:
    urls = [await side.receiver.api.define("ack", "none/none", **_OPEN) for side in sides]
    for number in range(_ROUNDS + 1):
        for side, url in zip(sides, urls, strict=True) if number % 2 else zip(sides[::-1], urls[::-1], strict=True):
            seconds = _SECONDS if number else 1.0
            done = await load(_order(url, seconds))
            if number:  # the first one warms up
                side.acks.append(done)
        if number:
            few, many = (side.acks[-1].p99 for side in sides)
            tell(f"{name}, round {number} of {_ROUNDS}: ack p99 {many:.1f} ms against {few:.1f} ms")


def _order(url: str, seconds: float) -> Order:
    headers = {"Content-Type": "application/json"}
    return Order(url=url, body=body_of(BODY_BYTES), headers=headers, clients=_CLIENTS, seconds=seconds)


async def _look(sides: list[_Side], now: datetime, tell: Tell) -> None:
    paths = _looks(now)
    for title, path in paths.items():
        for number in range(_LOOKS + 1):
            for side in sides:
                took = await side.receiver.look(path)
                if number:
                    side.looks.setdefault(title, []).append(took)
    slowest = max(paths, key=lambda title: max(sides[1].looks[title]))
    tell(f"the slowest look: {slowest}, {max(sides[1].looks[slowest]):.0f} ms")


def _looks(now: datetime) -> dict[str, str]:
    deep = first_id(now - timedelta(days=15))
    deliveries = "/api/admin/deliveries"
    return {
        "list": deliveries,
        "list of a webhook": f"{deliveries}?webhook=shop-7",
        "list by status": f"{deliveries}?status=failed",
        "list of a webhook by status": f"{deliveries}?webhook=shop-7&status=completed",
        "list from a deep cursor": f"{deliveries}?cursor={deep}",
        "search of an event id": f"{deliveries}?q=evt_17",
        "search of a part of a path": f"{deliveries}?q=shop-7",
        "search of what is nowhere": f"{deliveries}?q=nowhere",
        "stats of a day": "/api/admin/stats",
    }


async def _start(name: str, homes: dict[str, Path], urls: dict[str, str | None], tell: Tell) -> list[Figure]:
    """A receiver whose whole inbox waits for its hand-over, while Prefect does not answer."""
    took, memory = {}, {}
    for kind in ("few", "waiting"):
        began = time.monotonic()
        async with served(homes[kind], urls[kind]) as started:
            took[kind] = time.monotonic() - began
            url = await started.api.define("late", "none/none", **_OPEN)
            done = await load(_order(url, _SECONDS))
            memory[kind] = started.memory()
        tell(f"{name}, {kind}: ready after {took[kind]:.2f} s, then ack p99 {done.p99:.1f} ms")
    note = f"{took['few']:.1f} s and {memory['few']:.0f} MiB with hardly any"
    return [
        _figure(name, "start to ready, all of them queued", "s", [took["waiting"]], note=note),
        _figure(name, "ack p99, all of them queued", "ms", [done.p99]),
        _figure(name, "memory of the receiver, all of them queued", "MiB", [memory["waiting"]]),
    ]


def _compared_acks(name: str, sides: list[_Side]) -> list[Figure]:
    few, many = sides
    figures = []
    for title, of in (("ack p50", "p50"), ("ack p99", "p99")):
        mine, others = ([getattr(one, of) for one in side.acks] for side in (many, few))
        figures.append(_figure(name, title, "ms", mine, note=_beside(others)))
        times = ratios(mine, others)
        figures.append(_figure(name, f"{title} to a nearly empty one's", "times", list(times), goal=2.0))
    return figures


def _compared_looks(name: str, sides: list[_Side]) -> list[Figure]:
    few, many = sides
    figures = []
    for title, mine in many.looks.items():
        others = few.looks[title]
        figures.append(_figure(name, title, "ms", mine, note=_beside(others)))
        goal = None if title.startswith("stats") else 2.0  # what it counts came in that day
        times = [_median(mine) / _median(others)]
        figures.append(_figure(name, f"{title}, to a nearly empty one's", "times", times, goal=goal))
    return figures


def _beside(others: list[float]) -> str:
    return f"{_median(others):.2f} nearly empty"


def _median(samples: list[float]) -> float:
    ordered = sorted(samples)
    return ordered[len(ordered) // 2]


def _figure(name: str, title: str, unit: str, samples: list[float], **more: Any) -> Figure:
    return Figure(group=GROUP, name=f"{name}: {title}", unit=unit, samples=tuple(samples), **more)


def _bytes(url: str | None, home: Path) -> int:
    if url is None:
        return (home / "receiver.db").stat().st_size
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        return int(row[0]) if row else 0
