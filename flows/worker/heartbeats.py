"""One thread that beats for whoever asks, however many and however short."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

FIRST_SECONDS = 1.0  # what is shorter than this has ended before anyone could miss it


@dataclass(eq=False)
class _Beating:
    beat: Callable[[], None]
    every: float
    due: float


class Heartbeats:
    """Of a process. The thread starts with the first one who asks and never ends."""

    def __init__(self) -> None:
        self._beating: set[_Beating] = set()
        self._changed = threading.Condition()
        self._started = False

    @contextlib.contextmanager
    def of(self, beat: Callable[[], None], every: float) -> Iterator[None]:
        """Call `beat` after `FIRST_SECONDS` and then every so many seconds, until the block is left."""
        one = _Beating(beat, every, time.monotonic() + FIRST_SECONDS)
        with self._changed:
            self._beating.add(one)
            self._changed.notify()
            if not self._started:
                self._started = True
                threading.Thread(target=self._run, name="warm-heartbeats", daemon=True).start()
        try:
            yield
        finally:
            with self._changed:
                self._beating.discard(one)

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._beating:
                    self._changed.wait()
                    continue
                one = min(self._beating, key=lambda beating: beating.due)
                if (left := one.due - time.monotonic()) > 0:
                    self._changed.wait(left)
                    continue
                one.due = time.monotonic() + one.every
            with contextlib.suppress(Exception):  # no beat is worth what it beats for
                one.beat()
