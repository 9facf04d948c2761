"""The warm worker's own promises: limits, bells, recycling, refusals, renewal, an orderly end."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.client.schemas.objects import FlowRun
from prefect.events import Event, RelatedResource, Resource
from prefect.events.clients import PrefectEventsClient
from prefect.states import Cancelling, Scheduled, Suspended

from flows.worker.reports import Reports
from tests.support.prefect import PrefectServer
from tests.support.receiver import RunningReceiver
from tests.support.waiting import eventually, wait_until
from tests.support.workers import (
    Pool,
    RunningWorker,
    client_of,
    lines,
    make_pool,
    noted,
    running_worker,
    wait_until_gone,
)


@pytest.fixture(scope="module")
async def client(prefect_server: PrefectServer) -> AsyncIterator[PrefectClient]:
    async with client_of(prefect_server) as client:
        yield client


@pytest.fixture(scope="module")
async def pool(client: PrefectClient, prefect_server: PrefectServer) -> Pool:
    made = await make_pool(client, prefect_server, "warm", children=2)
    for flow in ("asynchronous", "looking_around", "printing", "step_by_step", "failing"):
        await made.deployment(f"ordinary.{flow}")
    await made.deployment("asking.refund")
    return made


@pytest.fixture(scope="module")
def worker(pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWorker]:
    with running_worker(pool, tmp_path_factory.mktemp("worker")) as worker:
        yield worker


async def _completed(pool: Pool, runs: list[FlowRun], timeout: float = 60) -> None:
    for run in runs:
        ended = await pool.ended(run, timeout)
        assert ended.state_name == "Completed", ended.state
        assert ended.run_count == 1


async def test_seventy_runs_in_a_row_recycle_children_and_leave_memory_flat(
    client: PrefectClient, prefect_server: PrefectServer, tmp_path: Path
) -> None:
    pool = await make_pool(client, prefect_server, "warm", max_runs_per_child=20, children=2)
    await pool.deployment("ordinary.asynchronous")
    path = tmp_path / "notes"
    with running_worker(pool, tmp_path) as worker:
        memory = []
        for start in range(0, 70, 14):
            await _completed(pool, [await pool.start("ordinary.asynchronous", path=str(path)) for _ in range(14)])
            memory.append(_resident(worker.process.pid) + _resident(worker.zygote()))
            assert len(worker.children()) <= 3, start
        assert worker.text.count("Recycling child") >= 2
        assert "it has done 20 runs" in worker.text
        assert memory[-1] < memory[1] + 15, f"MiB of worker and zygote: {memory}"
    assert len([line for line in lines(path) if line.startswith("started")]) == 70


def _resident(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 2**20


async def test_a_child_that_has_grown_is_recycled(
    client: PrefectClient, prefect_server: PrefectServer, tmp_path: Path
) -> None:
    pool = await make_pool(client, prefect_server, "warm", max_child_memory=200, children=1)
    await pool.deployment("unruly.leaking")
    path = tmp_path / "notes"
    with running_worker(pool, tmp_path) as worker:
        for _ in range(2):
            await pool.run("unruly.leaking", path=str(path), mebibytes=150)
        first, second = lines(path)
        assert first != second
        assert "MiB" in worker.text.partition("Recycling child")[2]


async def test_limits_and_pauses_of_pool_and_queue_hold(
    client: PrefectClient, prefect_server: PrefectServer, tmp_path: Path
) -> None:
    pool = await make_pool(client, prefect_server, "warm")
    await client.update_work_pool(pool.name, WorkPoolUpdate(concurrency_limit=1))
    await pool.deployment("ordinary.asynchronous")
    with running_worker(pool, tmp_path):
        blocking = await pool.start("ordinary.endless", path=str(tmp_path / "blocking"))
        await noted(tmp_path / "blocking", "started")
        held = [await pool.start("ordinary.asynchronous", path=str(tmp_path / "held")) for _ in range(2)]
        await pool.in_state(blocking, "Running")
        other = await make_pool(client, prefect_server, "warm")
        await other.deployment("ordinary.asynchronous")
        await client.update_work_pool(other.name, WorkPoolUpdate(is_paused=True))
        with running_worker(other, tmp_path, "paused"):
            paused = await other.start("ordinary.asynchronous", path=str(tmp_path / "paused"))
            assert not lines(tmp_path / "held"), "the limit of one is used up"
            await client.update_work_pool(other.name, WorkPoolUpdate(is_paused=False))
            await _completed(other, [paused])
            begun = float(lines(tmp_path / "paused")[0].split()[1])
            assert begun > (await client.read_work_pool(other.name)).updated.timestamp() - 0.5  # type: ignore[union-attr] # it has been updated
        assert not lines(tmp_path / "held")
        await client.set_flow_run_state(blocking.id, Cancelling())
        await _completed(pool, held)


async def test_a_repeated_event_and_two_workers_on_one_pool_run_nothing_twice(
    client: PrefectClient, prefect_settings: PrefectServer, tmp_path: Path
) -> None:
    pool = await make_pool(client, prefect_settings, "warm", children=2)
    await pool.deployment("ordinary.asynchronous")
    path = tmp_path / "notes"
    pool_id = (await client.read_work_pool(pool.name)).id
    with running_worker(pool, tmp_path, "first"), running_worker(pool, tmp_path, "second"):
        runs = [await pool.start("ordinary.asynchronous", path=str(path)) for _ in range(20)]
        async with PrefectEventsClient() as events:
            for _ in range(3):
                for run in runs:
                    await events.emit(
                        Event(
                            event="prefect.flow-run.Scheduled",
                            resource=Resource({"prefect.resource.id": f"prefect.flow-run.{run.id}"}),
                            related=[
                                RelatedResource(
                                    {
                                        "prefect.resource.id": f"prefect.work-pool.{pool_id}",
                                        "prefect.resource.role": "work-pool",
                                    }
                                )
                            ],
                        )
                    )
        await _completed(pool, runs)
    assert len([line for line in lines(path) if line.startswith("started")]) == 20


async def test_a_claim_made_on_an_old_look_is_refused_after_the_run_has_ended(
    pool: Pool, worker: RunningWorker, tmp_path: Path
) -> None:
    seen = await pool.start("ordinary.asynchronous", path=str(tmp_path / "notes"))  # as another worker saw it
    await _completed(pool, [seen])
    late = Reports(pool.client, "late", "0" * 12, logging.getLogger("sample"))
    assert not await late.claim(seen)
    assert (await pool.ended(seen)).state_name == "Completed"
    await pool.client.set_flow_run_state(seen.id, Scheduled())  # what Prefect's UI does for a retry
    await noted(tmp_path / "notes", "got")
    await pool.in_state(seen, "Completed")
    assert (await pool.client.read_flow_run(seen.id)).run_count == 2


async def test_a_run_of_the_future_waits_for_its_time(
    client: PrefectClient, prefect_server: PrefectServer, tmp_path: Path
) -> None:
    pool = await make_pool(client, prefect_server, "warm", children=1)
    await pool.deployment("ordinary.asynchronous")
    path = tmp_path / "notes"
    with running_worker(pool, tmp_path, PREFECT_WORKER_QUERY_SECONDS="600"):  # polling is no help
        soon = datetime.now(UTC) + timedelta(seconds=0.4)  # heard of at once, and not to be seen then
        run = await pool.start("ordinary.asynchronous", path=str(path), state=Scheduled(scheduled_time=soon))
        await _completed(pool, [run])
        path.unlink()
        due = datetime.now(UTC) + timedelta(seconds=3)
        run = await pool.start("ordinary.asynchronous", path=str(path), state=Scheduled(scheduled_time=due))
        await _completed(pool, [run])
        assert float(lines(path)[0].split()[1]) >= due.timestamp()


async def test_what_cannot_run_warm_fails_with_the_pool_to_use(
    pool: Pool, worker: RunningWorker, tmp_path: Path
) -> None:
    steps = [{"prefect.deployments.steps.set_working_directory": {"directory": str(tmp_path)}}]
    await pool.deployment("ordinary.failing", "-pulled", pull_steps=steps)
    await pool.deployment("ordinary.failing", "-image", job_variables={"image": "python"})
    await pool.deployment("ordinary.failing", "-path", entrypoint="tests/support/sample_flows/ordinary.py:failing")
    await pool.deployment("ordinary.failing", "-absent", entrypoint="tests.support.sample_flows.absent.flow")
    for label, name, words in [
        ("-pulled", "Failed", "type process"),
        ("-image", "Failed", "type docker"),
        ("-path", "Failed", "type process"),
        ("-absent", "Crashed", "could not be loaded"),
    ]:
        ended = await pool.run("ordinary.failing", label=label, path=str(tmp_path / "notes"))
        assert (ended.state_name, words in (ended.state.message or "" if ended.state else "")) == (name, True)
    assert lines(tmp_path / "notes") == []


async def test_what_runs_print_is_in_the_workers_output_behind_the_runs_name(
    pool: Pool, worker: RunningWorker, tmp_path: Path
) -> None:
    for words in ("first words", "second words"):
        run = await pool.run("ordinary.printing", words=words)
        wait_until(lambda run=run, words=words: f"{run.name} | {words}\n" in worker.text, what=words)  # type: ignore[misc] # mypy infers no default's type
    quiet = await pool.run("ordinary.printing", words="third words", job_variables={"stream_output": False})
    assert quiet.state_name == "Completed"
    assert "third words" not in worker.text


async def test_a_suspended_run_stops_and_is_resumed_by_a_new_attempt(
    pool: Pool, worker: RunningWorker, tmp_path: Path
) -> None:
    path = tmp_path / "notes"
    run = await pool.start("ordinary.step_by_step", path=str(path))
    await noted(path, "step")
    await pool.client.set_flow_run_state(run.id, Suspended(timeout_seconds=600))

    async def stopped() -> bool:
        before = len(lines(path))
        await pool.run("ordinary.asynchronous", path=str(tmp_path / "other"))  # which takes longer than a step
        return len(lines(path)) == before

    await eventually(stopped, what="the suspended run has stopped")
    assert (await pool.client.read_flow_run(run.id)).state_name == "Suspended"
    path.with_name("enough").touch()
    await pool.client.resume_flow_run(run.id)
    assert (await pool.ended(run)).state_name == "Completed"


async def test_a_run_that_waits_for_a_person_frees_its_child_and_begins_anew_when_one_has_decided(
    pool: Pool, worker: RunningWorker, receiver: RunningReceiver, tmp_path: Path
) -> None:
    path = tmp_path / "notes"
    run = await pool.start("asking.refund", path=str(path))
    address = (await noted(path, "asked"))[-1].removeprefix("asked ")
    await pool.in_state(run, "Suspended")
    waited_in = int(lines(path)[0].removeprefix("begun "))

    async def freed() -> bool:
        """Its child has ended, or does other work."""
        await pool.run("ordinary.looking_around", path=str(tmp_path / "others"))
        others = {json.loads(line)["pid"] for line in lines(tmp_path / "others")}
        return waited_in in others or waited_in not in worker.children()

    await eventually(freed, 60, what="the child of the run that waits is free")
    assert (await pool.client.read_flow_run(run.id)).state_name == "Suspended"

    answer = await receiver.http.post(address, json={"decision": "approve", "comment": "fine"})
    assert answer.status_code == 200
    ended = await pool.ended(run)
    assert ended.state_name == "Completed", ended.state
    assert [line.split()[0] for line in lines(path)] == ["begun", "asked", "begun", "decided"]
    assert lines(path)[-1] == "decided True fine"


RELOADED = """
import time
from pathlib import Path
from prefect import flow

