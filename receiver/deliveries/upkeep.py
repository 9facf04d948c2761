"""What keeps an inbox small and clean, as one value for whoever asks for it."""

from __future__ import annotations

from dataclasses import dataclass

from receiver.deliveries.erasure import Erasures
from receiver.deliveries.leftovers import Leftovers
from receiver.deliveries.run_cleaner import RunCleaner
from receiver.deliveries.sweeper import Sweeper
from receiver.storage.space import Space


@dataclass(frozen=True, kw_only=True)
class Upkeep:
    """Deletes what has come of age, its runs in Prefect, a person's data; gives back disk.

    `leftovers` deletes big bodies that are kept apart, None where all are in their rows.
    """

    sweeper: Sweeper
    runs: RunCleaner
    erasures: Erasures
    leftovers: Leftovers | None
    space: Space
