"""Wrong clocks: each start of a receiver or a worker is given one, which the seed draws.

Prefect's server keeps the right time, since all are compared with its; and so do the ids of deliveries, which are not
made in Python.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.chaos.ledgers import Injected, Kind

VARIABLE = "CHAOS_CLOCK"
MOST_SECONDS = 30.0
_FOLDER = Path(__file__).parent / "clock"


class Clocks:
    """Draws a clock for each start: right at every second one, else up to `MOST_SECONDS` fast or slow."""

    def __init__(self, seed: int, tell: Callable[[str], None]) -> None:
        self.moved: list[Injected] = []
        self._chance = random.Random(seed)  # noqa: S311 (to be repeated, not to be secret)
        self._tell = tell

    def given(self, name: str, env: Mapping[str, str]) -> dict[str, str]:
        """The environment of a start of this part, with its clock."""
        wrong, seconds = self._chance.random() < 0.5, self._chance.uniform(-MOST_SECONDS, MOST_SECONDS)
        if not wrong:
            return dict(env)
        now = time.time()
        self._tell(f"{Kind.CLOCK}: {name} by {seconds:+.1f} s")
        self.moved.append(Injected(kind=Kind.CLOCK, part=name, began=now, ended=now))
        path = os.pathsep.join(filter(None, (str(_FOLDER), env.get("PYTHONPATH"))))
        return {**env, "PYTHONPATH": path, VARIABLE: f"{seconds:.3f}"}
