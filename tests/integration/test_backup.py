"""A backup of a receiver at work, restored: it knows its keys, status URLs and events, and nothing is run again."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.states import Completed

from receiver.storage.backup import BackupFailed, back_up
from tests.support.deployments import make_deployment, runs_of
from tests.support.receiver import RunningReceiver, running_receiver, settings_for
from tests.support.waiting import eventually


async def reaches(receiver: RunningReceiver, delivery_id: str, status: str) -> str:
    """The id of its run, once it has that status."""

    async def there() -> str | None:
        row = await receiver.delivery(delivery_id)
        return str(row["attempts"][-1]["flow_run_id"]) if row["status"] == status else None

    return await eventually(there, 30, what=f"{delivery_id} becomes {status}")


async def test_a_restored_backup_goes_on_where_it_was_and_runs_nothing_again(
    tmp_path: Path, prefect: PrefectClient
) -> None:
    deployment = await make_deployment(prefect)
    deduplicate = {"key": "{{$context.headers.x-event-id}}", "window": "4d"}
    copy = tmp_path / "inbox.db"
    sent: dict[str, Any] = {"headers": {"x-event-id": "e-1"}, "json": {"n": 1}}
    async with running_receiver(settings_for(tmp_path / "home")) as first:
        await first.define("done", deployment=deployment, deduplicate=deduplicate)
        await first.define("waits", deployment=deployment, state="paused")
        done = (await first.http.post("/api/webhooks/done", **sent)).json()["delivery_id"]
        run_of_done = await reaches(first, done, "dispatched")
        await prefect.set_flow_run_state(uuid.UUID(run_of_done), Completed(), force=True)
        await reaches(first, done, "completed")
        waiting = (await first.http.post("/api/webhooks/waits", json={"n": 2})).json()
        key = (await first.admin.post("/api/admin/keys", json={"name": "ci", "scope": "read"})).json()["key"]

        size = await asyncio.to_thread(back_up, None, tmp_path / "home", copy)
        assert (copy.stat().st_mode & 0o777, copy.stat().st_size) == (0o600, size)
        assert [each.name for each in tmp_path.iterdir() if each.name.startswith("inbox")] == ["inbox.db"]
        with pytest.raises(BackupFailed, match="exists"):
            await asyncio.to_thread(back_up, None, tmp_path / "home", copy)

        # Afterwards the world goes on: what waited runs.
        assert (await first.admin.patch("/api/admin/webhooks/waits", json={"state": "enabled"})).is_success
        run_of_waiting = await reaches(first, waiting["delivery_id"], "dispatched")
        await prefect.set_flow_run_state(uuid.UUID(run_of_waiting), Completed(), force=True)

    restored = tmp_path / "restored"
    restored.mkdir(mode=0o700)
    copy.rename(restored / "receiver.db")
    async with running_receiver(settings_for(restored)) as second:
        bearer = {"Authorization": f"Bearer {key}"}
        assert (await second.http.get("/api/admin/deliveries", headers=bearer)).status_code == 200
        status_url = waiting["status_url"].partition("/api/")[2]
        assert (await second.http.get(f"/api/{status_url}")).json()["status"] == "queued"
        assert (await second.delivery(done))["status"] == "completed"
        again = await second.http.post("/api/webhooks/done", **sent)
        assert again.json()["status"] == "duplicate"

        assert (await second.admin.patch("/api/admin/webhooks/waits", json={"state": "enabled"})).is_success
        assert await reaches(second, waiting["delivery_id"], "completed") == run_of_waiting
    for delivery_id, run_id in ((done, run_of_done), (waiting["delivery_id"], run_of_waiting)):
        assert [str(run.id) for run in await runs_of(prefect, delivery_id)] == [run_id]


def test_what_cannot_be_copied_is_named_and_leaves_no_half_file(tmp_path: Path) -> None:
    with pytest.raises(BackupFailed, match="no inbox"):
        back_up(None, tmp_path, tmp_path / "copy.db")
    with pytest.raises(BackupFailed, match="pg_dump"):
        back_up("postgresql://me:hunter2@127.0.0.1/inbox", tmp_path, tmp_path / "copy.db")
    (tmp_path / "receiver.db").write_bytes(b"no database" * 100)
    with pytest.raises(BackupFailed, match="cannot be written"):
        back_up(None, tmp_path, tmp_path / "copy.db")
    with pytest.raises(BackupFailed, match="cannot be written"):
        back_up(None, tmp_path, tmp_path / "nowhere" / "copy.db")
    assert not list(tmp_path.glob("copy*"))
