"""Warnings in the database: which are raised, what is to be told of them, who looks after them. All their SQL.

Whoever changes a warning says what it was before; of two receivers that would change it alike, one does.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, delete, func, insert, or_, select, update

from receiver.alerts.book import Alert, Change, Kind
from receiver.alerts.message import Notice
from receiver.alerts.outbox import MOST_WAITING
from receiver.alerts.trouble import Place, Rule, Trouble
from receiver.storage import Database
from receiver.storage.rows import RowInsert
from receiver.storage.tables import alert, alert_notice, meta
from receiver.storage.values import from_micros, maybe_from_micros, to_micros, to_text

KEPT = timedelta(days=7)
"""How long what is over is still listed."""
IN_HAND = timedelta(seconds=90)
"""How long who took notices has to send them before they are due again."""
_LEASE = "alerts"
_TAKE_LEASE = RowInsert(meta, ("name", "number", "text"), on_conflict="DO NOTHING")
_RAISE = RowInsert(
    alert, ("rule", "subject", "summary", "remedy", "raised_at", "told_at", "reminders"), on_conflict="DO NOTHING"
)
_RULES = [rule.value for rule in Rule]


class AlertStore:
    """The warnings of an installation, and an `Outbox`. All methods raise `StoreUnavailable`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def lease(self, owner: str, now: datetime, seconds: float) -> bool:
        """Whether this process looks after the warnings for that long; another one does when False."""
        at, until = to_micros(now), to_micros(now + timedelta(seconds=seconds))
        # One that ends absurdly late was taken by a clock that is fast.
        ended = or_(meta.c.number < at, meta.c.number > 2 * until - at)
        mine = and_(meta.c.name == _LEASE, or_(meta.c.text == owner, ended))

        def take(connection: Connection) -> bool:
            taken = connection.execute(update(meta).where(mine).values(number=until, text=owner)).rowcount
            return bool(taken or _TAKE_LEASE.insert(connection, [(_LEASE, until, owner)]))

        return await self._db.write(take)

    async def let_go(self, owner: str) -> None:
        """At a clean stop: another receiver may look after the warnings at once."""
        mine = and_(meta.c.name == _LEASE, meta.c.text == owner)
        await self._db.write(lambda connection: connection.execute(update(meta).where(mine).values(number=0)).rowcount)

    async def opened(self) -> dict[Place, Alert]:
        """Every warning that is raised and not over."""
        query = select(alert).where(alert.c.resolved_at.is_(None), alert.c.rule.in_(_RULES))
        rows = await self._db.read(lambda connection: connection.execute(query).mappings().all())
        return {found.trouble.place: found for found in map(_alert, rows)}

    async def listed(self, limit: int, *, over: bool) -> list[Alert]:
        """The warnings, the latest first; with `over` also those of the last week that are over."""
        query = select(alert).where(alert.c.rule.in_(_RULES)).order_by(alert.c.raised_at.desc(), alert.c.subject)
        if not over:
            query = query.where(alert.c.resolved_at.is_(None))
        rows = await self._db.read(lambda connection: connection.execute(query.limit(limit)).mappings().all())
        return [_alert(row) for row in rows]

    async def counts(self) -> dict[str, int]:
        """How many are raised, by rule; those without any too."""
        query = select(alert.c.rule, func.count().label("number")).where(alert.c.resolved_at.is_(None))
        rows = await self._db.read(lambda connection: connection.execute(query.group_by(alert.c.rule)).all())
        found = {row.rule: row.number for row in rows}
        return {rule: found.get(rule, 0) for rule in _RULES}

    async def apply(self, changes: Sequence[Change], channels: Sequence[str], now: datetime) -> list[Change]:
        """Make the changes, with what each channel has to tell of them; those that nobody else had made."""
        at = to_micros(now)

        def make(connection: Connection) -> list[Change]:
            made = [change for change in changes if _change(connection, change, at)]
            rows = [_notice_row(change, channel, at) for change in made for channel in channels]
            if rows:
                connection.execute(insert(alert_notice), rows)
                _tidy(connection, channels, at)
            return made

        return await self._db.write(make) if changes else []

    async def seen(self, places: Collection[Place], now: datetime) -> None:
        """Whose they are has looked at these that are raised."""
        if not places:
            return
        here = or_(*(and_(alert.c.rule == rule.value, alert.c.subject == subject) for rule, subject in places))
        values = update(alert).where(alert.c.resolved_at.is_(None), here).values(seen_at=to_micros(now))
        await self._db.write(lambda connection: connection.execute(values).rowcount)

    # as an outbox

    async def take(self, channel: str, now: datetime) -> list[Notice]:
        due = and_(alert_notice.c.due_at <= to_micros(now), alert_notice.c.channel == channel)
        query = select(alert_notice).where(due).order_by(alert_notice.c.id).limit(MOST_WAITING)

        def lease(connection: Connection) -> list[Notice]:
            rows = connection.execute(query.with_for_update(skip_locked=True)).mappings().all()
            if rows:
                # Whoever dies with them leaves them due again.
                these = alert_notice.c.id.in_([row["id"] for row in rows])
                until = to_micros(now + IN_HAND)
                connection.execute(update(alert_notice).where(these).values(due_at=until))
            return [_notice(row) for row in rows]

        if not await self._db.read(lambda connection: connection.execute(query.limit(1)).first()):
            return []
        return await self._db.write(lease)

    async def sent_since(self, channel: str, since: datetime) -> int:
        sent = and_(alert_notice.c.sent_at > to_micros(since), alert_notice.c.channel == channel)
        query = select(func.count(alert_notice.c.message.distinct())).where(sent)
        return await self._db.read(lambda connection: connection.execute(query).scalar_one())

    async def sent(self, channel: str, notices: Sequence[Notice], now: datetime) -> None:  # noqa: ARG002 (a row has one channel)
        values = {"due_at": None, "sent_at": to_micros(now), "message": notices[0].id, "problem": ""}
        await self._update(notices, values)

    async def failed(self, channel: str, notices: Sequence[Notice], problem: str, due_at: datetime | None) -> None:  # noqa: ARG002 (a row has one channel)
        due = None if due_at is None else to_micros(due_at)
        tries = alert_notice.c.tries + 1
        await self._update(notices, {"due_at": due, "tries": tries, "problem": to_text(problem, 300)})

    async def last_problems(self) -> dict[str, tuple[datetime | None, str]]:
        """By channel: when it last told something, and what went wrong since, empty where nothing did."""
        columns = (alert_notice.c.channel, alert_notice.c.sent_at, alert_notice.c.problem)
        query = select(*columns).order_by(alert_notice.c.id)
        rows = await self._db.read(lambda connection: connection.execute(query).all())
        told: dict[str, tuple[datetime | None, str]] = {}
        for row in rows:
            sent_at = maybe_from_micros(row.sent_at) or told.get(row.channel, (None, ""))[0]
            told[row.channel] = (sent_at, row.problem)
        return told

    async def _update(self, notices: Sequence[Notice], values: Mapping[str, Any]) -> None:
        these = update(alert_notice).where(alert_notice.c.id.in_([each.id for each in notices])).values(**values)
        await self._db.write(lambda connection: connection.execute(these).rowcount)


