"""Runs in Prefect whose deliveries were purged or erased: to be deleted there too, whenever Prefect answers.

A run's parameters and log lines hold what its deliveries brought. They are entered in the commit that deletes the
bodies, so that no run is left behind by whoever dies in between.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, select

from receiver.storage.rows import RowInsert
from receiver.storage.tables import attempt, purged_run

AT_ONCE = 50
"""As many as Prefect deletes in one call."""
_INSERT = RowInsert(purged_run, ("flow_run_id",), on_conflict="DO NOTHING")


def enter(connection: Connection, delivery_ids: Sequence[str]) -> None:
    """The runs of these deliveries are wanted no more; of one for many deliveries neither."""
    mine = attempt.c.delivery_id.in_(sorted(delivery_ids)) & attempt.c.flow_run_id.is_not(None)
    runs = sorted(set(connection.scalars(select(attempt.c.flow_run_id).where(mine))))
    _INSERT.insert(connection, [(run,) for run in runs])


def some(connection: Connection) -> list[str]:
    """The next ones."""
    return list(connection.scalars(select(purged_run.c.flow_run_id).order_by(purged_run.c.flow_run_id).limit(AT_ONCE)))


def forget(connection: Connection, runs: Sequence[str]) -> None:
    """These are deleted."""
    connection.execute(delete(purged_run).where(purged_run.c.flow_run_id.in_(sorted(runs))))
