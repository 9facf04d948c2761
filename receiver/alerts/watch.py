"""Looks after the warnings, twice a minute: what concerns a machine by each receiver, the rest by one for all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from receiver.alerts.book import Alert, Change, Doubts, Kind, step
from receiver.alerts.courier import Courier
from receiver.alerts.gather import Gatherer
from receiver.alerts.judge import judge_machine, judge_shared, patience
from receiver.alerts.outbox import MemoryOutbox, Outbox
from receiver.alerts.store import AlertStore
from receiver.alerts.trouble import OF_ALL, OF_MACHINES, Limits, Place, Rule, Trouble
from receiver.storage import StoreUnavailable

log = logging.getLogger(__name__)

EVERY_SECONDS = 30.0
_LEASE_SECONDS = 120.0
_DELIVERING_SECONDS = 60.0
_GONE = timedelta(days=1)
_SETTLING = timedelta(minutes=15)
"""After a start nothing is called silent: it may have been us who were not there."""


class Watch:
    """`run()` until cancelled. `owner` names this process among several receivers of a database."""

    def __init__(
        self,
        gatherer: Gatherer,
        store: AlertStore,
        courier: Courier,
        limits: Limits,
        *,
        owner: str,
        started_at: datetime,
    ) -> None:
        self._gatherer = gatherer
        self._store = store
        self._courier = courier
        self._limits = limits
        self._owner = owner
        self._started_at = started_at
        self._doubts: Doubts = {}
        self._memory = MemoryOutbox()
        self._unwritten: dict[Place, Alert] = {}
        """Raised while the database could not be written."""

    async def run(self) -> None:
        """Look, tell, and look again."""
        try:
            while True:
                await self.round(datetime.now(UTC))
                await asyncio.sleep(EVERY_SECONDS)
        finally:
            with suppress(StoreUnavailable):
                await self._store.let_go(self._owner)

    async def round(self, now: datetime) -> None:
        """Judge what there is to judge, and tell what is to be told."""
        looks_after_all, problem = False, ""
        try:
            looks_after_all = await self._store.lease(self._owner, now, _LEASE_SECONDS)
        except StoreUnavailable as error:
            problem = str(error)
        await self._look_at_machine(now, problem)
        if looks_after_all:
            with suppress(StoreUnavailable):  # which the next round tells of
                await self._look_at_all(now)
        await self._tell(now, looks_after_all)

    async def opened(self) -> list[Alert]:
        """Every warning that is raised, by when; while the inbox cannot be read, those of this receiver."""
        known = dict(self._unwritten)
        with suppress(StoreUnavailable):
            known |= await self._store.opened()
        return sorted(known.values(), key=lambda alert: (alert.raised_at, alert.trouble.place))

    async def _look_at_machine(self, now: datetime, problem: str) -> None:
        facts = await self._gatherer.machine_facts(problem)
        opened = dict(self._unwritten)
        with suppress(StoreUnavailable):
            stored = await self._store.opened()
            opened |= {place: alert for place, alert in stored.items() if place[0] in OF_MACHINES}
        mine = {place: alert for place, alert in opened.items() if place[1] in {facts.name, facts.disk}}
        with suppress(StoreUnavailable):
            await self._store.seen(mine.keys(), now)
        await self._move(mine, judge_machine(facts, self._limits, mine), OF_MACHINES, now)

    async def _look_at_all(self, now: datetime) -> None:
        facts = await self._gatherer.shared_facts(now)
        stored = await self._store.opened()
        opened = {place: alert for place, alert in stored.items() if place[0] in OF_ALL}
        judged = set(OF_ALL)
        if not facts.silence_looked_at or now - self._started_at < _SETTLING:
            judged.discard(Rule.WEBHOOK_SILENT)
        await self._move(opened, judge_shared(facts, self._limits, opened, now), judged, now)
        gone = [alert for alert in stored.values() if _is_gone(alert, now)]
        await self._store.apply([_over(alert) for alert in gone], self._courier.names, now)

    async def _move(
        self, opened: Mapping[Place, Alert], troubles: Sequence[Trouble], judged: Collection[Rule], now: datetime
    ) -> None:
        others = {place: since for place, since in self._doubts.items() if place[0] not in judged}
        doubts = {place: since for place, since in self._doubts.items() if place[0] in judged}
        changes, doubts_left = step(opened, doubts, troubles, now, judged=judged, patience=patience(self._limits))
        self._doubts = {**others, **doubts_left}
        in_memory = [change for change in changes if change.trouble.place in self._unwritten]
        try:
            made = await self._store.apply(
                [each for each in changes if each not in in_memory], self._courier.names, now
            )
        except StoreUnavailable:
            # Of the others the database still has what they were: the next round comes to the same.
            made = []
            fresh = (each for each in changes if each.kind is Kind.RAISED and each.trouble.rule in OF_MACHINES)
            in_memory += [each for each in fresh if each not in in_memory]
        self._keep_in_memory(in_memory, now)
        for change in (*made, *in_memory):
            log.warning("a warning is %s: %s", change.kind, change.trouble.summary)

    def _keep_in_memory(self, changes: Sequence[Change], now: datetime) -> None:
        self._memory.put(changes, self._courier.names, now)
        for change in changes:
            place, before = change.trouble.place, change.before
            if change.kind is Kind.RESOLVED:
                self._unwritten.pop(place, None)
            else:
                reminders = before.reminders + 1 if before else 0
                self._unwritten[place] = Alert(
                    trouble=change.trouble, raised_at=change.raised_at, told_at=now, reminders=reminders
                )

    async def _tell(self, now: datetime, looks_after_all: bool) -> None:
        outboxes: list[Outbox] = [self._memory, *([self._store] if looks_after_all else [])]
        with suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(_DELIVERING_SECONDS):
                for outbox in outboxes:
                    await self._courier.deliver(outbox, now)


def _is_gone(alert: Alert, now: datetime) -> bool:
    """Whether it is of a receiver that is not there any more: a container has another name at each start."""
    return alert.trouble.rule in OF_MACHINES and now - (alert.seen_at or alert.raised_at) > _GONE


def _over(alert: Alert) -> Change:
    trouble = replace(alert.trouble, summary=f"{alert.trouble.summary}; that receiver was not there for a day")
    return Change(kind=Kind.RESOLVED, trouble=trouble, raised_at=alert.raised_at, before=alert)