def _change(connection: Connection, change: Change, at: int) -> bool:
    trouble = change.trouble
    here = and_(alert.c.rule == trouble.rule.value, alert.c.subject == to_text(trouble.subject, 500))
    said = {"summary": to_text(trouble.summary, 2000), "remedy": to_text(trouble.remedy, 2000)}
    if change.kind is Kind.RAISED:
        fresh = {**said, "raised_at": at, "told_at": at, "reminders": 0, "resolved_at": None, "seen_at": None}
        again = update(alert).where(here, alert.c.resolved_at.is_not(None)).values(**fresh)
        row = (trouble.rule.value, to_text(trouble.subject, 500), said["summary"], said["remedy"], at, at, 0)
        return bool(connection.execute(again).rowcount or _RAISE.insert(connection, [row]))
    before = change.before
    assert before is not None
    here = and_(here, alert.c.resolved_at.is_(None), alert.c.raised_at == to_micros(before.raised_at))
    if change.kind is Kind.RESOLVED:
        return bool(connection.execute(update(alert).where(here).values(resolved_at=at)).rowcount)
    same = alert.c.reminders == before.reminders
    values = {**said, "told_at": at, "reminders": before.reminders + 1}
    return bool(connection.execute(update(alert).where(here, same).values(**values)).rowcount)


def _tidy(connection: Connection, channels: Sequence[str], at: int) -> None:
    """Nothing here grows without end: old ones go, also what waits for a channel that is set no more."""
    old = at - KEPT // timedelta(microseconds=1)
    connection.execute(delete(alert).where(alert.c.resolved_at < old))
    connection.execute(delete(alert_notice).where(alert_notice.c.at < old))
    for channel in channels:
        of_it = and_(alert_notice.c.channel == channel, alert_notice.c.due_at.is_not(None))
        ids = select(alert_notice.c.id).where(of_it).order_by(alert_notice.c.id.desc()).offset(MOST_WAITING)
        surplus = connection.scalars(ids.limit(MOST_WAITING)).all()
        if surplus:
            connection.execute(delete(alert_notice).where(alert_notice.c.id.in_(surplus)))


def _notice_row(change: Change, channel: str, at: int) -> dict[str, Any]:
    return {
        "channel": channel,
        "kind": change.kind.value,
        "rule": change.trouble.rule.value,
        "subject": to_text(change.trouble.subject, 500),
        "summary": to_text(change.trouble.summary, 2000),
        "remedy": to_text(change.trouble.remedy, 2000),
        "raised_at": to_micros(change.raised_at),
        "at": at,
        "tries": 0,
        "due_at": at,
        "problem": "",
    }


def _trouble(row: RowMapping) -> Trouble:
    return Trouble(rule=Rule(row["rule"]), subject=row["subject"], summary=row["summary"], remedy=row["remedy"])


def _alert(row: RowMapping) -> Alert:
    return Alert(
        trouble=_trouble(row),
        raised_at=from_micros(row["raised_at"]),
        told_at=from_micros(row["told_at"]),
        reminders=row["reminders"],
        resolved_at=maybe_from_micros(row["resolved_at"]),
        seen_at=maybe_from_micros(row["seen_at"]),
    )


def _notice(row: RowMapping) -> Notice:
    return Notice(
        id=row["id"],
        kind=Kind(row["kind"]),
        trouble=_trouble(row),
        raised_at=from_micros(row["raised_at"]),
        at=from_micros(row["at"]),
        tries=row["tries"],
    )
