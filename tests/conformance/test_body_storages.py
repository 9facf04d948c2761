"""Every storage of bodies, the same suite: a folder, the database on both of its kinds, file systems of a block."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from receiver.bodies.filesystem import FilesystemStorage
from receiver.bodies.folder import FolderStorage
from receiver.bodies.pieces import SIZE, DatabaseStorage
from receiver.bodies.storage import BodyGone, BodyStorage, fresh_key
from receiver.storage import Database, StoreUnavailable

BODY = os.urandom(2 * SIZE + 1234)
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def block_of(basepath: str) -> Any:
    async def read_block(block_type: str, name: str) -> Mapping[str, Any]:
        assert (block_type, name) == ("remote-file-system", "bodies")
        return {"basepath": basepath, "settings": {}}

    return read_block


@pytest.fixture(scope="module", params=["folder", "sqlite", "postgres", "file", "memory"])
async def storage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[BodyStorage]:
    folder, database = tmp_path_factory.mktemp("bodies"), None
    match request.param:
        case "folder":
            yield FolderStorage(folder / "bodies")
        case "file":
            yield FilesystemStorage("bodies", block_of(f"file://{folder}/bodies"))
        case "memory":
            yield FilesystemStorage("bodies", block_of(f"memory://{folder}/bodies"))
        case kind:
            url = request.getfixturevalue("postgres").create_database() if kind == "postgres" else None
            database = Database.open(url, folder)
            yield DatabaseStorage(database)
            await database.close()


async def test_what_was_put_is_read_back_whole_and_in_parts(storage: BodyStorage):
    key = fresh_key(NOW)
    await storage.put(key, BODY)
    assert await storage.read(key, 0, len(BODY)) == BODY
    for start, stop in [(0, 1), (SIZE - 1, SIZE + 1), (SIZE, 2 * SIZE), (len(BODY) - 5, len(BODY))]:
        assert await storage.read(key, start, stop) == BODY[start:stop]


async def test_what_is_deleted_is_gone_and_deleting_it_again_is_no_error(storage: BodyStorage):
    key, other = fresh_key(NOW), fresh_key(NOW)
    await storage.put(key, b"one")
    await storage.put(other, b"other")
    await storage.delete(key)
    await storage.delete(key)
    with pytest.raises(BodyGone):
        await storage.read(key, 0, 3)
    assert await storage.read(other, 0, 5) == b"other"


async def test_bodies_are_listed_by_their_day(storage: BodyStorage):
    earlier, later = fresh_key(datetime(2025, 1, 2, tzinfo=UTC)), fresh_key(datetime(2025, 1, 3, tzinfo=UTC))
    for key in (earlier, later):
        await storage.put(key, b"x")
    assert {"2025-01-02", "2025-01-03"} <= set(await storage.days())
    assert list(await storage.keys("2025-01-02")) == [earlier]
    assert list(await storage.keys("2024-12-31")) == []


async def test_many_are_put_and_read_at_once(storage: BodyStorage):
    keys = [fresh_key(NOW) for _ in range(20)]
    await asyncio.gather(*(storage.put(key, key.encode() * 1000) for key in keys))
    found = await asyncio.gather(*(storage.read(key, 0, len(key) * 1000) for key in keys))
    assert found == [key.encode() * 1000 for key in keys]


async def test_files_are_their_owners_alone(tmp_path: Path):
    key = fresh_key(NOW)
    await FolderStorage(tmp_path / "bodies").put(key, b"x")
    file = tmp_path / "bodies" / key
    assert [oct(each.stat().st_mode)[-3:] for each in (file, file.parent, file.parent.parent)] == ["600", "700", "700"]


async def test_a_folder_that_cannot_be_written_is_unavailable_and_keeps_no_half(tmp_path: Path):
    (tmp_path / "bodies").write_text("a file where the folder should be")
    with pytest.raises(StoreUnavailable):
        await FolderStorage(tmp_path / "bodies").put(fresh_key(NOW), b"x")


async def test_a_block_is_read_again_until_it_is_there_and_its_last_state_outlives_prefect(tmp_path: Path):
    answers: list[Any] = [OSError("Prefect is down"), None, {"basepath": f"file://{tmp_path}"}]

    async def read_block(_block_type: str, _name: str) -> Mapping[str, Any] | None:
        answer = answers.pop(0) if answers else OSError("Prefect is down")
        if isinstance(answer, OSError):
            raise answer
        return dict(answer) if answer is not None else None

    storage, key = FilesystemStorage("bodies", read_block), fresh_key(NOW)
    for problem in ("Prefect does not give the block", "make the block"):
        with pytest.raises(StoreUnavailable, match=problem):
            await storage.put(key, b"x")
    await storage.put(key, b"x")
    assert await storage.read(key, 0, 1) == b"x"


async def test_a_block_that_cannot_be_used_says_so_without_what_it_holds():
    storage = FilesystemStorage("bodies", block_of("nosuch://hunter2@host/"))
    with pytest.raises(StoreUnavailable, match="cannot be used") as refused:
        await storage.put(fresh_key(NOW), b"x")
    assert "hunter2" not in str(refused.value)
