"""Who changed what: an entry for each change, made with it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from receiver.contract.errors import DefinitionError
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.store import DeliveryStore
from receiver.storage import Database
from receiver.webhooks.audit import Action, AuditEntry, AuditFilter, AuditLog, By
from receiver.webhooks.definitions import DefinitionMoved, DefinitionStore, Origin
from receiver.webhooks.keys import KeyStore
from tests.support.inbox import BY, NOW, later, new_delivery, new_replay

DEPLOY = By(name="ci", key_id="k-2", address="2001:db8::1", origin="code")


@pytest.fixture
def log(db: Database) -> AuditLog:
    return AuditLog(db)


async def entries(log: AuditLog, **which: Any) -> list[AuditEntry]:
    """The oldest first."""
    found, below = await log.list(AuditFilter(**which), 200)
    assert below is None
    return found[::-1]


def told(entry: AuditEntry) -> tuple[str, str, dict[str, tuple[Any, Any]]]:
    return entry.action.value, entry.object, {each.field: (each.before, each.after) for each in entry.changes}


async def put(definitions: DefinitionStore, by: By, now: datetime, **fields: Any) -> None:
    source = fields.pop("source", None)
    definition = {"deployment": "a/b", "verification": {"scheme": "github", "secret": "block:secret/x"}, **fields}
    origin: Origin = "code" if by.origin == "code" else "api"
    await definitions.put(definition, key="orders", origin=origin, by=by, now=now, source=source)


async def test_each_change_of_a_webhook_says_who_when_from_where_and_what(log: AuditLog, definitions: DefinitionStore):
    await put(definitions, DEPLOY, NOW)
    await put(definitions, DEPLOY, later(1))  # changes nothing
    await put(definitions, DEPLOY, later(2), deployment="a/c", source="shop")
    await definitions.set_state("orders", "paused", BY, later(3))
    await definitions.set_state("orders", "paused", BY, later(4))  # is so already
    await put(definitions, BY, later(5), verification={"scheme": "github", "secret": "block:secret/y"})
    await put(definitions, BY, later(6), verification={"scheme": "github", "secret": "block:secret/y"}, state="enabled")
    await definitions.delete("orders", BY, later(7))
    found = await entries(log)
    assert [told(entry) for entry in found] == [
        ("webhook.create", "orders", {}),
        ("webhook.update", "orders", {"deployment": ("a/b", "a/c"), "source": (None, "shop")}),
        ("webhook.state", "orders", {"state": ("enabled", "paused")}),
        (
            "webhook.update",
            "orders",
            {
                "deployment": ("a/c", "a/b"),
                "verification.secret": ("block:secret/x", "block:secret/y"),
                "origin": ("code", "api"),
            },
        ),
        ("webhook.state", "orders", {"state": ("paused", "enabled")}),
        ("webhook.delete", "orders", {}),
    ]
    assert [(entry.revision_before, entry.revision_after) for entry in found] == [
        *((None, 1), (1, 2), (None, None), (2, 3), (None, None), (3, None))
    ]
    assert (found[0].by, found[0].at, found[2].by, found[2].at) == (DEPLOY, NOW, BY, later(3))


async def test_what_is_refused_is_no_change(log: AuditLog, definitions: DefinitionStore):
    await put(definitions, BY, NOW, path="a/{b}")
    with pytest.raises(DefinitionMoved):
        await definitions.delete("orders", BY, NOW, expect=7)
    with pytest.raises(DefinitionError):
        await definitions.put({"path": "a/{c}"}, key="other", origin="api", by=BY, now=NOW)
    assert not await definitions.delete("nobody", BY, NOW)
    assert [entry.action for entry in await entries(log)] == [Action.WEBHOOK_CREATE]


async def test_keys_are_entered_by_id_never_the_key(log: AuditLog, keys: KeyStore):
    row, plain = await keys.create("ci", "write", BY, NOW, later(60))
    await keys.revoke(row.id, BY, later(1))
    await keys.revoke(row.id, BY, later(2))
    first = await keys.adopt("WEBHOOKS_ADMIN_KEY", "admin", "chosen-by-hand", later(3))
    await keys.adopt("WEBHOOKS_ADMIN_KEY", "admin", "chosen-by-hand", later(4))  # the next start
    second = await keys.adopt("WEBHOOKS_ADMIN_KEY", "admin", "another-by-hand", later(5))
    found = await entries(log)
    assert [told(entry)[:2] for entry in found] == [
        *(("key.create", row.id), ("key.revoke", row.id), ("key.create", first.id)),
        *(("key.revoke", first.id), ("key.create", second.id)),
    ]
    assert told(found[0])[2] == {
        "name": (None, "ci"),
        "scope": (None, "write"),
        "expires_at": (None, later(60).isoformat()),
    }
    assert [entry.by for entry in found[2:]] == [By(name="WEBHOOKS_ADMIN_KEY", origin="settings")] * 3
    assert not any(secret in repr(found) for secret in (plain[8:], "chosen-by-hand", "another-by-hand"))


async def test_replays_and_discards_are_entered_once_each_call(log: AuditLog, store: DeliveryStore):
    news = [new_delivery(status=Status.FILTERED) for _ in range(3)]
    held = new_delivery(status=Status.HELD)
    for each in (*news, held):
        await store.accept(each, NOW)
    one, *two = [new.id for new in news]
    assert await store.replay([new_replay(one, after=0, body=b"{}")], BY, later(1)) == [1]
    assert await store.replay([new_replay(each, after=0) for each in two], BY, later(2)) == [1, 1]
    assert await store.replay([new_replay(one, after=0)], BY, later(3)) == [None]
    await store.discard(held.id, BY, later(4))
    await store.discard(held.id, BY, later(5))
    edited = {"attempt": (0, 1), "deployment": (None, "orders/main"), "body": (None, "edited")}
    assert [told(entry) for entry in await entries(log)] == [
        ("delivery.replay", one, edited),
        ("delivery.replay", min(two), {"replayed": (None, 2), "last": (None, max(two))}),
        ("delivery.discard", held.id, {"status": ("held", "cancelled")}),
    ]


async def test_entries_are_found_by_action_object_and_time_page_by_page(log: AuditLog):
    for second in range(5):
        await log.note(BY, Action.WEBHOOK_SEND, f"w{second % 2}", later(second))
    await log.note(BY, Action.WEBHOOK_SECRET, "w0", later(9), secret=(None, "block:webhook-secret/w0"))
    assert [entry.at for entry in await entries(log, object="w0", action=Action.WEBHOOK_SEND)] == [
        *(NOW, later(2), later(4))
    ]
    assert [entry.at for entry in await entries(log, since=later(3), until=later(9))] == [later(3), later(4)]
    page, below = await log.list(AuditFilter(), 4)
    rest, end = await log.list(AuditFilter(), 4, below)
    assert [entry.at for entry in (*page, *rest)] == [later(each) for each in (9, 4, 3, 2, 1, 0)]
    assert end is None


async def test_what_is_older_than_400_days_is_deleted_by_the_next_entry(log: AuditLog):
    await log.note(BY, Action.WEBHOOK_SEND, "old", NOW)
    await log.note(BY, Action.WEBHOOK_SEND, "young", later(1))
    await log.note(BY, Action.WEBHOOK_SEND, "new", NOW + timedelta(days=400, milliseconds=500))
    assert [entry.object for entry in await entries(log)] == ["young", "new"]


async def test_changes_at_once_are_entered_in_their_order(log: AuditLog, definitions: DefinitionStore):
    await put(definitions, BY, NOW)
    states = ["paused", "enabled", "disabled"] * 5
    await asyncio.gather(*(definitions.set_state("orders", state, BY, NOW) for state in states))
    changes = [told(entry)[2]["state"] for entry in await entries(log, action=Action.WEBHOOK_STATE)]
    assert all(before[1] == after[0] for before, after in pairwise(changes))
    row = await definitions.get("orders")
    assert row is not None and changes[-1][1] == row.state
