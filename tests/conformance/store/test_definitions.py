"""Definitions as rows: revisions, states that operators set, and the number that tells of changes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Literal

import pytest

from receiver.contract.errors import DefinitionError
from receiver.storage import Database
from receiver.webhooks.definitions import ABSENT, DefinitionMoved, DefinitionRow, DefinitionStore
from tests.support.inbox import BY, NOW, later


async def put(
    definitions: DefinitionStore,
    seconds: float = 0,
    *,
    origin: Literal["code", "api"] = "code",
    source: str | None = None,
    expect: int | None = None,
    **fields: Any,
) -> DefinitionRow:
    return await definitions.put(
        {"key": "orders", **fields},
        key="orders",
        origin=origin,
        by=BY,
        now=later(seconds),
        source=source,
        expect=expect,
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
    assert await definitions.set_state("nobody", "paused", BY, NOW) is None
    assert not await definitions.delete("nobody", BY, NOW)


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
    paused = await definitions.set_state("orders", "paused", BY, later(1))
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
    assert await definitions.delete("orders", BY, later(1))
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
    await definitions.set_state("orders", "paused", BY, NOW)
    assert await changed()
    await definitions.set_state("orders", "paused", BY, NOW)
    assert not await changed()
    await put(definitions, 1, filter="x")
    assert await changed()
    await definitions.delete("orders", BY, NOW)
    assert await changed()
    await definitions.delete("orders", BY, NOW)
    assert not await changed()
    assert len(set(seen)) == 5


async def test_changes_at_once_each_get_a_revision(definitions: DefinitionStore) -> None:
    rows = await asyncio.gather(*(put(definitions, filter=f"{number}") for number in range(20)))
    assert sorted(row.revision for row in rows) == list(range(1, 21))
    for row in rows:
        stored = await definitions.revision("orders", row.revision)
        assert stored is not None and stored["filter"] == row.definition["filter"]


@pytest.fixture
async def both(
    url: str | None, definitions: DefinitionStore, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[list[DefinitionStore]]:
    """The definitions as two processes have them; SQLite has one, which then is both."""
    if url is None:
        yield [definitions, definitions]
        return
    other = Database.open(url, tmp_path_factory.mktemp("other"))
    yield [definitions, DefinitionStore(other)]
    await other.close()


async def at_once(calls: list[Any]) -> tuple[list[DefinitionRow], list[Exception]]:
    """What was stored and what was refused when all are asked for together."""
    done = await asyncio.gather(*calls, return_exceptions=True)
    refused = [each for each in done if isinstance(each, Exception)]
    return [each for each in done if isinstance(each, DefinitionRow)], refused


async def test_of_several_who_make_a_webhook_at_once_one_makes_it(both: list[DefinitionStore]) -> None:
    calls = [put(both[number % 2], filter=f"{number}", expect=ABSENT) for number in range(10)]
    made, refused = await at_once(calls)
    assert [row.revision for row in made] == [1]
    assert [type(each) for each in refused] == [DefinitionMoved] * 9


async def test_of_several_who_change_the_same_revision_one_does(both: list[DefinitionStore]) -> None:
    await put(both[0], filter="first")
    made, refused = await at_once([put(both[number % 2], filter=f"{number}", expect=1) for number in range(10)])
    assert [row.revision for row in made] == [2]
    assert [each.revision for each in refused if isinstance(each, DefinitionMoved)] == [2] * 9
    with pytest.raises(DefinitionMoved):
        await both[1].delete("orders", BY, NOW, expect=1)
    assert await both[1].delete("orders", BY, NOW, expect=2)


async def test_of_several_who_claim_a_path_at_once_one_gets_it(both: list[DefinitionStore]) -> None:
    paths = ["shops/{shop}/orders", "shops/7/{what}"]
    calls = [
        both[number % 2].put(
            {"key": f"w{number}", "path": paths[number % 2]}, key=f"w{number}", origin="api", by=BY, now=NOW
        )
        for number in range(10)
    ]
    made, refused = await at_once(calls)
    assert len(made) == 1 and len(refused) == 9
    assert {each.field for each in refused if isinstance(each, DefinitionError)} == {"path"}
    assert [row.key for row in await both[0].all()] == [made[0].key]


async def test_a_path_that_is_kept_is_no_clash_and_one_that_is_given_up_is_free(definitions: DefinitionStore) -> None:
    await put(definitions, path="a/{b}")
    await put(definitions, path="a/{b}", filter="x")
    await put(definitions, path="b/{c}")
    await definitions.put({"path": "a/7"}, key="other", origin="api", by=BY, now=NOW)
    with pytest.raises(DefinitionError, match="clashes with"):
        await put(definitions, path="a/{b}")


async def test_a_source_stays_until_another_is_named(definitions: DefinitionStore) -> None:
    assert (await put(definitions)).source is None
    assert (await put(definitions, 1, source="shop")).source == "shop"
    kept = await put(definitions, 2, filter="x")
    assert (kept.source, kept.revision) == ("shop", 2)
    assert (await put(definitions, 3, filter="x", source="crm")).source == "crm"


async def test_revisions_are_told_latest_first_with_what_was_before(definitions: DefinitionStore) -> None:
    for number in range(1, 4):
        await put(definitions, number, filter=f"{number}")
    await definitions.delete("orders", BY, later(4))
    rows = await definitions.revisions("orders", 2)
    assert [(row.revision, row.actor, row.origin, row.created_at) for row in rows] == [
        (3, "ann", "code", later(3)),
        (2, "ann", "code", later(2)),
    ]
    assert [(row.before or {}).get("filter") for row in rows] == ["2", "1"]
    (first,) = await definitions.revisions("orders", 2, below=2)
    assert (first.revision, first.before, first.definition["filter"]) == (1, None, "1")
    assert await definitions.revisions("nobody", 2) == []