@flow
def it(path: str, once: str = "") -> None:
    Path(path + ".begun").touch()
    while once and not Path(once).exists():
        time.sleep(0.05)
    Path(path).write_text('{}')
"""


async def test_changed_code_is_run_after_the_zygote_has_been_renewed_and_what_runs_finishes(
    client: PrefectClient, prefect_server: PrefectServer, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    module = project / "sample_reloaded.py"
    module.write_text(RELOADED.format("old"))
    pool = await make_pool(client, prefect_server, "warm", children=2)
    await pool.deployment("it", "-reload", entrypoint="sample_reloaded.it")
    with running_worker(pool, tmp_path, cwd=project, WEBHOOKS_WARM_RELOAD="1") as worker:
        await pool.run("it", label="-reload", path=str(tmp_path / "first"))
        old, enough = worker.zygote(), tmp_path / "enough"
        long = await pool.start("it", label="-reload", path=str(tmp_path / "long"), once=str(enough))
        wait_until((tmp_path / "long.begun").exists, 30, what="the long run has begun")
        module.write_text("def broken(:\n")
        wait_until(lambda: "could not be imported" in worker.text, what="the broken module is reported")
        module.write_text(RELOADED.format("new"))
        wait_until(lambda: worker.text.count("is warm with") == 3, what="the zygote is renewed")
        await pool.run("it", label="-reload", path=str(tmp_path / "second"))
        enough.touch()
        await _completed(pool, [long])
        assert [lines(tmp_path / name) for name in ("first", "long", "second")] == [["old"], ["old"], ["new"]]
        wait_until(lambda: worker.zygote() != old, what="the old zygote has gone")


async def test_a_new_deployment_is_imported_by_a_new_zygote(
    client: PrefectClient, prefect_server: PrefectServer, tmp_path: Path
) -> None:
    pool = await make_pool(client, prefect_server, "warm", children=1)
    await pool.deployment("ordinary.asynchronous")
    with running_worker(pool, tmp_path) as worker:
        await _completed(pool, [await pool.start("ordinary.synchronous", path=str(tmp_path / "notes"))])
        wait_until(lambda: "is warm with 2 flows" in worker.text, what="the zygote is renewed")


async def test_at_its_end_the_worker_lets_short_runs_finish_and_crashes_long_ones(
    client: PrefectClient, prefect_server: PrefectServer, tmp_path: Path
) -> None:
    pool = await make_pool(client, prefect_server, "warm", children=3, stop_grace=2)
    await pool.deployment("ordinary.asynchronous")
    with running_worker(pool, tmp_path) as worker:
        short = await pool.start("ordinary.brief", path=str(tmp_path / "short"), seconds=1.0)
        long = await pool.start("ordinary.endless", path=str(tmp_path / "long"))
        deaf = await pool.start("unruly.deaf", path=str(tmp_path / "deaf"))
        for name in ("short", "long", "deaf"):
            await noted(tmp_path / name, "started")
        family, before = worker.family(), time.monotonic()
        assert worker.stop() == 0
        assert time.monotonic() - before < 20
        wait_until_gone(family)
    assert (await pool.ended(short)).state_name == "Completed"
    assert (await pool.ended(long)).state_name == "Crashed"
    assert (await pool.ended(deaf)).state_name == "Crashed"


async def test_a_run_in_its_own_environment_of_prefect_leaves_no_child_behind(
    pool: Pool, worker: RunningWorker, tmp_path: Path
) -> None:
    await pool.run("ordinary.looking_around", path=str(tmp_path / "notes"))
    variables = {"env": {"PREFECT_LOGGING_LEVEL": "ERROR"}}
    await pool.run("ordinary.looking_around", path=str(tmp_path / "notes"), job_variables=variables)
    first, second = (json.loads(line)["pid"] for line in lines(tmp_path / "notes"))
    assert first != second
    wait_until(lambda: second not in worker.children(), what="the child of its own has ended")
    assert first in worker.children()
