"""API keys: made here, shown once, kept as SHA-256 digests only."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import uuid_utils
from sqlalchemy import Connection, RowMapping, insert, select, update

from receiver.storage import Database
from receiver.storage.tables import api_key
from receiver.storage.values import from_micros, maybe_from_micros, to_micros, to_text

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
    """What is known of a key, never the key. `hint` is its first letters; `last_used_at` is exact to a minute."""

    id: str
    name: str
    scope: Scope
    hint: str
    created_at: datetime
    last_used_at: datetime | None


class KeyStore:
    """The API keys of an installation."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def create(self, name: str, scope: Scope | str, now: datetime) -> tuple[KeyRow, str]:
        """Make a key of 256 random bits; its row and the key itself, which nobody can see again."""
        plain = _PREFIX + secrets.token_urlsafe(32)
        return await self._add(name, Scope(scope), plain, now), plain

    async def adopt(self, name: str, scope: Scope | str, plain: str, now: datetime) -> KeyRow:
        """Make a key that was chosen elsewhere good, whatever became of it before. Raises ValueError for an empty one.

        Other keys of the same name are revoked, so that a changed setting ends the old key.
        """
        if not plain:
            raise ValueError("an empty API key would open the door to everybody")
        mine = _digest(plain)

        def take(connection: Connection) -> RowMapping | None:
            others = (api_key.c.name == to_text(name, 100)) & (api_key.c.digest != mine)
            connection.execute(
                update(api_key).where(others, api_key.c.revoked_at.is_(None)).values(revoked_at=to_micros(now))
            )
            connection.execute(update(api_key).where(api_key.c.digest == mine).values(revoked_at=None))
            return connection.execute(select(api_key).where(api_key.c.digest == mine)).mappings().one_or_none()

        found = await self._db.write(take)
        return _row(found) if found is not None else await self._add(name, Scope(scope), plain, now)

    async def find(self, plain: str, now: datetime) -> KeyRow | None:
        """The key that was sent, None for one that is unknown or revoked. The time taken tells nothing about it."""
        digest = _digest(plain)
        good = (api_key.c.digest == digest) & api_key.c.revoked_at.is_(None)
        found = await self._db.read(
            lambda connection: connection.execute(select(api_key).where(good)).mappings().first()
        )
        if found is None or not hmac.compare_digest(found["digest"], digest):
            return None
        row = _row(found)
        if row.last_used_at is None or now - row.last_used_at >= _USE_NOTED:
            used = update(api_key).where(api_key.c.id == row.id).values(last_used_at=to_micros(now))
            await self._db.write(lambda connection: connection.execute(used).rowcount)
        return row

    async def list(self) -> list[KeyRow]:
        """Every key that is good, oldest first."""
        query = select(api_key).where(api_key.c.revoked_at.is_(None)).order_by(api_key.c.id)
        rows = await self._db.read(lambda connection: connection.execute(query).mappings().all())
        return [_row(row) for row in rows]

    async def revoke(self, key_id: str, now: datetime) -> bool:
        """End a key at once; False when there is no such key, or it ended before."""
        ended = update(api_key).where(api_key.c.id == to_text(key_id, 100), api_key.c.revoked_at.is_(None))
        count = await self._db.write(
            lambda connection: connection.execute(ended.values(revoked_at=to_micros(now))).rowcount
        )
        return count > 0

    async def _add(self, name: str, scope: Scope, plain: str, now: datetime) -> KeyRow:
        values: dict[str, Any] = {
            "id": str(uuid_utils.uuid7()),
            "name": to_text(name, 100),
            "scope": scope.value,
            "digest": _digest(plain),
            "hint": plain[: len(_PREFIX) + 4] if plain.startswith(_PREFIX) and len(plain) > 40 else "",
            "created_at": to_micros(now),
            "last_used_at": None,
        }
        await self._db.write(lambda connection: connection.execute(insert(api_key), [values]).rowcount)
        return _row(values)


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
    )
