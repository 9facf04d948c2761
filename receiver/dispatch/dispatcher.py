"""Drains the inbox: each stored attempt becomes one run in Prefect, however often the hand-over is retried."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from receiver.contract.errors import Unusable
from receiver.contract.reasons import Reason
from receiver.deliveries.priority import Turns
from receiver.deliveries.records import Claim
from receiver.dispatch.deployments import Deployments
from receiver.dispatch.orchestrator import Orchestrator
from receiver.dispatch.pace import Pace
from receiver.dispatch.policy import GiveUp, Started, TryAgain, backoff, judge, kept_due
from receiver.dispatch.reach import Reach
from receiver.prefect_gateway import Handover, Outcome, PrefectUnavailable
from receiver.storage import StoreUnavailable

log = logging.getLogger(__name__)

_IDLE_SECONDS = 1.0
_REVIVE_SECONDS = 10.0
_STOP_SECONDS = 5.0
_ALONE_REMEMBERED = 10_000
_OVERTAKEN = timedelta(hours=1)
"""Workers take first what was due first: a run that is awaited is scheduled so much earlier when many wait."""


class Inbox(Protocol):
    """What the dispatcher needs of the store; see `DeliveryStore` for each method's promise."""

    async def claim(
        self, limit: int, lease_seconds: float, now: datetime, owner: str, *, of_the_oldest: int = 0
    ) -> list[Claim]: ...

    async def bind(self, claim: Claim, deployment_id: str, flow_id: str) -> None: ...

    async def handed_over(self, claim: Claim, flow_run_id: str, now: datetime) -> None: ...

    async def retry_later(self, claim: Claim, due_at: datetime, detail: str, now: datetime) -> None: ...

    async def give_up(self, claim: Claim, reason: Reason, detail: str, now: datetime) -> None: ...

    async def missing_deployments(self) -> list[str]: ...

    async def revive(self, deployment: str, now: datetime) -> int: ...

    async def release(self, owner: str, now: datetime) -> None: ...


