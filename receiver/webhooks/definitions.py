"""Definitions of webhooks as stored: rows, their revisions, and a number that changes with every change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, Table, delete, func, insert, select, update

from receiver.contract.errors import WebhooksError
from receiver.contract.paths import served_path
from receiver.storage import Database
from receiver.storage.tables import meta, webhook, webhook_revision
from receiver.storage.values import from_json, from_micros, to_json, to_micros, to_text
from receiver.webhooks.audit import Action, By, enter
from receiver.webhooks.catalog import Routes
from receiver.webhooks.differences import Difference

Origin = Literal["code", "api"]
ABSENT = 0
"""Given as `expect`: there must be no webhook with that key."""
_CATALOG = "catalog"


class DefinitionMoved(WebhooksError):
    """A webhook is no longer what its caller took it for: somebody else made, changed or deleted it meanwhile.

    `revision` is the one in force, `ABSENT` when there is no such webhook.
    """

    def __init__(self, key: str, revision: int) -> None:
        super().__init__(f"the webhook '{key}' was changed by somebody else meanwhile")
        self.revision = revision


@dataclass(frozen=True, kw_only=True)
class DefinitionRow:
    """A webhook in force. `definition` is its JSON with the `state` in force; `revision` names that JSON for ever.

    `origin` is `code` for what `webhooks deploy` put and `api` for the rest; `source` is the project or the owner it
    belongs to, None when it is nobody's; `state_by_operator` tells whether a person set the state, which a deploy then
    leaves alone.
    """

    key: str
    definition: dict[str, Any]
    revision: int
    origin: Origin
    state: str
    state_by_operator: bool
    created_at: datetime
    updated_at: datetime
    source: str | None = None

    @property
    def served_path(self) -> str | None:
        """The path that requests come to, None where it is the key; `{}` is where a token stands."""
        return served_path(self.key, self.definition)


@dataclass(frozen=True, kw_only=True)
class RevisionRow:
    """A definition as it once was, without `state`: who (the name of an API key) made it so, and when.

    `before` is the definition of the revision before it, None for the first.
    """

    revision: int
    definition: dict[str, Any]
    before: dict[str, Any] | None
    origin: Origin
    actor: str
    created_at: datetime


@dataclass(frozen=True)
class _Place:
    """What decides which requests a webhook gets."""

    key: str
    path: str | None


class DefinitionStore:
    """The webhooks of an installation. Definitions are stored as they are: checking them is the caller's, but that no
    two of them compete for a request, which only the database can tell when several processes define at once."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def put(
        self,
        definition: Mapping[str, Any],
        *,
        key: str,
        origin: Origin,
        by: By,
        now: datetime,
        source: str | None = None,
        expect: int | None = None,
    ) -> DefinitionRow:
        """Make or replace a webhook. The revision grows only when the definition differs, its `state` apart.

        A definition from code keeps the state that an operator set; one by the API sets the state when it names one. A
        `source` that is left out stays. Raises `DefinitionMoved` when another revision than `expect` is in force, and
        `DefinitionError` when another webhook would compete for the same requests.
        """
        content = {name: value for name, value in definition.items() if name != "state"}
        text = to_json(content)
        wanted: str | None = definition.get("state")

        def store(connection: Connection) -> DefinitionRow:
            _lock(connection)
            known = _find(connection, key)
            _refuse_moved(key, known, expect)
            place = _place(key, content)
            if known is None or _place(key, from_json(known.definition)) != place:
                _refuse_clash(connection, place)
            values = _values(known, wanted=wanted, text=text, origin=origin, now=to_micros(now), source=source)
            if known is None:
                # A webhook made anew goes on counting: its earlier deliveries name the earlier revisions.
                last = select(func.max(webhook_revision.c.revision)).where(webhook_revision.c.key == key)
                values |= {"revision": (connection.execute(last).scalar() or 0) + 1}
                connection.execute(insert(webhook), [{"key": key, **values}])
            elif values == _kept(known):
                return _row(known)
            else:
                connection.execute(update(webhook).where(webhook.c.key == key).values(**values))
            if known is None or values["revision"] != known.revision:
                named = {"key": key, "revision": values["revision"], "created_at": to_micros(now)}
                made = {"definition": text, "origin": origin, "actor": to_text(by.name, 200)}
                connection.execute(insert(webhook_revision), [{**named, **made}])
            _enter_put(connection, by, key, known, values, to_micros(now))
            _changed(connection)
            return _row(_existing(connection, key))

        return await self._db.write(store)

    async def set_state(self, key: str, state: str, by: By, now: datetime) -> DefinitionRow | None:
        """An operator enables, pauses or disables a webhook; None when there is none. A deploy does not undo it."""

        def store(connection: Connection) -> DefinitionRow | None:
            _lock(connection)
            known = _find(connection, key)
            if known is None:
                return None
            if known.state == state and known.state_by_operator:
                return _row(known)
            values = {"state": state, "state_by_operator": 1, "updated_at": to_micros(now)}
            connection.execute(update(webhook).where(webhook.c.key == key).values(**values))
            if known.state != state:
                moved = [Difference("state", known.state, state)]
                enter(connection, by, Action.WEBHOOK_STATE, key, to_micros(now), changes=moved)
            _changed(connection)
            return _row(_existing(connection, key))

        return await self._db.write(store)

    async def delete(self, key: str, by: By, now: datetime, *, expect: int | None = None) -> bool:
        """Take a webhook out of force; False when there is none. Its revisions stay for its deliveries.

        Raises `DefinitionMoved` when another revision than `expect` is in force.
        """

        def remove(connection: Connection) -> bool:
            _lock(connection)
            known = _find(connection, key)
            _refuse_moved(key, known, expect)
            if known is None:
                return False
            connection.execute(delete(webhook).where(webhook.c.key == key))
            enter(connection, by, Action.WEBHOOK_DELETE, key, to_micros(now), revisions=(known.revision, None))
            _changed(connection)
            return True

        return await self._db.write(remove)

    async def get(self, key: str) -> DefinitionRow | None:
        """The webhook with this key, None when there is none."""
        found = await self._db.read(lambda connection: _find(connection, key))
        return None if found is None else _row(found)

    async def all(self) -> list[DefinitionRow]:
        """Every webhook, by key."""
        query = select(webhook).order_by(webhook.c.key)
        return [_row(row) for row in await self._db.read(lambda connection: connection.execute(query).all())]

    async def revision(self, key: str, number: int) -> dict[str, Any] | None:
        """A definition as it once was, without `state`; None when there was no such revision."""
        where = (webhook_revision.c.key == key) & (webhook_revision.c.revision == number)
        query = select(webhook_revision.c.definition).where(where)
        text = await self._db.read(lambda connection: connection.execute(query).scalar_one_or_none())
        return None if text is None else from_json(text)

    async def revisions(self, key: str, limit: int, below: int | None = None) -> list[RevisionRow]:
        """What a webhook was, latest first, also one that was deleted; with `below` only revisions under that one."""
        columns = webhook_revision.c
        query = select(webhook_revision).where(columns.key == to_text(key, 500)).order_by(columns.revision.desc())
        if below is not None:
            query = query.where(columns.revision < below)
        # One more, for the definition before the last one.
        rows = await self._db.read(lambda connection: connection.execute(query.limit(limit + 1)).all())
        return [
            RevisionRow(
                revision=row.revision,
                definition=from_json(row.definition),
                before=None if earlier is None else from_json(earlier.definition),
                origin=row.origin,
                actor=row.actor,
                created_at=from_micros(row.created_at),
            )
            for row, earlier in list(zip(rows, [*rows, None][1:], strict=True))[:limit]
        ]

    async def version(self) -> int:
        """A number that is another one after every change by any process; cheap enough to ask every second."""
        query = select(meta.c.number).where(meta.c.name == _CATALOG)
        return await self._db.read(lambda connection: connection.execute(query).scalar_one())


