"""How many deliveries of each webhook need a person: counted up to a bound, so that a check is never slow."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, func, select

from receiver.deliveries.lifecycle import Status
from receiver.storage.tables import delivery
from receiver.storage.values import to_text

COUNTED = 1000


def held_and_dead(connection: Connection, webhooks: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Held and dead deliveries by webhook, each number at most `COUNTED`; webhooks without any are left out."""
    counts = {key: (_count(connection, key, Status.HELD), _count(connection, key, Status.DEAD)) for key in webhooks}
    return {key: both for key, both in counts.items() if any(both)}


def _count(connection: Connection, key: str, status: Status) -> int:
    these = (delivery.c.webhook == to_text(key, 500)) & (delivery.c.status == status.value)
    some = select(delivery.c.id).where(these).limit(COUNTED).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one()
