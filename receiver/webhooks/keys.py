"""API keys: made here, shown once, kept as SHA-256 digests only."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import uuid_utils
from sqlalchemy import Connection, RowMapping, insert, select, update
from sqlalchemy.exc import IntegrityError

from receiver.storage import Database
from receiver.storage.tables import api_key
from receiver.storage.values import from_micros, maybe_from_micros, to_micros, to_text
from receiver.webhooks.audit import Action, By, enter
from receiver.webhooks.differences import Difference

_PREFIX = "whk_"
_USE_NOTED = timedelta(minutes=1)
"""How exactly `last_used_at` is known: noting each use would make every read a write."""


class Scope(StrEnum):
    """What a key may do; each scope includes the ones before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def includes(self, other: Scope) -> bool:
        """Whether a key of this scope may do what asks for the other."""
        order = list(Scope)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, kw_only=True)
class KeyRow:
    """What is known of a key, never the key. `hint` is its first letters; `last_used_at` is exact to a minute.

    From `expires_at` on it is refused; None means that it is good until it is revoked.
    """

    id: str
    name: str
    scope: Scope
    hint: str
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class ExpiredKey:
    """A key that was good until it expired: its name and scope, and when that was."""

    name: str
    scope: Scope
    expired_at: datetime


class KeyStore:
    """The API keys of an installation."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def create(
        self, name: str, scope: Scope | str, by: By, now: datetime, expires_at: datetime | None = None
    ) -> tuple[KeyRow, str]:
        """Make a key of 256 random bits; its row and the key itself, which nobody can see again."""
        plain = _PREFIX + secrets.token_urlsafe(32)
        values = _values(name, Scope(scope), plain, now, expires_at)
        await self._db.write(lambda connection: _add(connection, values, by))
        return _row(values), plain

    async def adopt(self, name: str, scope: Scope | str, plain: str, now: datetime) -> KeyRow:
        """Make a key that was chosen elsewhere good, whatever became of it before. Raises ValueError for an empty one.

        Other keys of the same name are revoked, so that a changed setting ends the old key.
        """
        if not plain:
            raise ValueError("an empty API key would open the door to everybody")
        values, by = _values(name, Scope(scope), plain, now, None), By(name=name, origin="settings")
        mine = api_key.c.digest == values["digest"]

        def take(connection: Connection) -> RowMapping | dict[str, Any]:
            others = select(api_key).where(api_key.c.name == values["name"], ~mine, api_key.c.revoked_at.is_(None))
            for other in connection.execute(others).mappings().all():
                _revoke(connection, other, by, to_micros(now))
            known = connection.execute(select(api_key).where(mine)).mappings().one_or_none()
            if known is None:
                _add(connection, values, by)
                return values
            connection.execute(update(api_key).where(mine).values(revoked_at=None, expires_at=None))
            if known["revoked_at"] is not None or known["expires_at"] is not None:
                _enter_made(connection, known, by, to_micros(now))
            return connection.execute(select(api_key).where(mine)).mappings().one()

        try:
            return _row(await self._db.write(take))
        except IntegrityError:  # another receiver that started at the same moment has made it
            return _row(await self._db.write(take))

    async def find(self, plain: str, now: datetime) -> KeyRow | ExpiredKey | None:
        """The key that was sent, None for one that is unknown or revoked. The time taken tells nothing about it."""
        digest = _digest(plain)
        good = (api_key.c.digest == digest) & api_key.c.revoked_at.is_(None)
        found = await self._db.read(
            lambda connection: connection.execute(select(api_key).where(good)).mappings().first()
        )
        if found is None or not hmac.compare_digest(found["digest"], digest):
            return None
        row = _row(found)
        if row.expires_at is not None and row.expires_at <= now:
            return ExpiredKey(name=row.name, scope=row.scope, expired_at=row.expires_at)
        if row.last_used_at is None or now - row.last_used_at >= _USE_NOTED:
            used = update(api_key).where(api_key.c.id == row.id).values(last_used_at=to_micros(now))
            await self._db.write(lambda connection: connection.execute(used).rowcount)
        return row

    async def list(self) -> list[KeyRow]:
        """Every key that was not revoked, oldest first; also those that have expired."""
        query = select(api_key).where(api_key.c.revoked_at.is_(None)).order_by(api_key.c.id)
        rows = await self._db.read(lambda connection: connection.execute(query).mappings().all())
        return [_row(row) for row in rows]

    async def revoke(self, key_id: str, by: By, now: datetime) -> bool:
        """End a key at once; False when there is no such key, or it ended before."""
        query = select(api_key).where(api_key.c.id == to_text(key_id, 100), api_key.c.revoked_at.is_(None))

        def end(connection: Connection) -> bool:
            found = connection.execute(query.with_for_update()).mappings().one_or_none()
            if found is not None:
                _revoke(connection, found, by, to_micros(now))
            return found is not None

        return await self._db.write(end)


def _values(name: str, scope: Scope, plain: str, now: datetime, expires_at: datetime | None) -> dict[str, Any]:
    return {
        "id": str(uuid_utils.uuid7()),
        "name": to_text(name, 100),
        "scope": scope.value,
        "digest": _digest(plain),
        "hint": plain[: len(_PREFIX) + 4] if plain.startswith(_PREFIX) and len(plain) > 40 else "",
        "created_at": to_micros(now),
        "last_used_at": None,
        "expires_at": None if expires_at is None else to_micros(expires_at),
    }


def _add(connection: Connection, values: Mapping[str, Any], by: By) -> None:
    connection.execute(insert(api_key), [dict(values)])
    _enter_made(connection, values, by, values["created_at"])


def _enter_made(connection: Connection, key: Mapping[str, Any] | RowMapping, by: By, now: int) -> None:
    told: dict[str, Any] = {"name": key["name"], "scope": key["scope"]}
    if key["expires_at"] is not None and by.origin != "settings":
        told["expires_at"] = from_micros(key["expires_at"]).isoformat()
    changes = [Difference(field, None, value) for field, value in told.items()]
    enter(connection, by, Action.KEY_CREATE, key["id"], now, changes=changes)


def _revoke(connection: Connection, key: RowMapping, by: By, now: int) -> None:
    connection.execute(update(api_key).where(api_key.c.id == key["id"]).values(revoked_at=now))
    changes = [Difference(field, key[field], None) for field in ("name", "scope")]
    enter(connection, by, Action.KEY_REVOKE, key["id"], now, changes=changes)


def _digest(plain: str) -> bytes:
    """A plain hash is enough for 256 random bits: there is nothing to guess."""
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).digest()


def _row(values: RowMapping | dict[str, Any]) -> KeyRow:
    return KeyRow(
        id=values["id"],
        name=values["name"],
        scope=Scope(values["scope"]),
        hint=values["hint"],
        created_at=from_micros(values["created_at"]),
        last_used_at=maybe_from_micros(values["last_used_at"]),
        expires_at=maybe_from_micros(values["expires_at"]),
    )
