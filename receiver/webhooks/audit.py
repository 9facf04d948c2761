"""Who changed what: an entry for each administrative change, written in the transaction of the change itself.

A webhook's definition is not copied: an entry names the revisions before and after, and reading tells what differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from sqlalchemy import Connection, Row, delete, insert, select, tuple_

from receiver.storage import Database
from receiver.storage.tables import audit, webhook_revision
from receiver.storage.values import from_json, from_micros, to_json, to_micros, to_text
from receiver.webhooks.differences import Difference, differences

KEPT = timedelta(days=400)
"""Older entries are deleted, by whatever is entered next."""
_COLUMNS = audit.c
_LONGEST_OBJECT = 500


class Action(StrEnum):
    """What somebody did, on what: the first word is the kind of the object."""

    WEBHOOK_CREATE = "webhook.create"
    WEBHOOK_UPDATE = "webhook.update"
    WEBHOOK_STATE = "webhook.state"
    WEBHOOK_SECRET = "webhook.secret"  # noqa: S105 (the name of an action)
    WEBHOOK_DELETE = "webhook.delete"
    WEBHOOK_SEND = "webhook.send"
    KEY_CREATE = "key.create"
    KEY_REVOKE = "key.revoke"
    DELIVERY_REPLAY = "delivery.replay"
    DELIVERY_DISCARD = "delivery.discard"
    ALERT_TEST = "alert.test"
    ALERT_AUTOMATION = "alert.automation"
    DELIVERY_ERASE = "delivery.erase"


@dataclass(frozen=True, kw_only=True)
class By:
    """Who changes something: a key's id and name (never the key), and the address it was used from.

    `origin` is `code` for what `webhooks deploy` does with that key, `settings` for what a receiver's settings do.
    """

    name: str
    key_id: str | None = None
    address: str = ""
    origin: Literal["api", "code", "settings"] = "api"


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    """A change as it is told. The revisions are those of a webhook's definition, None where it is about none."""

    id: int
    at: datetime
    action: Action
    object: str
    by: By
    revision_before: int | None
    revision_after: int | None
    changes: list[Difference]


@dataclass(frozen=True, kw_only=True)
class AuditFilter:
    """Which entries are asked for; None asks for any."""

    action: Action | None = None
    object: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class AuditLog:
    """The entries of an installation."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def note(self, by: By, action: Action, subject: str, now: datetime, **change: tuple[Any, Any]) -> None:
        """Enter what is changed elsewhere than in this database; `field=(before, after)`."""
        changes = [Difference(field, *values) for field, values in change.items()]
        await self._db.write(lambda connection: enter(connection, by, action, subject, to_micros(now), changes=changes))

    async def list(
        self, which: AuditFilter, limit: int, below: int | None = None
    ) -> tuple[list[AuditEntry], int | None]:
        """A page, latest first, and where the next one begins, None at the end; `below` is what the last one said."""
        return await self._db.read(lambda connection: _page(connection, which, limit, below))


def enter(
    connection: Connection,
    by: By,
    action: Action,
    subject: str,
    now: int,
    *,
    revisions: tuple[int | None, int | None] = (None, None),
    changes: Iterable[Difference] = (),
) -> None:
    """Enter a change of the object `subject` in the transaction that makes it."""
    told = [{"field": each.field, "before": each.before, "after": each.after} for each in changes]
    values = {
        "at": now,
        "action": action.value,
        "object": to_text(subject, _LONGEST_OBJECT),
        "origin": by.origin,
        "key_id": by.key_id,
        "key_name": to_text(by.name, 200),
        "address": to_text(by.address, 100),
        "revision_before": revisions[0],
        "revision_after": revisions[1],
        "changes": to_json(told),
    }
    connection.execute(delete(audit).where(_COLUMNS.at < now - KEPT // timedelta(microseconds=1)))
    connection.execute(insert(audit), [values])


def _page(
    connection: Connection, which: AuditFilter, limit: int, below: int | None
) -> tuple[list[AuditEntry], int | None]:
    query = select(audit).order_by(_COLUMNS.id.desc()).limit(limit + 1)
    if below is not None:
        query = query.where(_COLUMNS.id < below)
    if which.action is not None:
        query = query.where(_COLUMNS.action == which.action.value)
    if which.object is not None:
        query = query.where(_COLUMNS.object == to_text(which.object, _LONGEST_OBJECT))
    if which.since is not None:
        query = query.where(_COLUMNS.at >= to_micros(which.since))
    if which.until is not None:
        query = query.where(_COLUMNS.at < to_micros(which.until))
    rows = connection.execute(query).all()
    page = rows[:limit]
    definitions = _definitions(connection, page)
    return [_entry(row, definitions) for row in page], page[-1].id if len(rows) > limit else None


def _definitions(connection: Connection, rows: Sequence[Row[Any]]) -> dict[tuple[str, int], dict[str, Any]]:
    """What is to be compared: the definitions of the entries that name two revisions."""
    named = {
        (row.object, number)
        for row in rows
        for number in (row.revision_before, row.revision_after)
        if None not in {row.revision_before, row.revision_after} and row.revision_before != row.revision_after
    }
    if not named:
        return {}
    columns = webhook_revision.c
    query = select(columns.key, columns.revision, columns.definition)
    found = connection.execute(query.where(tuple_(columns.key, columns.revision).in_(sorted(named)))).all()
    return {(row.key, row.revision): from_json(row.definition) for row in found}


def _entry(row: Row[Any], definitions: Mapping[tuple[str, int], dict[str, Any]]) -> AuditEntry:
    before = definitions.get((row.object, row.revision_before))
    after = definitions.get((row.object, row.revision_after))
    of_definition = [] if before is None or after is None else differences(before, after)
    told = [Difference(each["field"], each["before"], each["after"]) for each in from_json(row.changes)]
    return AuditEntry(
        id=row.id,
        at=from_micros(row.at),
        action=Action(row.action),
        object=row.object,
        by=By(name=row.key_name, key_id=row.key_id, address=row.address, origin=row.origin),
        revision_before=row.revision_before,
        revision_after=row.revision_after,
        changes=[*of_definition, *told],
    )
