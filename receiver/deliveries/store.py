"""The inbox: every request that came, and what becomes of it. The one door to its tables.

Each method is a transaction of its own and returns when it is on disk. All of them raise `StoreUnavailable` when the
database cannot work now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from receiver.bodies import Bodies
from receiver.bodies.content import Content
from receiver.contract.reasons import Reason
from receiver.deliveries import accept, claims, discards, follow, reads, replays, replies, retention, search, stats
from receiver.deliveries.accept import Arrived
from receiver.deliveries.big_bodies import BigBodies
from receiver.deliveries.discards import Discarded
from receiver.deliveries.ledger import Place
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.records import (
    Candidate,
    Claim,
    DeliveryFilter,
    Followed,
    NewDelivery,
    NewReplay,
    RunState,
    Stored,
    StoredRequest,
)
from receiver.deliveries.stats import WebhookStats
from receiver.deliveries.views import Backlog, DeliveryRecord, DeliverySummary, FirstAnswer, KeptReply, RefusalCount
from receiver.storage import Database
from receiver.storage.values import to_micros
from receiver.webhooks.audit import By


class DeliveryStore:
    """Deliveries in a database that others may use at the same time.

    Big bodies are in `bodies`; without them, all are in their rows.
    """

    def __init__(self, db: Database, bodies: Bodies | None = None) -> None:
        self._db = db
        self._big = BigBodies(bodies)

    # what comes in

    async def accept(self, new: NewDelivery, now: datetime, parts: Sequence[NewDelivery] = ()) -> Stored:
        """Store a request that was judged, together with those that arrive at the same time.

        A `queued` one gets attempt 1, due at once. One with a `deduplication` becomes a `duplicate` when its event is
        owned by a delivery that is unfinished, completed, cancelled or filtered; it becomes the owner, and runs, when
        the owner failed, crashed, is dead or held, or expired. The same event id with another body runs and is marked
        `id_conflict`. The `parts` of a `split` request are stored with it, all or none.
        """
        if self._big.among((new, *parts)):
            new, *parts = await self._big.stow((new, *parts))
        size = sum(len(each.body) + 1000 for each in (new, *parts))
        return await self._db.write_batched(accept.accept, Arrived(new, now, tuple(parts)), size=size)

    async def record_refusal(self, new: NewDelivery, now: datetime | None = None) -> bool:
        """Store a refused request; False past 20 rows of an address, webhook and minute, which are only counted."""
        arrived = Arrived(new, now or new.received_at)
        return await self._db.write_batched(accept.record_refusals, arrived, size=len(new.body) + 1000)

    async def record_unknown_path(self, path: str, now: datetime) -> None:
        """Count a request for a path that is nobody's. The last hundred such paths are kept."""
        await self._db.write_batched(accept.record_unknown_paths, (path, now), size=len(path))

    # the hand-over to Prefect

    async def claim(
        self, limit: int, lease_seconds: float, now: datetime, owner: str, *, of_the_oldest: int = 0
    ) -> list[Claim]:
        """Lease attempts that are due, but those of paused webhooks: by `Priority`, then the longest due first.

        `owner` names this process, `of_the_oldest` of the `limit` places go by age alone. An attempt whose lease ends
        is given to whoever asks next.
        """
        until = to_micros(now + timedelta(seconds=lease_seconds))
        at = to_micros(now)
        return await self._db.write(
            lambda c: claims.claim(c, limit=limit, until=until, now=at, owner=owner, of_the_oldest=of_the_oldest)
        )

    async def bind(self, claim: Claim, deployment_id: str, flow_id: str) -> None:
        """Store what every hand-over of this attempt is for; what was stored before stays."""
        await self._db.write(lambda c: claims.bind(c, claim, deployment_id, flow_id))

    async def handed_over(self, claim: Claim, flow_run_id: str, now: datetime) -> None:
        """The attempt has its run: `dispatched`. A second report of it changes nothing."""
        at = to_micros(now)
        await self._db.write(lambda c: claims.handed_over(c, claim, flow_run_id, at))

    async def retry_later(self, claim: Claim, due_at: datetime, detail: str, now: datetime) -> None:  # noqa: ARG002 (every change takes the time; this one keeps none)
        """Give a lease back until `due_at`. An outdated claim changes nothing."""
        due = to_micros(due_at)
        await self._db.write(lambda c: claims.retry_later(c, claim, due, detail))

    async def give_up(self, claim: Claim, reason: Reason, detail: str, now: datetime) -> None:
        """The delivery cannot be handed over: `dead`. An outdated claim changes nothing."""
        at = to_micros(now)
        await self._db.write(lambda c: claims.give_up(c, claim, reason, detail, at))

    async def release(self, owner: str, now: datetime) -> None:
        """At a clean stop: what this process leased and did not hand over is due at once."""
        at = to_micros(now)
        await self._db.write(lambda c: claims.release(c, owner, at))

    async def missing_deployments(self) -> list[str]:
        """Names of the deployments for want of which deliveries are dead."""
        return await self._db.read(claims.missing_deployments)

    async def revive(
        self,
        deployment: str | None,
        now: datetime,
        *,
        webhook: str | None = None,
        reason: Reason = Reason.DEPLOYMENT_MISSING,
    ) -> int:
        """Queue again what is dead for this reason, of one deployment and one webhook or (None) of any; how many."""
        at, total, more = to_micros(now), 0, True
        while more:
            count, more = await self._db.write(
                lambda c: claims.revive(c, reason=reason, deployment=deployment, of_webhook=webhook, now=at)
            )
            total += count
        return total

    async def release_all(self, now: datetime) -> None:
        """At the start of the only process of this database: what one before it leased and took to its grave."""
        at = to_micros(now)
        await self._db.write(lambda c: claims.release(c, None, at))

    async def behind(self, now: datetime) -> float:
        """For how many seconds the first of what is due has been due, 0 when nothing is; quick however much waits."""
        first = await self._db.read(claims.oldest)
        return max(0.0, (to_micros(now) - min(first.values())) / 1e6) if first else 0.0

    async def backlog(self, now: datetime) -> Backlog:
        """What is not handed over yet, and since when."""
        at = to_micros(now)
        return await self._db.read(lambda c: claims.backlog(c, at))

    # what a person asks for

    async def candidate(self, delivery_id: str) -> Candidate | None:
        """Where a delivery stands that is to be replayed; None when there is none."""
        return await self._db.read(lambda c: replays.candidate(c, delivery_id))

    async def candidates(self, which: DeliveryFilter, limit: int, after: str | None) -> list[Candidate]:
        """Deliveries that may be meant to be replayed, the oldest first, from the one behind `after`."""
        return await self._db.read(lambda c: replays.candidates(c, which, limit, after))

    async def replay(self, new: Sequence[NewReplay], by: By, now: datetime) -> list[int | None]:
        """Add an attempt for each, past de-duplication: its number, None where the delivery has moved on meanwhile."""
        at, stowed = to_micros(now), await self._big.stow(new)
        return await self._db.write(lambda c: replays.add(c, stowed, by, at))

    async def discard(self, delivery_id: str, by: By, now: datetime) -> Discarded:
        """Cancel a delivery that is held, or waits at a paused webhook and is in nobody's hands."""
        at = to_micros(now)
        return await self._db.write(lambda c: discards.one(c, delivery_id, by, at))

    async def discard_waiting(self, webhook: str, by: By, now: datetime, limit: int) -> tuple[int, bool]:
        """Cancel what waits at a paused webhook and came before now, about `limit` of it; how many, whether all."""
        at, total, after = to_micros(now), 0, ""
        while total < limit:
            count, more = await self._db.write(partial(discards.waiting, key=webhook, by=by, after=after, now=at))
            total += count
            if more is None:
                return total, True
            after = more
        return total, False

    # the run

    async def follow(self, state: RunState, source: str, now: datetime | None = None) -> bool:
        """Apply Prefect's state of a run to its attempt, and to the delivery when that attempt is its latest.

        `source` is `event` or `poll`. A state older than the known one is ignored, unless a poll tells it for longer
        than a minute. False when nothing moved: the run is not ours (yet), or its status is known.
        """
        at = to_micros(now or datetime.now(UTC))
        return await self._db.write(lambda c: follow.follow(c, state, source, at))

    async def run_missing(self, flow_run_id: str, now: datetime) -> bool:
        """Prefect has no such run any more: an unfinished delivery becomes `dead`. False when nothing moved."""
        at = to_micros(now)
        return await self._db.write(lambda c: follow.run_missing(c, flow_run_id, at))

    async def unfinished(self, limit: int, after: str | None) -> list[Followed]:
        """Deliveries whose run has not ended, by id; `after` is the last id of the page before."""
        return await self._db.read(lambda c: follow.unfinished(c, limit, after))

    async def unhappy(self, since: datetime, limit: int) -> list[Followed]:
        """Attempts whose run failed, crashed or was cancelled since then, the latest first."""
        at = to_micros(since)
        return await self._db.read(lambda c: follow.unhappy(c, at, limit))

    async def flow_run(self, flow_run_id: str) -> tuple[str, int] | None:
        """The delivery and the number of the attempt that a run belongs to."""
        return await self._db.read(lambda c: follow.flow_run(c, flow_run_id))

    # the reply of a synchronous webhook

    async def record_reply(self, delivery_id: str, attempt: int, wire: Mapping[str, Any], now: datetime) -> bool:
        """Keep an attempt's reply; the first one wins. False when there was one, or the delivery is not ours."""
        at = to_micros(now)
        return await self._db.write(lambda c: replies.record(c, delivery_id, attempt, wire, at))

    async def run_of(self, delivery_id: str, attempt: int) -> str | None:
        """The flow run of an attempt; None while it is not known."""
        return await self._db.read(lambda c: replies.run_of(c, delivery_id, attempt))

    async def reply(self, delivery_id: str) -> dict[str, Any] | None:
        """The reply of the latest attempt that gave one, as it travelled."""
        return await self._db.read(lambda c: replies.latest(c, delivery_id))

    async def replies(self, delivery_id: str) -> dict[int, KeptReply]:
        """Every reply of a delivery by the number of its attempt."""
        return await self._db.read(lambda c: replies.of_attempts(c, delivery_id))

    async def standing(self, delivery_id: str) -> Status | None:
        """Where a delivery stands; None for one that is not there."""
        return await self._db.read(lambda c: replies.standing(c, delivery_id))

    async def answered(self, delivery_id: str, status: int | None, reason: Reason | None = None) -> None:
        """Note the HTTP status of the answer where it was not known when the request was stored.

        None says that there was none: the caller hung up.
        """
        await self._db.write(lambda c: replies.answered(c, delivery_id, status, reason))

    # reading

    async def get(self, delivery_id: str) -> DeliveryRecord | None:
        """Everything of a delivery but its body, with its attempts and every change of status."""
        return await self._db.read(lambda c: reads.get(c, delivery_id))

    async def request(self, delivery_id: str, attempt: int = 0) -> StoredRequest | None:
        """A delivery's request as an attempt has it, or (0) as it came; None when it is not kept.

        A big body is left out, see `whole` and `content`.
        """
        return await self._db.read(lambda c: reads.request(c, delivery_id, attempt))

    def whole(self, request: StoredRequest, *, patient: bool = False) -> AbstractAsyncContextManager[StoredRequest]:
        """The request with its body in memory, a big one as soon as there is room for it; `patient` waits for that.

        Raises BodyGone where it was deleted.
        """
        return self._big.whole(request, patient=patient)

    def content(self, request: StoredRequest, start: int = 0, stop: int | None = None) -> Content:
        """The bytes of the request's body, or of a part of it, to be sent."""
        return self._big.content(request, start, stop)

    async def set_aside(self, content: bytes) -> Content:
        """Bytes that are to be sent, on disk where they are many."""
        return await self._big.set_aside(content)

    async def requests(self, attempts: Sequence[tuple[str, int]]) -> list[StoredRequest | None]:
        """The requests of many attempts, by delivery and number, in their order."""
        return await self._db.read(lambda c: reads.requests(c, attempts))

    async def first_answer(self, delivery_id: str) -> FirstAnswer | None:
        """What is needed to answer a duplicate as this delivery was answered."""
        return await self._db.read(lambda c: reads.first_answer(c, delivery_id))

    async def stats(self, webhook: str) -> dict[str, Any]:
        """`{"total": 3, "by_status": {"completed": 2, "failed": 1}}` of a webhook."""
        return await self._db.read(lambda c: reads.stats(c, webhook))

    async def statistics(self, since: datetime, now: datetime, webhook: str | None = None) -> list[WebhookStats]:
        """How each webhook (or one) fared from `since` to `now`, also those that took nothing; at most 200, by key."""
        return await self._db.read(lambda c: stats.collect(c, since, now, webhook))

    async def refusal_counts(self, since: datetime) -> list[RefusalCount]:
        """How many requests were refused, by minute, webhook and address; those of the last day are kept."""
        return await self._db.read(lambda c: reads.refusal_counts(c, since))

    async def unknown_paths(self) -> list[tuple[str, int, datetime]]:
        """The last hundred paths that were nobody's: the path, how often, when last; newest first."""
        return await self._db.read(reads.unknown_paths)

    async def list(
        self, which: DeliveryFilter, limit: int, cursor: str | None = None
    ) -> tuple[list[DeliverySummary], str | None]:
        """A page of deliveries, newest first, and the next page's cursor, None at the end.

        With `which.q` the page may be short and not be the last: it looks at two thousand deliveries.
        """
        look = search.search if which.q else reads.list_deliveries
        return await self._db.read(lambda c: look(c, which, limit, cursor))

    # what has come of age; see `retention` for each one's promise

    async def webhooks_with_deliveries(self) -> Sequence[str]:
        """The keys of all webhooks that have deliveries, also of those that exist no more."""
        return await self._db.read(retention.webhooks)

    async def delete_bodies(self, webhook: str, before: datetime) -> tuple[int, bool]:
        """Delete some bodies of what came before a moment: how many, and whether there may be more."""
        return await self._db.write(lambda c: retention.delete_bodies(c, webhook, before))

    async def delete_rows(self, webhook: str, before: datetime) -> tuple[int, bool]:
        """Delete some deliveries that came before a moment: how many, and whether there may be more."""
        return await self._db.write(lambda c: retention.delete_rows(c, webhook, before))

    async def expired_events(self, after: Place | None, now: datetime) -> tuple[Sequence[Place], Place | None]:
        """Event ids that need not be remembered any more, and where to go on looking."""
        return await self._db.read(lambda c: retention.expired_events(c, after, now))

    async def forget_events(self, places: Sequence[Place], now: datetime) -> int:
        """Forget event ids; how many."""
        return await self._db.write(lambda c: retention.forget_events(c, places, now))