class Dispatcher:
    """Hands attempts over, several at once. `run()` until cancelled; `notify()` when something was stored.

    As many go on at once as Prefect takes with ease, `concurrency` at most; none while `reach` says that it is away.
    `parameters(claim)` gives the run's parameters and raises `Unusable` where they cannot be made.
    `on_started(flow_run_id)` is told of each run that was handed over, `on_dead(delivery_id)` of what was given up.
    """

    def __init__(
        self,
        inbox: Inbox,
        orchestrator: Orchestrator,
        deployments: Deployments[Any],
        parameters: Callable[[Claim], Awaitable[Mapping[str, Any]]],
        *,
        owner: str,
        concurrency: int,
        lease_seconds: float,
        reach: Reach,
        on_started: Callable[[str], Awaitable[None]],
        on_dead: Callable[[str], None] = lambda _delivery_id: None,
    ) -> None:
        self._inbox = inbox
        self._orchestrator = orchestrator
        self._deployments = deployments
        self._parameters = parameters
        self._owner = owner
        self._reach = reach
        self._pace = Pace(concurrency)
        self._turns = Turns()
        self._lease_seconds = lease_seconds
        self._on_started = on_started
        self._on_dead = on_dead
        self._wake = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._alone: Counter[tuple[str, int]] = Counter()

    @property
    def at_once(self) -> int:
        """How many hand-overs may go on at the same time now."""
        return self._pace.limit

    def notify(self) -> None:
        """Something was stored: look at once instead of at the next round."""
        self._wake.set()

    async def run(self) -> None:
        """Drain until cancelled, then give back what was claimed and not begun."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._drain(), name="hand-overs")
                group.create_task(self._revive_missing(), name="revival")
        finally:
            if self._under_way:
                _, late = await asyncio.wait(self._under_way, timeout=_STOP_SECONDS)
                for task in late:
                    task.cancel()
            with suppress(StoreUnavailable):
                await self._inbox.release(self._owner, _now())

    async def _drain(self) -> None:
        while True:
            self._wake.clear()
            if self._reach.is_open:
                # Not a delivery: none is tried in vain, and a long queue is not gone through.
                if await self._reach.probe(self._orchestrator.healthy):
                    self._pace.start_over()
                continue
            claimed = await self._claim()
            for claim in claimed:
                task = asyncio.create_task(self._hand_over(claim), name=f"hand over {claim.delivery_id}")
                self._under_way.add(task)
                task.add_done_callback(self._done)
            if not claimed:
                # Not wait_for: on Python 3.11 it loses a cancellation that comes with the wake-up, and never ends.
                with suppress(TimeoutError):
                    async with asyncio.timeout(_IDLE_SECONDS):
                        await self._wake.wait()

    async def _claim(self) -> list[Claim]:
        free = self._pace.limit - len(self._under_way)
        if free <= 0:
            return []
        try:
            oldest = self._turns.by_age(free)
            return await self._inbox.claim(free, self._lease_seconds, _now(), self._owner, of_the_oldest=oldest)
        except StoreUnavailable as error:
            log.warning("the inbox cannot be read, trying again: %s", error)
            return []

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            # Its lease runs out and the attempt is taken up again.
            log.error("%s failed and is tried again when its lease ends", task.get_name(), exc_info=error)

    async def _hand_over(self, claim: Claim) -> None:
        try:
            bound = await self._bound(claim)
            if bound is None:
                await self._give_up(claim, Reason.DEPLOYMENT_MISSING, f"Prefect has no deployment {claim.deployment!r}")
                return
            handover = await self._create_run(claim, bound, await self._parameters(claim))
        except PrefectUnavailable as error:
            healthy = await self._is_healthy(str(error))
            await self._again(claim, backoff(claim.tries, _jitter()), str(error), healthy)
            return
        except Unusable as error:
            await self._unusable(claim, error)
            return
        except StoreUnavailable:
            raise
        except Exception as error:
            # Whatever this delivery does to us or to Prefect's client, it must not be tried for ever.
            log.exception("the hand-over of %s failed", claim.delivery_id)
            handover = Handover(outcome=Outcome.RETRY_LATER, detail=f"{type(error).__name__} in the receiver")
        healthy = handover.outcome is not Outcome.RETRY_LATER or await self._is_healthy(handover.detail)
        alone = self._failed_alone(claim, handover, healthy)
        match judge(handover, tries=claim.tries, alone=alone, jitter=_jitter()):
            case Started(flow_run_id):
                await self._inbox.handed_over(claim, flow_run_id, _now())
                await self._on_started(flow_run_id)
            case TryAgain(wait, detail):
                await self._again(claim, wait, detail, healthy)
            case GiveUp(reason, detail):
                self._deployments.forget(claim.deployment)
                await self._give_up(claim, reason, detail)

    async def _unusable(self, claim: Claim, error: Unusable) -> None:
        """Give it up; but what has expired may have got its run in a hand-over whose answer was lost."""
        if error.reason is Reason.EXPIRED and claim.tries > 1:
            try:
                found = await self._orchestrator.find_run(_idempotency_key(claim))
            except PrefectUnavailable as unavailable:
                healthy = await self._is_healthy(str(unavailable))
                await self._again(claim, backoff(claim.tries, _jitter()), str(unavailable), healthy)
                return
            if found is not None:
                await self._inbox.handed_over(claim, found, _now())
                await self._on_started(found)
                return
        await self._give_up(claim, error.reason, error.detail)

    async def _create_run(self, claim: Claim, deployment_id: str, parameters: Mapping[str, Any]) -> Handover:
        began = time.monotonic()
        handover = await self._orchestrator.create_run(
            deployment_id,
            parameters=parameters,
            idempotency_key=_idempotency_key(claim),
            name=_run_name(claim),
            # A batch's members are not among its tags: each of them would be in every event of the run.
            tags=(f"webhook:{claim.webhook}", *([] if claim.batch_id else [f"delivery:{claim.delivery_id}"])),
            scheduled_at=claim.received_at - _OVERTAKEN if claim.overtakes else None,
        )
        now = time.monotonic()
        if handover.outcome is Outcome.RETRY_LATER:
            self._pace.refused(now - began, now)
        else:
            self._pace.taken(now - began, now)
            self._reach.answered()
        return handover

    async def _is_healthy(self, detail: str) -> bool:
        """Whether Prefect answers others while it did not answer this."""
        if self._reach.is_open:
            return False
        if await self._orchestrator.healthy():
            return True
        self._reach.failed(detail)
        return False

    async def _again(self, claim: Claim, wait: timedelta, detail: str, healthy: bool) -> None:
        """What failed alone waits; for an outage the queue waits as a whole, in the order that it has."""
        now = _now()
        due_at = now + wait if healthy else kept_due(claim.due_at, now + wait, tries=claim.tries)
        await self._inbox.retry_later(claim, due_at, detail, now)

    def _failed_alone(self, claim: Claim, handover: Handover, healthy: bool) -> int:
        """How often this attempt failed while Prefect answered otherwise. What an outage refused does not count."""
        attempt = (claim.delivery_id, claim.attempt)
        if handover.outcome is not Outcome.RETRY_LATER:
            self._alone.pop(attempt, None)
            return 0
        if healthy:
            if len(self._alone) >= _ALONE_REMEMBERED:
                self._alone.clear()
            self._alone[attempt] += 1
        return self._alone[attempt]

    async def _give_up(self, claim: Claim, reason: Reason, detail: str) -> None:
        level = logging.WARNING if reason is Reason.EXPIRED else logging.ERROR
        log.log(level, "delivery %s is dead: %s, %s", claim.delivery_id, reason, detail)
        await self._inbox.give_up(claim, reason, detail, _now())
        for delivery_id, _ in claim.members:
            self._on_dead(delivery_id)

    async def _bound(self, claim: Claim) -> str | None:
        """The deployment's id: what the attempt stored, else looked up and stored first."""
        if claim.deployment_id is not None:
            return claim.deployment_id
        deployment = await self._deployments.recent(claim.deployment)
        if deployment is None:
            return None
        await self._inbox.bind(claim, deployment.id, deployment.flow_id)
        return deployment.id

    async def _revive_missing(self) -> None:
        """Queue deliveries again whose deployment was missing and has appeared."""
        while True:
            await asyncio.sleep(_REVIVE_SECONDS)
            try:
                for name in await self._inbox.missing_deployments():
                    if await self._deployments.resolve_deployment(name) is not None:
                        count = await self._inbox.revive(name, _now())
                        log.info("deployment %s has appeared: %d deliveries queued again", name, count)
                        self.notify()
            except (PrefectUnavailable, StoreUnavailable) as error:
                log.debug("deliveries without a deployment are looked at later: %s", error)


def _idempotency_key(claim: Claim) -> str:
    return f"{claim.delivery_id}:{claim.attempt}"


def _run_name(claim: Claim) -> str:
    many = f"{len(claim.members)} deliveries " if claim.batch_id else ""
    return f"{claim.webhook} {many}{claim.delivery_id[-8:]}"


def _jitter() -> float:
    return random.random()  # noqa: S311 (spread, not a secret)


def _now() -> datetime:
    return datetime.now(UTC)