def _values(
    known: Row[Any] | None, *, wanted: str | None, text: str, origin: Origin, now: int, source: str | None
) -> dict[str, Any]:
    """The columns after a put. Pure, but for reading `known`."""
    if known is None:
        state = {"state": wanted or "enabled", "state_by_operator": int(origin == "api" and wanted is not None)}
        times = {"created_at": now, "updated_at": now}
        return {"definition": text, "origin": origin, "source": source, **state, **times}
    state = {"state": known.state, "state_by_operator": known.state_by_operator}
    if origin == "api" and wanted is not None:
        state = {"state": wanted, "state_by_operator": 1 if wanted != known.state else known.state_by_operator}
    elif origin == "code" and not known.state_by_operator:
        state["state"] = wanted or "enabled"
    # Compared as objects: the order of their fields means nothing.
    changed = from_json(text) != from_json(known.definition)
    values = {
        "definition": text if changed else known.definition,
        "origin": origin,
        "source": known.source if source is None else source,
        **state,
        "created_at": known.created_at,
    }
    values["revision"] = known.revision + 1 if changed else known.revision
    values["updated_at"] = known.updated_at
    if values != _kept(known):
        values["updated_at"] = now
    return values


def _enter_put(
    connection: Connection, by: By, key: str, known: Row[Any] | None, values: Mapping[str, Any], now: int
) -> None:
    """Enter what a put changed: the revision says all of the definition, the rest is said here."""
    if known is None:
        enter(connection, by, Action.WEBHOOK_CREATE, key, now, revisions=(None, values["revision"]))
        return
    named = (name for name in ("state", "origin", "source") if known._mapping[name] != values[name])
    changes = [Difference(name, known._mapping[name], values[name]) for name in named]
    anew = known.revision != values["revision"]
    if anew or changes:
        state_alone = not anew and [each.field for each in changes] == ["state"]
        action = Action.WEBHOOK_STATE if state_alone else Action.WEBHOOK_UPDATE
        revisions = (known.revision, values["revision"])
        enter(connection, by, action, key, now, revisions=revisions if anew else (None, None), changes=changes)


