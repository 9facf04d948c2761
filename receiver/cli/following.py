"""What is new or has changed since the last look at the deliveries. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any

from receiver.deliveries.lifecycle import UNFINISHED

_REMEMBERED = 10_000


class Changes:
    """Remembers each delivery's status; the oldest are forgotten past ten thousand."""

    def __init__(self) -> None:
        self._states: OrderedDict[str, tuple[str, int]] = OrderedDict()

    def of(self, deliveries: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The deliveries that were never seen, or seen in another status or attempt."""
        for delivery in deliveries:
            state = (delivery["status"], delivery["attempt"])
            if self._states.get(delivery["id"]) != state:
                self._states[delivery["id"]] = state
                self._states.move_to_end(delivery["id"])
                yield delivery
        while len(self._states) > _REMEMBERED:
            self._states.popitem(last=False)

    def knows(self, delivery_id: str) -> bool:
        """Whether a delivery was seen."""
        return delivery_id in self._states

    def unfinished(self) -> list[str]:
        """Deliveries that had not ended when they were last seen, latest change first."""
        return [key for key, (status, _) in reversed(self._states.items()) if status in UNFINISHED]
