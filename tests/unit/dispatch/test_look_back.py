"""A run that ended badly and was retried while nobody listened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from receiver.deliveries.lifecycle import Status
from receiver.deliveries.records import Followed, RunState
from receiver.dispatch.look_back import LookBack
from receiver.dispatch.orchestrator import RecordingOrchestrator
from receiver.prefect_gateway import PrefectState

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Inbox:
    """Failed attempts, by their run."""

    def __init__(self, *runs: str) -> None:
        self.runs = runs
        self.asked_since: datetime | None = None
        self.followed: list[tuple[str, Status, str]] = []

    async def unhappy(self, since: datetime, limit: int) -> list[Followed]:
        self.asked_since = since
        return [
            Followed(delivery_id=f"d-{run}", attempt=1, flow_run_id=run, status=Status.FAILED) for run in self.runs
        ][:limit]

    async def follow(self, state: RunState, source: str) -> bool:
        self.followed.append((state.flow_run_id, state.status, source))
        return True


class Pages(RecordingOrchestrator):
    """Remembers how many runs it was asked for at a time."""

    async def read_states(self, flow_run_ids: Sequence[str]) -> list[PrefectState]:
        self.asked.append({"runs": len(flow_run_ids)})
        return await super().read_states(flow_run_ids)


def orchestrator(**kinds: str) -> Pages:
    return Pages(
        run_states={run: PrefectState(flow_run_id=run, type=kind, name=kind, at=NOW) for run, kind in kinds.items()}
    )


async def test_only_what_moved_on_is_followed() -> None:
    inbox = Inbox("a", "b", "c", "gone")
    look = LookBack(inbox, orchestrator(a="FAILED", b="RUNNING", c="COMPLETED")).look
    assert await look(NOW) == 2
    assert inbox.followed == [("b", Status.RUNNING, "poll"), ("c", Status.COMPLETED, "poll")]
    assert inbox.asked_since == NOW - timedelta(hours=24)


@pytest.mark.parametrize(("runs", "pages"), [(0, []), (201, [200, 1]), (2500, [200] * 10)])
async def test_prefect_is_asked_in_pages_and_for_so_many_at_most(runs: int, pages: list[int]) -> None:
    server = orchestrator()
    await LookBack(Inbox(*(f"run-{number}" for number in range(runs))), server).look(NOW)
    assert [asked["runs"] for asked in server.asked] == pages
