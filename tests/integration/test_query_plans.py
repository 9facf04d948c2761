"""No question that is asked all the time looks at rows it does not need: a million stored ones cost it nothing."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event

from receiver.contract.reasons import Reason
from receiver.deliveries import batches, claims, follow, ledger, order, reads, replays, search, stats, vital_signs
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.records import DeliveryFilter
from receiver.storage import Database
from receiver.storage.tables import delivery
from tests.support.inbox import NOW, new_delivery, run_state

BIG = ("delivery", "attempt", "payload", "ledger", "status_change")
OF_WHAT_WAITS = re.compile("SCAN attempt USING (COVERING )?INDEX ix_attempt_(due|parked)$")
"""These indexes hold only what waits, which is what a backlog counts."""


def settle_twice(connection: Connection) -> None:
    for _ in range(2):
        entry = ledger.entry_of(new_delivery(event="e"))
        assert entry is not None
        ledger.settle(connection, [entry], 0)


QUESTIONS: dict[str, Callable[[Connection], Any]] = {
    "settle": settle_twice,
    "claim": lambda c: claims.claim(c, limit=8, until=2, now=1, owner="x"),
    "who is next of a key": lambda c: order.left(c, ("w", "k"), 1),
    "next batch": lambda c: batches.form(c, batches.Group("w", "d/d", 10), 1),
    "deliveries of a run": lambda c: follow.run_missing(c, "r", 1),
    "follow": lambda c: follow.follow(c, run_state("r", Status.RUNNING, NOW), "event", 1),
    "unfinished": lambda c: follow.unfinished(c, 10, None),
    "unhappy": lambda c: follow.unhappy(c, 1, 10),
    "candidates for a replay": lambda c: replays.candidates(c, DeliveryFilter(webhook="w"), 10, "x"),
    "missing deployments": claims.missing_deployments,
    "backlog": lambda c: claims.backlog(c, 1),
    "behind": claims.oldest,
    "latest of each webhook": lambda c: vital_signs.latest_ids(c, ["w"]),
    "answers": lambda c: vital_signs.answers(c, "w"),
    "traffic": lambda c: vital_signs.traffic(c, "w", NOW, NOW, 5),
    "last traffic": lambda c: vital_signs.last_traffic(c, "w"),
    "first traffic": lambda c: vital_signs.first_traffic(c, "w"),
    "answers of an hour": lambda c: vital_signs.answered_since(c, "w", NOW),
    "held and dead of a day": lambda c: vital_signs.troubled_since(c, NOW),
    "get": lambda c: reads.get(c, "x"),
    "request": lambda c: reads.request(c, "x"),
    "stats": lambda c: reads.stats(c, "orders"),
    "times of a webhook": lambda c: stats.times(c, [delivery.c.id > "x"], "w"),
    "list": lambda c: reads.list_deliveries(c, DeliveryFilter(), 50, "x"),
    "list of a webhook": lambda c: reads.list_deliveries(c, DeliveryFilter(webhook="w"), 50, "x"),
    "list by status": lambda c: reads.list_deliveries(c, DeliveryFilter(status=Status.HELD), 50, None),
    "list by both": lambda c: reads.list_deliveries(c, DeliveryFilter(webhook="w", status=Status.HELD), 50, None),
    "list by reason": lambda c: reads.list_deliveries(c, DeliveryFilter(reason=Reason.FILTERED), 50, None),
    "list by event": lambda c: reads.list_deliveries(c, DeliveryFilter(event_id="e"), 50, None),
    "list of parts": lambda c: reads.list_deliveries(c, DeliveryFilter(parent="x"), 50, None),
    "search": lambda c: search.search(c, DeliveryFilter(q="01234567"), 50, "x"),
    "search of a webhook": lambda c: search.search(c, DeliveryFilter(webhook="w", q="y"), 50, "x"),
    "list by time": lambda c: reads.list_deliveries(c, DeliveryFilter(since=NOW, until=NOW), 50, None),
}


@pytest.mark.parametrize("question", QUESTIONS)
async def test_every_frequent_question_finds_its_rows_by_an_index(question: str, tmp_path: Path) -> None:
    db = Database.open(None, tmp_path)
    steps: list[str] = []

    def explain(
        connection: Connection, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool
    ) -> None:
        if statement.startswith(("SELECT", "WITH")):
            cursor = connection.connection.cursor()
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            steps.extend(row[3] for row in cursor.fetchall())

    def ask(connection: Connection) -> None:
        event.listen(connection, "before_cursor_execute", explain)
        try:
            QUESTIONS[question](connection)
        finally:
            event.remove(connection, "before_cursor_execute", explain)

    await db.write(ask)
    await db.close()
    touching = [step for step in steps if any(f" {table} " in f"{step} " for table in BIG)]
    assert touching, steps
    assert [step for step in touching if not step.startswith("SEARCH ") and not OF_WHAT_WAITS.match(step)] == []
    assert [step for step in touching if " ledger " in step and "webhook=? AND key=?" not in step] == []
    assert not any("TEMP B-TREE FOR ORDER BY" in step for step in steps)
