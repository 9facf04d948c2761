"""Definitions as rows: revisions, states that operators set, and the number that tells of changes."""

import asyncio
from typing import Any, Literal

from receiver.webhooks.definitions import DefinitionRow, DefinitionStore
from tests.support.inbox import NOW, later


async def put(
    definitions: DefinitionStore, seconds: float = 0, *, origin: Literal["code", "api"] = "code", **fields: Any
) -> DefinitionRow:
    return await definitions.put(
        {"key": "orders", **fields}, key="orders", origin=origin, actor="ci", now=later(seconds)
    )


async def test_a_definition_comes_back_as_it_was_put(definitions: DefinitionStore) -> None:
    row = await put(definitions, deployment="orders/main", filter="☃ \0 \ud800", nested={"b": [1, None], "a": {}})
    assert (row.key, row.revision, row.origin, row.state) == ("orders", 1, "code", "enabled")
    assert (row.created_at, row.updated_at) == (NOW, NOW)
    assert row.definition == {
        "key": "orders",
        "deployment": "orders/main",
        "filter": "☃ \0 \ud800",
        "nested": {"b": [1, None], "a": {}},
        "state": "enabled",
    }
    assert await definitions.get("orders") == row
    assert await definitions.all() == [row]


async def test_what_is_not_there_is_none(definitions: DefinitionStore) -> None:
    for unknown in ("nobody", "\0", "\ud800"):
        assert await definitions.get(unknown) is None
    assert await definitions.revision("nobody", 1) is None
    assert await definitions.set_state("nobody", "paused", NOW) is None
    assert not await definitions.delete("nobody", NOW)


async def test_only_a_change_makes_a_revision_and_the_old_ones_stay(definitions: DefinitionStore) -> None:
    await put(definitions, filter="a", parameters={"x": 1, "y": 2})
    again = await put(definitions, 1, parameters={"y": 2, "x": 1}, filter="a")
    assert (again.revision, again.updated_at) == (1, NOW)
    changed = await put(definitions, 2, filter="b")
    assert (changed.revision, changed.created_at, changed.updated_at) == (2, NOW, later(2))
    assert await definitions.revision("orders", 1) == {"key": "orders", "filter": "a", "parameters": {"x": 1, "y": 2}}
    assert await definitions.revision("orders", 2) == {"key": "orders", "filter": "b"}
    assert await definitions.revision("orders", 3) is None


async def test_a_deploy_does_not_undo_what_an_operator_set(definitions: DefinitionStore) -> None:
    await put(definitions)
    paused = await definitions.set_state("orders", "paused", later(1))
    assert paused is not None
    assert (paused.state, paused.state_by_operator, paused.revision) == ("paused", True, 1)
    row = await put(definitions, 2, filter="new", state="enabled")
    assert (row.state, row.definition["state"], row.revision) == ("paused", "paused", 2)


async def test_code_may_change_a_state_that_no_operator_touched(definitions: DefinitionStore) -> None:
    await put(definitions, state="disabled")
    row = await put(definitions, 1, state="enabled")
    assert (row.state, row.revision, row.updated_at) == ("enabled", 1, later(1))


async def test_the_api_sets_a_state_by_naming_it(definitions: DefinitionStore) -> None:
    await put(definitions, origin="api")
    assert (await put(definitions, 1, origin="api", state="paused")).state == "paused"
    assert (await put(definitions, 2, origin="api", filter="x")).state == "paused"
    assert (await put(definitions, 3, origin="code", state="enabled")).state == "paused"


async def test_a_webhook_made_anew_goes_on_counting(definitions: DefinitionStore) -> None:
    await put(definitions, filter="first")
    assert await definitions.delete("orders", later(1))
    assert await definitions.get("orders") is None
    assert (await put(definitions, 2, filter="second")).revision == 2
    assert (await definitions.revision("orders", 1) or {})["filter"] == "first"


async def test_the_version_changes_with_every_change_and_with_nothing_else(definitions: DefinitionStore) -> None:
    seen = [await definitions.version()]

    async def changed() -> bool:
        seen.append(await definitions.version())
        return seen[-1] != seen[-2]

    await put(definitions)
    assert await changed()
    await put(definitions, 1)
    assert not await changed()
    await definitions.set_state("orders", "paused", NOW)
    assert await changed()
    await definitions.set_state("orders", "paused", NOW)
    assert not await changed()
    await put(definitions, 1, filter="x")
    assert await changed()
    await definitions.delete("orders", NOW)
    assert await changed()
    await definitions.delete("orders", NOW)
    assert not await changed()
    assert len(set(seen)) == 5


async def test_changes_at_once_each_get_a_revision(definitions: DefinitionStore) -> None:
    rows = await asyncio.gather(*(put(definitions, filter=f"{number}") for number in range(20)))
    assert sorted(row.revision for row in rows) == list(range(1, 21))
    for row in rows:
        stored = await definitions.revision("orders", row.revision)
        assert stored is not None and stored["filter"] == row.definition["filter"]
