"""What is known of Prefect's deployments: asked for in the background, so that no request waits for Prefect."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from receiver.prefect_gateway import DeploymentRef, PrefectUnavailable

log = logging.getLogger(__name__)

FRESH_SECONDS = 30.0
"""How long an answer of Prefect's counts; with the round below it a change is known within a minute."""
_ROUND_SECONDS = 1.0
_MOST_A_ROUND = 20
_KEPT_SECONDS = 3600.0
_AFTER_FAILURE_SECONDS = 5.0

T = TypeVar("T")


class Source(Protocol):
    """Where deployments are looked up; `PrefectGateway` is one."""

    async def resolve_deployment(self, name: str) -> DeploymentRef | None: ...


@dataclass(frozen=True)
class _Known(Generic[T]):
    ref: DeploymentRef
    rules: T


class Deployments(Generic[T]):
    """Deployments by name, with what `prepare` makes of each (in a thread, again only when it has changed).

    `run()` until cancelled keeps those that `wanted()` names at hand.
    """

    def __init__(
        self, source: Source, prepare: Callable[[DeploymentRef], T], wanted: Callable[[], Iterable[str]] = tuple
    ) -> None:
        self._source = source
        self._prepare = prepare
        self._wanted = wanted
        self._known: dict[str, _Known[T]] = {}
        self._asked: dict[str, float] = {}

    def known(self, name: str) -> DeploymentRef | None:
        """The deployment where it is known already; never asks Prefect."""
        known = self._known.get(name)
        return known.ref if known else None

    def rules(self, name: str) -> T | None:
        """What was made of the deployment where it is known already; never asks Prefect."""
        known = self._known.get(name)
        return known.rules if known else None

    async def resolve_deployment(self, name: str) -> DeploymentRef | None:
        """The deployment as Prefect has it now, None when it has none; raises `PrefectUnavailable`."""
        ref = await self._source.resolve_deployment(name)
        self._asked[name] = time.monotonic()
        known = self._known.get(name)
        if ref is None:
            self._known.pop(name, None)
        elif known is None or known.ref != ref:
            self._known[name] = _Known(ref, await asyncio.to_thread(self._prepare, ref))
        return ref

    async def recent(self, name: str) -> DeploymentRef | None:
        """The deployment as it was known within the last half minute, else as Prefect has it now."""
        known = self._known.get(name)
        if known is not None and not self._stale(name):
            return known.ref
        return await self.resolve_deployment(name)

    def forget(self, name: str) -> None:
        """Something told that it has changed: it is asked for again."""
        self._asked.pop(name, None)
        self._known.pop(name, None)

    async def run(self) -> None:
        """Keep what is wanted at hand until cancelled; what is known stays while Prefect does not answer."""
        while True:
            pause = _ROUND_SECONDS
            wanted = set(self._wanted())
            stale = sorted((name for name in wanted if self._stale(name)), key=lambda name: self._asked.get(name, 0))
            try:
                for name in stale[:_MOST_A_ROUND]:
                    await self.resolve_deployment(name)
            except PrefectUnavailable as error:
                log.debug("deployments are looked up later: %s", error)
                pause = _AFTER_FAILURE_SECONDS
            self._drop_unused(wanted)
            await asyncio.sleep(pause)

    def _stale(self, name: str) -> bool:
        asked = self._asked.get(name)
        return asked is None or time.monotonic() - asked >= FRESH_SECONDS

    def _drop_unused(self, wanted: set[str]) -> None:
        oldest = time.monotonic() - _KEPT_SECONDS
        for name in [name for name, asked in self._asked.items() if asked < oldest and name not in wanted]:
            self.forget(name)
