"""One delivery and all of them, watched from the terminal: by API, and as a process of its own where output counts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect import flow, get_run_logger, task

from receiver.contract.reply import Reply
from receiver.prefect_gateway import PrefectGateway
from receiver.prefect_gateway.runs import LogLine, RunReport, RunStep
from tests.support.admin import AdminApi, admin_api, served_admin_api
from tests.support.commands import run_command
from tests.support.inbox import NOW, dispatched, new_delivery
from tests.support.prefect import outside_environment
from tests.support.waiting import eventually

HOSTILE = "\x1b[2J\x1b]0;owned\x07\r\u202e\x9b31m"
STEP = RunStep(type="FAILED", name="Failed", message=HOSTILE, at=NOW)
RUN = RunReport(
    name="orders",
    states=(STEP,),
    task_runs=(),
    logs=(LogLine(at=NOW, level="INFO", logger="x", message=HOSTILE),),
    more_logs=False,
)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[AdminApi]:
    async with admin_api(tmp_path) as opened:
        yield opened


async def test_runs_are_told_with_their_replies_and_without_prefect_the_rest_is(api: AdminApi):
    identity = await dispatched(api.services.deliveries, "run-1")
    reply = Reply(status=201, headers={"x-a": "b"}, body={"id": 7})
    await api.services.deliveries.record_reply(identity, 1, reply.to_wire(), NOW)
    api.outside.runs["run-1"] = RUN
    async with api.client("read") as caller:
        found = (await caller.get(f"/deliveries/{identity}/runs")).json()
        api.outside.prefect_answers = False
        away = await caller.get(f"/deliveries/{identity}/runs")
        unknown = await caller.get("/deliveries/nobody/runs")
    (attempt,) = found["attempts"]
    assert found["available"] and attempt["flow_run_id"] == "run-1"
    assert attempt["run"]["states"][0]["name"] == "Failed" and attempt["run"]["logs"][0]["message"] == HOSTILE
    assert (attempt["reply"]["status"], attempt["reply"]["body"]) == (201, {"id": 7})
    assert attempt["reply"]["headers"] == {"x-a": "b"}
    assert away.status_code == 200 and unknown.status_code == 404
    assert (away.json()["available"], away.json()["problem"]) == (False, "Prefect did not answer")
    assert away.json()["attempts"][0]["run"] is None and away.json()["attempts"][0]["reply"] == attempt["reply"]


async def test_figures_are_those_of_the_time_asked_for_and_that_is_bounded(api: AdminApi):
    now = datetime.now(UTC)
    for days in (0, 3):
        at = now - timedelta(days=days, seconds=5)
        await api.services.deliveries.accept(new_delivery(received_at=at), at)
    async with api.client("read") as caller:
        day = (await caller.get("/stats")).json()
        week = (await caller.get("/stats", params={"since": (now - timedelta(days=7)).isoformat()})).json()
        for wrong in ({"since": (now - timedelta(days=32)).isoformat()}, {"since": "soon"}, {"status": "failed"}):
            assert (await caller.get("/stats", params=wrong)).status_code == 422
        assert (await caller.get("/stats", params={"webhook": "nobody"})).status_code == 404
    assert [each["total"] for each in day["webhooks"]] == [1] and week["webhooks"][0]["total"] == 2
    assert day["webhooks"][0]["backlog"]["waiting"] == 2 and len(day["webhooks"][0]["hours"]) == 24


def test_nothing_hostile_reaches_the_terminal_and_part_of_an_id_is_enough(tmp_path: Path):
    with served_admin_api(tmp_path, outside_environment()) as served:
        body = HOSTILE.encode()
        hostile = {"path": f"/api/webhooks/{HOSTILE}", "headers": {"x-a": HOSTILE}, "query": {HOSTILE: HOSTILE}}
        identity = served.store(**hostile, detail=HOSTILE, body=body, body_size=len(body))

        def printed(*words: str) -> str:
            return run_command(served.env, *words).stdout

        shown = printed("show", identity[-8:])
        for text in (printed("deliveries", "--since", "1h"), shown, printed("stats")):
            assert all(character.isprintable() for line in text.split("\n") for character in line), text
        assert identity in shown and "\\x1b[2J" in shown and "\\u202e" in shown
        whole = json.loads(printed("show", "--last", "orders", "--json"))
        assert (whole["id"], whole["runs"]["available"]) == (identity, True)


@task
def pack() -> None:
    get_run_logger().info("packed %s", HOSTILE)


@flow
def ship(order: str) -> None:
    pack()
    raise ValueError("no such street")


@pytest.mark.usefixtures("runs_in_process")
async def test_a_run_is_read_with_its_states_tasks_and_lines_and_without_its_parameters():
    state = ship("a-private-order", return_state=True)
    run_id = str(state.state_details.flow_run_id)
    async with PrefectGateway() as gateway:

        async def logged() -> RunReport | None:
            run = await gateway.read_run(run_id)
            return run if run and {line.level for line in run.logs} >= {"INFO", "ERROR"} else None

        run = await eventually(logged, what="Prefect has what the task and the flow logged")
        assert await gateway.read_run("00000000-0000-0000-0000-000000000000") is None
    assert run.states[-1].type == "FAILED" and "no such street" in run.states[-1].message
    assert [each.name.split("-")[0] for each in run.task_runs] == ["pack"]
    assert any("packed" in line.message for line in run.logs) and not run.more_logs
    assert "a-private-order" not in repr(run)
