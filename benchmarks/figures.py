"""Samples, and what may be said of them: median, spread, ratio. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of the result: the samples of one thing, in one unit.

    `lower_is_better` is None where neither is. `goal` is the first goal for it, `beside` what the samples are compared
    with, in words. A figure without samples was not measured, and `note` says why.
    """

    group: str
    name: str
    unit: str
    samples: tuple[float, ...]
    goal: float | None = None
    lower_is_better: bool | None = True
    note: str = ""

    @property
    def median(self) -> float | None:
        """None without samples."""
        return median(self.samples) if self.samples else None

    @property
    def met(self) -> bool | None:
        """Whether the median meets the goal; None without a goal or without samples."""
        value = self.median
        if self.goal is None or value is None:
            return None
        return value <= self.goal if self.lower_is_better else value >= self.goal

    def to_json(self) -> dict[str, Any]:
        """As `latest.json` holds it."""
        low, high = spread(self.samples) if self.samples else (None, None)
        return {
            "group": self.group,
            "name": self.name,
            "unit": self.unit,
            "median": self.median,
            "low": low,
            "high": high,
            "count": len(self.samples),
            "goal": self.goal,
            "met": self.met,
            "note": self.note,
        }


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that at least `share` (0 to 1) of all samples do not exceed. Raises ValueError on none."""
    if not samples:
        raise ValueError("no samples")
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(samples: Sequence[float]) -> tuple[float, float]:
    """The lowest and the highest of up to ten samples, of more the 5th and the 95th percentile."""
    if len(samples) <= 10:
        return min(samples), max(samples)
    return percentile(samples, 0.05), percentile(samples, 0.95)


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, ...]:
    """Ours to theirs, round by round: both of a round were measured within seconds of each other."""
    return tuple(mine / other for mine, other in zip(ours, theirs, strict=True) if other)


def shown(value: float | None) -> str:
    """Three digits that count, and no more."""
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
