"""De-duplication: which delivery a sender's event belongs to. The decision is pure; settling is one transaction's.

Two processes may settle the same event at once: the primary key decides who was first, the lock on its row who takes
over. Places are inserted and locked in their order, so that processes wait for each other in one direction only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, bindparam, select, update

from receiver.deliveries.lifecycle import RUNS_AGAIN, Status
from receiver.deliveries.records import DeduplicationClaim, NewDelivery
from receiver.storage.rows import RowInsert
from receiver.storage.tables import delivery, ledger
from receiver.storage.values import to_micros

T = TypeVar("T")
Place = tuple[str, bytes]
"""A webhook and the digest of an event's id."""

_INSERT = RowInsert(ledger, ("webhook", "key", "delivery_id", "body_digest", "expires_at"), on_conflict="DO NOTHING")
_TAKE_OVER = (
    update(ledger)
    .where(ledger.c.webhook == bindparam("place_webhook"), ledger.c.key == bindparam("place_key"))
    .values(delivery_id=bindparam("owner"), body_digest=bindparam("digest"), expires_at=bindparam("expires"))
)
_PAGE = 500


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A delivery's claim to an event, and where that delivery stands; `expires_at` in microseconds."""

    delivery_id: str
    place: Place
    body_digest: bytes
    expires_at: int
    status: Status


@dataclass(frozen=True)
class Settled:
    """What became of a claim: `duplicate_of` names the event's owner when that is another delivery.

    `replayed`: it is, since that delivery had the same signature, though under another event id.
    """

    duplicate_of: str | None = None
    id_conflict: bool = False
    replayed: bool = False


class Verdict(Enum):
    """What a delivery is to an event that has an owner."""

    DUPLICATE = auto()
    TAKES_OVER = auto()
    """Its owner expired, or is to be run again: the new delivery owns the event."""
    CONFLICT = auto()
    """Another body under the same id: the two are different events."""


def judge(owner: Entry, new: Entry, now: int) -> Verdict:
    """What `new` is to the event that `owner` owns."""
    if owner.expires_at <= now or owner.status in RUNS_AGAIN:
        return Verdict.TAKES_OVER
    return Verdict.DUPLICATE if owner.body_digest == new.body_digest else Verdict.CONFLICT


def entry_of(new: NewDelivery) -> Entry | None:
    """The claim of a delivery, None when it makes none. What was refused never owns an event."""
    claim = new.deduplication
    return _entry(new, claim, _id_digest(claim), claim.body_digest) if claim is not None and claim.key else None


def guard_of(new: NewDelivery) -> Entry | None:
    """The claim of a delivery to its signature, None when it makes none. In place of a body it has the event's id."""
    claim = new.deduplication
    if claim is None or claim.mark is None:
        return None
    return _entry(new, claim, hashlib.sha256(b"signature\0" + claim.mark).digest(), _id_digest(claim))


def _entry(new: NewDelivery, claim: DeduplicationClaim, key: bytes, digest: bytes) -> Entry | None:
    if new.status is Status.REJECTED:
        return None
    return Entry(
        delivery_id=new.id,
        place=(new.webhook, key),
        body_digest=digest,
        expires_at=to_micros(claim.expires_at),
        status=new.status,
    )


def _id_digest(claim: DeduplicationClaim) -> bytes:
    return hashlib.sha256(claim.key.encode("utf-8", "surrogatepass")).digest()


def settle_all(connection: Connection, arrived: Sequence[NewDelivery], now: int) -> dict[str, Settled]:
    """Enter what deliveries claim, and tell by delivery id what became of each; those that claim nothing are left out.

    Signatures come first, everywhere: what is a replay claims no id, and processes wait for each other in one order.
    """
    guards = [entry for new in arrived if (entry := guard_of(new)) is not None]
    replays = {}
    if guards:
        settled = settle(connection, guards, now, guard=True)
        replays = {delivery_id: outcome for delivery_id, outcome in settled.items() if outcome.replayed}
    entries = [entry for new in arrived if new.id not in replays and (entry := entry_of(new)) is not None]
    return {**(settle(connection, entries, now) if entries else {}), **replays}


