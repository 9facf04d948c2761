"""API keys as rows."""

import pytest
from sqlalchemy import select

from receiver.storage import Database
from receiver.storage.tables import api_key
from receiver.webhooks.keys import ExpiredKey, KeyStore, Scope
from tests.support.inbox import BY, NOW, later


async def test_a_key_is_found_by_itself(keys: KeyStore) -> None:
    row, plain = await keys.create("ci", "write", BY, NOW)
    assert plain.startswith("whk_") and len(plain) == 47
    assert (row.name, row.scope, row.created_at, row.last_used_at) == ("ci", Scope.WRITE, NOW, None)
    assert row.hint == plain[:8]
    assert await keys.find(plain, NOW) == row
    assert len({(await keys.create("ci", Scope.READ, BY, NOW))[1] for _ in range(5)}) == 5


async def test_nothing_else_is_found(keys: KeyStore) -> None:
    _, plain = await keys.create("ci", "read", BY, NOW)
    for other in ("", plain[:-1], plain + "x", plain.upper(), "whk_", "\0", "\ud800", "x" * 10_000):
        assert await keys.find(other, NOW) is None


async def test_a_key_itself_is_stored_nowhere(db: Database, keys: KeyStore) -> None:
    _, plain = await keys.create("ci", "admin", BY, NOW)
    rows = await db.read(lambda connection: connection.execute(select(api_key)).all())
    assert plain[8:] not in repr(rows)


async def test_a_revoked_key_is_refused_at_once(keys: KeyStore) -> None:
    row, plain = await keys.create("ci", "read", BY, NOW)
    assert await keys.revoke(row.id, BY, NOW)
    assert await keys.find(plain, NOW) is None
    assert await keys.list() == []
    assert not await keys.revoke(row.id, BY, NOW)
    assert not await keys.revoke("nobody", BY, NOW)


async def test_a_key_is_good_until_it_expires_and_is_listed_afterwards(keys: KeyStore) -> None:
    row, plain = await keys.create("ci", "write", BY, NOW, later(60))
    assert await keys.find(plain, later(59)) is not None
    for seconds in (60, 10_000):
        assert await keys.find(plain, later(seconds)) == ExpiredKey(name="ci", scope=Scope.WRITE, expired_at=later(60))
    assert [(each.id, each.expires_at, each.last_used_at) for each in await keys.list()] == [
        (row.id, later(60), later(59))
    ]
    assert await keys.revoke(row.id, BY, later(70))
    assert await keys.find(plain, later(71)) is None


async def test_a_chosen_key_is_good_also_if_it_expired_before(keys: KeyStore) -> None:
    _, plain = await keys.create("ci", "admin", BY, NOW, later(60))
    adopted = await keys.adopt("environment", "admin", plain, later(100))
    assert adopted.expires_at is None
    assert await keys.find(plain, later(101)) is not None


async def test_its_use_is_noted_to_the_minute(keys: KeyStore) -> None:
    _, plain = await keys.create("ci", "read", BY, NOW)
    for seconds in (0, 59, 61):
        await keys.find(plain, later(seconds))
    (row,) = await keys.list()
    assert row.last_used_at == later(61)


async def test_a_chosen_key_is_taken_and_replaces_the_one_before(keys: KeyStore) -> None:
    first = await keys.adopt("environment", "admin", "chosen-by-hand", NOW)
    assert await keys.adopt("environment", "admin", "chosen-by-hand", later(1)) == first
    assert [row.id for row in await keys.list()] == [first.id]
    await keys.adopt("environment", "admin", "another", later(2))
    assert await keys.find("chosen-by-hand", later(2)) is None
    assert await keys.find("another", later(2)) is not None
    assert (await keys.adopt("environment", "admin", "chosen-by-hand", later(3))).id == first.id
    assert await keys.find("chosen-by-hand", later(3)) is not None


async def test_an_empty_key_is_no_key(keys: KeyStore) -> None:
    with pytest.raises(ValueError, match="empty"):
        await keys.adopt("environment", "admin", "", NOW)


def test_each_scope_includes_the_ones_before_it() -> None:
    assert [[scope.includes(other) for other in Scope] for scope in Scope] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]
