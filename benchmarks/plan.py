"""How much is measured: everything is bounded in count and time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

Tell = Callable[[str], None]
"""Shows a line of progress."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Counts and seconds. `whole` is how long everything together may take."""

    whole: float
    starts: int
    rounds: int
    round_seconds: float
    sync_count: int
    sync_seconds: float
    engine_count: int
    paced_count: int
    burst_count: int
    burst_seconds: float
    batched_count: int
    stock_sync_count: int
    stock_burst_count: int
    began: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        """Seconds that are left for what is not needed; the acknowledgements come last and have theirs set aside."""
        return self.whole - self.rounds * 6 * (self.round_seconds + 0.4) - (time.monotonic() - self.began)


def thorough() -> Plan:
    """Under six minutes on two cores."""
    return Plan(
        whole=340,
        starts=2,
        rounds=5,
        round_seconds=2,
        sync_count=60,
        sync_seconds=10,
        engine_count=25,
        paced_count=25,
        burst_count=120,
        burst_seconds=15,
        batched_count=5_000,
        stock_sync_count=3,
        stock_burst_count=8,
    )


def quick() -> Plan:
    """Under ninety seconds: a look, with fewer samples, without start-up times and without the stock worker's burst."""
    return Plan(
        whole=85,
        starts=0,
        rounds=2,
        round_seconds=1,
        sync_count=12,
        sync_seconds=4,
        engine_count=4,
        paced_count=5,
        burst_count=24,
        burst_seconds=4,
        batched_count=1_000,
        stock_sync_count=1,
        stock_burst_count=0,
    )