def settle(connection: Connection, entries: Sequence[Entry], now: int, *, guard: bool = False) -> dict[str, Settled]:
    """Enter claims, in order of arrival, and tell by delivery id what became of each. Later ones see earlier ones.

    With `guard` they are claims to signatures: what matters is that a signature comes under one event id only.
    """
    owners: dict[Place, Entry] = {}
    for entry in entries:
        owners.setdefault(entry.place, entry)
    places = sorted(owners)
    if _INSERT.insert(connection, [_row(owners[place]) for place in places]) < len(places):
        mine = {entry.delivery_id for entry in owners.values()}
        owners.update((entry.place, entry) for entry in _locked_owners(connection, places, mine))
    settled: dict[str, Settled] = {}
    taken_over: set[Place] = set()
    conflicts: list[Entry] = []
    for entry in entries:
        owner = owners[entry.place]
        if owner is entry:
            settled[entry.delivery_id] = Settled()
            continue
        match judge(owner, entry, now):
            case Verdict.DUPLICATE:
                settled[entry.delivery_id] = Settled() if guard else Settled(duplicate_of=owner.delivery_id)
            case Verdict.TAKES_OVER:
                other_body = owner.expires_at > now and owner.body_digest != entry.body_digest
                settled[entry.delivery_id] = Settled(id_conflict=other_body and not guard)
                owners[entry.place] = entry
                taken_over.add(entry.place)
            case Verdict.CONFLICT if guard:
                settled[entry.delivery_id] = Settled(duplicate_of=owner.delivery_id, replayed=True)
            case Verdict.CONFLICT:
                conflicts.append(_as_event_of_its_own(entry))
    if taken_over:
        connection.execute(_TAKE_OVER, [_takeover(owners[place]) for place in sorted(taken_over)])
    if conflicts:
        for delivery_id, outcome in settle(connection, conflicts, now).items():
            settled[delivery_id] = replace(outcome, id_conflict=True)
    return settled


def _as_event_of_its_own(entry: Entry) -> Entry:
    """A conflicting body gets a place of its own, so that its repeats are duplicates of it."""
    webhook, key = entry.place
    return replace(entry, place=(webhook, hashlib.sha256(key + entry.body_digest).digest()))


def _row(entry: Entry) -> tuple[object, ...]:
    return (*entry.place, entry.delivery_id, entry.body_digest, entry.expires_at)


def _takeover(entry: Entry) -> dict[str, object]:
    return {
        "place_webhook": entry.place[0],
        "place_key": entry.place[1],
        "owner": entry.delivery_id,
        "digest": entry.body_digest,
        "expires": entry.expires_at,
    }


def _locked_owners(connection: Connection, places: Sequence[Place], mine: set[str]) -> list[Entry]:
    """The owners of places that had one before, their rows locked until the commit."""
    rows: list[Row[Any]] = []
    for webhook, of_webhook in groupby(places, key=itemgetter(0)):
        # By webhook and keys, not by pairs: SQLite would look at every event of a webhook for a pair.
        query = select(ledger).where(ledger.c.webhook == webhook).order_by(ledger.c.key).with_for_update()
        for part in _pages([key for _, key in of_webhook]):
            rows += connection.execute(query.where(ledger.c.key.in_(part))).all()
    rows = [row for row in rows if row.delivery_id not in mine]
    # A second statement, so that it sees what was committed while the first waited for its locks.
    query = select(delivery.c.id, delivery.c.status)
    statuses: dict[str, Status] = {}
    for part in _pages([row.delivery_id for row in rows]):
        statuses.update(
            (row.id, Status(row.status)) for row in connection.execute(query.where(delivery.c.id.in_(part)))
        )
    return [
        Entry(
            delivery_id=row.delivery_id,
            place=(row.webhook, row.key),
            body_digest=row.body_digest,
            expires_at=row.expires_at,
            # Without a row it was kept for long and then purged: what ended well is.
            status=statuses.get(row.delivery_id, Status.COMPLETED),
        )
        for row in rows
    ]


def _pages(values: Sequence[T]) -> Iterable[Sequence[T]]:
    return (values[start : start + _PAGE] for start in range(0, len(values), _PAGE))