def _kept(known: Row[Any]) -> dict[str, Any]:
    return {name: value for name, value in known._mapping.items() if name != "key"}


def _find(connection: Connection, key: str) -> Row[Any] | None:
    return connection.execute(_by_key(webhook, key)).one_or_none()


def _existing(connection: Connection, key: str) -> Row[Any]:
    return connection.execute(_by_key(webhook, key)).one()


def _by_key(table: Table, key: str) -> Any:
    return select(table).where(table.c.key == to_text(key, 500))


def _row(found: Row[Any]) -> DefinitionRow:
    return DefinitionRow(
        key=found.key,
        definition={**from_json(found.definition), "state": found.state},
        revision=found.revision,
        origin=found.origin,
        state=found.state,
        state_by_operator=bool(found.state_by_operator),
        created_at=from_micros(found.created_at),
        updated_at=from_micros(found.updated_at),
        source=found.source,
    )


def _refuse_moved(key: str, known: Row[Any] | None, expect: int | None) -> None:
    in_force = ABSENT if known is None else known.revision
    if expect is not None and expect != in_force:
        raise DefinitionMoved(key, in_force)


def _place(key: str, definition: Mapping[str, Any]) -> _Place:
    return _Place(key, served_path(key, definition))


def _refuse_clash(connection: Connection, mine: _Place) -> None:
    rows = connection.execute(select(webhook.c.key, webhook.c.definition).where(webhook.c.key != mine.key)).all()
    Routes(_place(row.key, from_json(row.definition)) for row in rows).refuse_clash(mine.key, mine.path)


def _lock(connection: Connection) -> None:
    """Changes happen one after another, in every process: the row of the version is the lock."""
    connection.execute(select(meta.c.number).where(meta.c.name == _CATALOG).with_for_update()).one()


def _changed(connection: Connection) -> None:
    connection.execute(update(meta).where(meta.c.name == _CATALOG).values(number=meta.c.number + 1))
