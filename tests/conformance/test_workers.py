"""What a deployment's author may rely on, whichever worker runs it: `warm` does what the stock `process` worker does.

Everything runs on `warm`, one case on `process` besides and two more that are long; `make conformance`
(TEST_WORKERS=all) runs all on both.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterParentFlowRunId,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Cancelled, Cancelling, Scheduled

from tests.support.prefect import PrefectServer
from tests.support.waiting import eventually
from tests.support.workers import Pool, client_of, lines, make_pool, noted, running_worker

ALWAYS_ON_BOTH = {"test_an_asynchronous_flow_completes_with_its_tasks"}
LONG_ON_BOTH = {
    "test_a_flow_is_retried_as_it_asks",
    "test_environment_and_folder_of_a_run_are_its_own_and_gone_after_it",
}

AHEAD = timedelta(seconds=0.6)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    name = metafunc.function.__name__
    if os.environ.get("TEST_WORKERS") == "all" or name in ALWAYS_ON_BOTH:
        metafunc.parametrize("kind", ["warm", "process"])
    elif name in LONG_ON_BOTH:
        metafunc.parametrize("kind", ["warm", pytest.param("process", marks=pytest.mark.long)])
    else:
        metafunc.parametrize("kind", ["warm"])


@pytest.fixture(scope="module")
async def client(prefect_server: PrefectServer) -> AsyncIterator[PrefectClient]:
    async with client_of(prefect_server) as client:
        yield client


@pytest.fixture(scope="module")
def open_pool(
    client: PrefectClient, prefect_server: PrefectServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Awaitable[Pool]]]:
    pools: dict[str, Pool] = {}
    with ExitStack() as stack:

        async def pool_of(kind: str) -> Pool:
            if kind not in pools:
                pools[kind] = await make_pool(client, prefect_server, kind)
                stack.enter_context(running_worker(pools[kind], tmp_path_factory.mktemp(kind)))
            return pools[kind]

        yield pool_of


@pytest.fixture
async def pool(kind: str, open_pool: Callable[[str], Awaitable[Pool]]) -> Pool:
    return await open_pool(kind)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "notes"


def _state(run: FlowRun) -> str:
    assert run.state is not None
    return run.state.name or ""


async def test_an_asynchronous_flow_completes_with_its_tasks(pool: Pool, path: Path) -> None:
    run = await pool.run("ordinary.asynchronous", path=str(path), number=4)
    assert (_state(run), lines(path)[-1], run.run_count) == ("Completed", "got 5", 1)
    assert (await pool.states(run))[-2:] == ["Running", "Completed"]
    await _tasks_are_recorded(pool, run, ["Completed"])


async def _tasks_are_recorded(pool: Pool, run: FlowRun, states: list[str]) -> None:
    async def recorded() -> bool:
        filter_ = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
        tasks = await pool.client.read_task_runs(flow_run_filter=filter_)
        return [task.state_name for task in tasks] == states

    await eventually(recorded, what="the task runs are recorded")


async def test_tasks_given_to_a_task_runner_run_at_once_and_are_recorded(pool: Pool, path: Path) -> None:
    run = await pool.run("ordinary.with_tasks_at_once", path=str(path))
    assert (_state(run), lines(path)) == ("Completed", ["got 12"])
    await _tasks_are_recorded(pool, run, ["Completed"] * 3)


async def test_a_failing_task_fails_its_flow_and_is_recorded(pool: Pool, path: Path) -> None:
    run = await pool.run("ordinary.with_a_failing_task", path=str(path))
    assert (_state(run), lines(path)) == ("Failed", ["started"])
    assert "the task went wrong" in (run.state.message or "" if run.state else "")
    await _tasks_are_recorded(pool, run, ["Failed"])


async def test_a_synchronous_flow_completes(pool: Pool, path: Path) -> None:
    run = await pool.run("ordinary.synchronous", path=str(path), number=4)
    assert (_state(run), lines(path)[-1]) == ("Completed", "got 8")


async def test_a_task_is_retried_as_it_asks(pool: Pool, path: Path) -> None:
    run = await pool.run("ordinary.with_task_retries", path=str(path))
    assert (_state(run), lines(path)) == ("Completed", ["tried"] * 3)


async def test_a_flow_is_retried_as_it_asks(pool: Pool, path: Path) -> None:
    run = await pool.run("ordinary.with_flow_retries", path=str(path))
    assert (_state(run), lines(path), run.run_count) == ("Completed", ["run 1", "run 2"], 2)


@pytest.mark.parametrize("flow", ["with_a_timeout", "with_a_timeout_synchronous"])
async def test_a_flow_is_stopped_at_its_own_timeout(pool: Pool, path: Path, flow: str) -> None:
    assert _state(await pool.run(f"ordinary.{flow}", path=str(path))) == "TimedOut"


async def test_a_failing_flow_is_failed_with_its_error(pool: Pool, path: Path) -> None:
    run = await pool.run("ordinary.failing", path=str(path))
    assert _state(run) == "Failed"
    assert "it went wrong" in (run.state.message or "" if run.state else "")


@pytest.mark.parametrize("flow", ["endless", "endless_synchronous"])
async def test_a_running_flow_can_be_cancelled(pool: Pool, path: Path, flow: str) -> None:
    run = await pool.start(f"ordinary.{flow}", path=str(path))
    await noted(path, "started")
    await pool.client.set_flow_run_state(run.id, Cancelling())
    assert _state(await pool.ended(run)) == "Cancelled"


async def test_a_cancelled_run_stays_cancelled_and_its_hook_has_run(pool: Pool, path: Path) -> None:
    run = await pool.start("ordinary.with_a_cancellation_hook", path=str(path))
    await noted(path, "started")
    await pool.client.set_flow_run_state(run.id, Cancelling())
    assert _state(await pool.ended(run)) == "Cancelled"
    await noted(path, "hook cancellation Cancelling")
    other = await pool.run("ordinary.asynchronous", path=str(path.with_name("other")))
    assert _state(other) == "Completed"
    assert _state(await pool.ended(run)) == "Cancelled"
    assert lines(path).count("hook cancellation Cancelling") == 1


async def test_a_run_cancelled_before_its_time_never_begins(pool: Pool, path: Path) -> None:
    now = datetime.now(UTC)
    early = await pool.start("ordinary.failing", path=str(path), state=Scheduled(scheduled_time=now + AHEAD))
    await pool.client.set_flow_run_state(early.id, Cancelled())
    later: State[None] = Scheduled(scheduled_time=now + 2 * AHEAD)
    other = await pool.run("ordinary.asynchronous", path=str(path.with_name("other")), state=later)
    assert (_state(other), _state(await pool.ended(early)), lines(path)) == ("Completed", "Cancelled", [])


async def test_sub_flows_run_and_are_recorded(pool: Pool, path: Path) -> None:
    run = await pool.run("ordinary.with_sub_flows", path=str(path))
    assert (_state(run), lines(path)) == ("Completed", ["2 8"])
    inside = await pool.client.read_flow_runs(
        flow_run_filter=FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[run.id]))
    )
    assert [one.state_name for one in inside] == ["Completed", "Completed"]


async def test_artifacts_belong_to_the_run(pool: Pool) -> None:
    run = await pool.run("ordinary.with_an_artifact")
    found = await pool.client.read_artifacts(
        artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
    )
    assert [artifact.data for artifact in found] == ["# made"]


async def test_logs_and_prints_arrive_in_prefect(pool: Pool) -> None:
    run = await pool.run("ordinary.talking")

    async def arrived() -> bool:
        found = await pool.client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id])), limit=200)
        return {"printed words", "logged words"} <= {log.message for log in found}

    await eventually(arrived, what="the run's logs are in Prefect")


async def test_a_run_knows_itself_through_prefect_runtime(pool: Pool, path: Path) -> None:
    for number in (1, 2):  # the second one in the same process does not see the first one's
        one = path.with_name(f"notes-{number}")
        run = await pool.run("ordinary.knowing_itself", path=str(one), tags=[f"tag-{number}"])
        assert json.loads(lines(one)[0]) == {
            "flow_run": str(run.id),
            "name": run.name,
            "deployment": pool.name,
            "parameters": {"path": str(one)},
            "flow": "knowing-itself",
            "tags": [f"tag-{number}"],
        }


async def test_environment_and_folder_of_a_run_are_its_own_and_gone_after_it(pool: Pool, path: Path) -> None:
    folder = path.parent / "work"
    folder.mkdir()
    variables = {"env": {"SAMPLE_COLOR": "red"}, "working_dir": str(folder)}
    run = await pool.run("ordinary.looking_around", path=str(path), disturb=True, job_variables=variables)
    await pool.run("ordinary.looking_around", path=str(path))
    first, second = (json.loads(line) for line in lines(path))
    assert (first["color"], first["folder"], first["run_id"]) == ("red", str(folder), str(run.id))
    assert (second["color"], second["stray"]) == (None, None)
    assert second["folder"] not in (first["folder"], "/")
    assert (second["user_signal"], second["level"]) == (first["user_signal"], first["level"])


async def test_variables_of_the_deployment_and_of_the_run_are_put_together(pool: Pool, path: Path) -> None:
    await pool.deployment("ordinary.looking_around", "-blue", job_variables={"env": {"SAMPLE_COLOR": "blue"}})
    for extra in ({}, {"job_variables": {"env": {"SAMPLE_STRAY": "own"}}}):
        await pool.run("ordinary.looking_around", label="-blue", path=str(path), **extra)
    seen = [json.loads(line) for line in lines(path)]
    assert [(one["color"], one["stray"]) for one in seen] == [("blue", None), ("blue", "own")]


async def test_a_run_may_bring_settings_of_prefect(pool: Pool, path: Path) -> None:
    variables = {"env": {"PREFECT_LOGGING_LEVEL": "ERROR"}}
    await pool.run("ordinary.looking_around", path=str(path), job_variables=variables)
    await pool.run("ordinary.looking_around", path=str(path))
    assert [json.loads(line)["log_level"] for line in lines(path)] == ["ERROR", "INFO"]


@pytest.mark.parametrize(("fail", "hook"), [(False, "hook completion Completed"), (True, "hook failure Failed")])
async def test_hooks_run_at_the_end(pool: Pool, path: Path, fail: bool, hook: str) -> None:
    await pool.run("ordinary.with_hooks", path=str(path), fail=fail)
    assert await noted(path, "hook") == [hook]


async def test_parameters_arrive_with_their_types(pool: Pool, path: Path) -> None:
    run = await pool.run(
        "ordinary.taking_an_order", path=str(path), order={"number": 7, "due": "2026-01-31"}, when="2026-02-01"
    )
    assert (_state(run), lines(path)) == ("Completed", ["Order 7 2026-01-31 datetime.date(2026, 2, 1)"])


async def test_parameters_of_a_wrong_type_fail_the_run(pool: Pool, path: Path) -> None:
    run = await pool.run("ordinary.taking_an_order", path=str(path), order={"number": "seven"})
    assert (_state(run), lines(path)) == ("Failed", [])
