"""Which big body belongs to which delivery. Rows are made in the commit of what they belong to, and outlive it until
the body is deleted where it is kept: whatever fails between the two, a later look finishes it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection, delete, select, update

from receiver.bodies import key_at
from receiver.storage.rows import RowInsert
from receiver.storage.tables import delivery, kept_body

AT_ONCE = 200
Place = tuple[str, int]
"""A delivery and the attempt that has the body; 0 for the one that came."""

_INSERT = RowInsert(kept_body, ("delivery_id", "attempt", "key", "body_at", "gone"))


def enter(connection: Connection, kept: Sequence[tuple[str, int, str]]) -> None:
    """Enter whose bodies are kept where: delivery, attempt, place."""
    rows = [(delivery_id, attempt, key_at(where), where, 0) for delivery_id, attempt, where in kept]
    _INSERT.insert(connection, rows)


def repeat(connection: Connection, delivery_id: str, attempt: int, again: int) -> None:
    """The attempt `again` has the same edited body as an earlier one, if that was kept apart."""
    of_it = (kept_body.c.delivery_id == delivery_id) & (kept_body.c.attempt == attempt) & (kept_body.c.gone == 0)
    enter(connection, [(delivery_id, again, row.body_at) for row in connection.execute(select(kept_body).where(of_it))])


def places(connection: Connection, deliveries: Collection[str]) -> Mapping[Place, str]:
    """Where the bodies of these deliveries are; those that are let go are left out."""
    wanted = kept_body.c.delivery_id.in_(sorted(deliveries)) & (kept_body.c.gone == 0)
    rows = connection.execute(select(kept_body).where(wanted))
    return {(row.delivery_id, row.attempt): row.body_at for row in rows}


def let_go(connection: Connection, deliveries: Collection[str]) -> None:
    """The bodies of these deliveries are needed no more."""
    of_them = kept_body.c.delivery_id.in_(sorted(deliveries)) & (kept_body.c.gone == 0)
    connection.execute(update(kept_body).where(of_them).values(gone=1))


def gone(connection: Connection) -> list[tuple[Place, str]]:
    """Some bodies that are to be deleted, and where they are."""
    query = select(kept_body).where(kept_body.c.gone == 1).order_by(kept_body.c.delivery_id, kept_body.c.attempt)
    return [((row.delivery_id, row.attempt), row.body_at) for row in connection.execute(query.limit(AT_ONCE))]


def forget(connection: Connection, deleted: Sequence[Place]) -> None:
    """These bodies are deleted."""
    for delivery_id, attempt in sorted(deleted):
        of_it = (kept_body.c.delivery_id == delivery_id) & (kept_body.c.attempt == attempt) & (kept_body.c.gone == 1)
        connection.execute(delete(kept_body).where(of_it))


def owned(connection: Connection, keys: Sequence[str]) -> set[str]:
    """Those of these keys that a delivery names which is still there; at most 1,000 are asked for."""
    query = select(kept_body.c.key).join(delivery, delivery.c.id == kept_body.c.delivery_id)
    return set(connection.scalars(query.where(kept_body.c.key.in_(sorted(keys)))))


def forget_keys(connection: Connection, keys: Collection[str]) -> None:
    """Whatever named these keys names nothing."""
    connection.execute(delete(kept_body).where(kept_body.c.key.in_(sorted(keys))))
