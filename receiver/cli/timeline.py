"""Where the time of a delivery went, as bars; how much came in each hour, as a sparkline. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

WIDTH = 40
_SPARKS = "▁▂▃▄▅▆▇█"
_DIGITS = "123456789"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A part of a delivery's time, in milliseconds from its beginning."""

    name: str
    start: float
    ms: float


def stages(delivery: Mapping[str, Any], replied_at: str | None) -> list[Stage]:
    """What is known of a delivery's time: receive, queue, start and run, one after the other; reply beside them.

    Of the latest attempt; a replay begins with its queue, since it was received long before.
    """
    names = ("receive", "queue", "start", "run") if delivery["attempt"] <= 1 else ("queue", "start", "run")
    found, at = [], 0.0
    for name in names:
        ms = delivery[f"{name}_ms"]
        if ms is None:
            break
        found.append(Stage(name=name, start=at, ms=ms))
        at += ms
    if replied_at is not None and delivery["attempt"] <= 1:
        until = datetime.fromisoformat(replied_at) - datetime.fromisoformat(delivery["received_at"])
        found.append(Stage(name="reply", start=0, ms=max(0.0, until.total_seconds() * 1000)))
    return found


def bar(stage: Stage, total: float, fill: str = "█") -> str:
    """The stage's share of the total time, at its place; at least one character wide."""
    scale = WIDTH / total if total > 0 else 0
    left = min(WIDTH - 1, int(stage.start * scale))
    size = min(WIDTH - left, max(1, round(stage.ms * scale)))
    return " " * left + fill * size


def sparkline(numbers: Sequence[int], *, blocks: bool = True) -> str:
    """A character for each number, higher for a greater one, `·` or `.` for none."""
    levels, most = _SPARKS if blocks else _DIGITS, max(numbers, default=0)
    none = "·" if blocks else "."
    return "".join(levels[(number * len(levels) - 1) // most] if number else none for number in numbers)
