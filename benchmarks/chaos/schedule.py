"""Which fault comes when: the same seed gives the same ones in the same order. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.chaos.ledgers import Kind

Target = tuple[Kind, str]

_SECONDS: dict[Kind, tuple[float, float]] = {
    Kind.KILL: (0, 0),
    Kind.STOP: (0, 0),
    Kind.PAUSE: (1, 6),
    Kind.CUT: (1, 6),
    Kind.DELAY: (2, 6),
    Kind.MUTE: (1, 4),
    Kind.LOCK: (2, 7),
    Kind.FULL: (2, 5),
}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """`seconds` is how long it lasts, `draw` (0 to 1) chooses among parts of which there are several."""

    kind: Kind
    part: str
    seconds: float
    draw: float


def targets(database: str) -> list[Target]:
    """All that can be done with the inbox in this database."""
    kill, pause = Kind.KILL, Kind.PAUSE
    everywhere = [
        *((kill, part) for part in ("receiver", "worker", "zygote", "child", "prefect", "prefect-postgres")),
        *((pause, part) for part in ("receiver", "worker", "child", "prefect", "prefect-postgres")),
        *((kind, link) for kind in (Kind.CUT, Kind.DELAY, Kind.MUTE) for link in ("receiver-link", "worker-link")),
        (Kind.STOP, "receiver"),
        (Kind.STOP, "worker"),
        (Kind.LOCK, "inbox"),
    ]
    if database == "sqlite":
        return [*everywhere, (Kind.FULL, "inbox")]
    return [*everywhere, (kill, "inbox-postgres"), (pause, "inbox-postgres")]


def faults(seed: int, possible: Sequence[Target]) -> Iterator[Fault]:
    """Without end. Every target comes once before one comes again."""
    chance = random.Random(seed)  # noqa: S311 (to be repeated, not to be secret)
    while True:
        deck = list(possible)
        chance.shuffle(deck)
        for kind, part in deck:
            yield Fault(kind=kind, part=part, seconds=chance.uniform(*_SECONDS[kind]), draw=chance.random())
