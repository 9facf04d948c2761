"""Whatever takes a process down takes its own run down and nothing else."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.states import Cancelling

from receiver.supervisor.guard import processes
from tests.support.prefect import PrefectServer
from tests.support.waiting import wait_until
from tests.support.workers import (
    Pool,
    RunningWorker,
    client_of,
    kill,
    lines,
    make_pool,
    noted,
    running_worker,
    wait_until_gone,
)

FLOWS = (
    *("ordinary.asynchronous", "ordinary.brief", "ordinary.endless", "unruly.ending_the_interpreter"),
    *("unruly.segfaulting", "unruly.greedy", "unruly.deaf", "unruly.with_a_process_of_its_own"),
)


@pytest.fixture(scope="module")
async def client(prefect_server: PrefectServer) -> AsyncIterator[PrefectClient]:
    async with client_of(prefect_server) as client:
        yield client


@pytest.fixture(scope="module")
async def pool(client: PrefectClient, prefect_server: PrefectServer) -> Pool:
    made = await make_pool(client, prefect_server, "warm", children=3, min_idle=2, cancel_grace=1)
    for flow in FLOWS:  # known before the worker starts: it renews its zygote for none of them between two tests
        await made.deployment(flow)
    return made


@pytest.fixture(scope="module")
def worker(pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWorker]:
    with running_worker(pool, tmp_path_factory.mktemp("worker")) as worker:
        yield worker


@pytest.mark.parametrize(
    ("flow", "words"),
    [
        ("unruly.ending_the_interpreter", "status 3"),
        ("unruly.segfaulting", "SIGSEGV"),
    ],
)
async def test_a_run_that_ends_its_process_is_crashed_and_its_neighbour_is_not(
    pool: Pool, worker: RunningWorker, tmp_path: Path, flow: str, words: str
) -> None:
    neighbour = await pool.start("ordinary.brief", path=str(tmp_path / "neighbour"), seconds=2.0)
    await noted(tmp_path / "neighbour", "started")
    ended = await pool.ended(await pool.start(flow, path=str(tmp_path / "notes")), 20)
    assert ended.state_name == "Crashed"
    assert words in (ended.state.message or "" if ended.state else "")
    assert (await pool.ended(neighbour)).state_name == "Completed"


async def test_the_crash_hook_of_a_killed_run_runs_in_another_child(
    pool: Pool, worker: RunningWorker, tmp_path: Path
) -> None:
    await pool.run("unruly.ending_the_interpreter", path=str(tmp_path / "notes"))
    assert "hook crashed Crashed" in await noted(tmp_path / "notes", "hook")


async def test_memory_beyond_the_runs_limit_fails_it_and_the_next_run_has_its_own(
    pool: Pool, worker: RunningWorker, tmp_path: Path
) -> None:
    limited = {"memory_limit": 600}
    ended = await pool.run("unruly.greedy", path=str(tmp_path / "a"), mebibytes=700, job_variables=limited)
    assert ended.state_name in ("Failed", "Crashed")
    ended = await pool.run("unruly.greedy", path=str(tmp_path / "b"), mebibytes=30, job_variables=limited)
    assert (ended.state_name, lines(tmp_path / "b")[-1]) == ("Completed", "got 30")


async def test_a_run_that_never_ends_is_timed_out_by_its_pool(
    pool: Pool, worker: RunningWorker, tmp_path: Path
) -> None:
    variables = {"max_run_seconds": 1}
    for flow in ("unruly.deaf", "ordinary.endless"):
        ended = await pool.run(flow, path=str(tmp_path / flow), job_variables=variables)
        assert ended.state_name == "TimedOut"


async def test_a_cancelled_run_that_does_not_listen_is_killed_and_cancelled(
    pool: Pool, worker: RunningWorker, tmp_path: Path
) -> None:
    run = await pool.start("unruly.deaf", path=str(tmp_path / "notes"))
    await noted(tmp_path / "notes", "started")
    await pool.client.set_flow_run_state(run.id, Cancelling())
    assert (await pool.ended(run)).state_name == "Cancelled"


async def test_what_a_run_has_started_ends_with_it(pool: Pool, worker: RunningWorker, tmp_path: Path) -> None:
    run = await pool.start("unruly.with_a_process_of_its_own", path=str(tmp_path / "notes"))
    (line,) = await noted(tmp_path / "notes", "process")
    started = int(line.split()[1])
    await pool.client.set_flow_run_state(run.id, Cancelling())
    await pool.ended(run)
    wait_until(lambda: started not in processes(), what="the run's own process has ended")


async def test_a_child_killed_while_it_runs_crashes_its_run_once(
    pool: Pool, worker: RunningWorker, tmp_path: Path
) -> None:
    run = await pool.start("ordinary.brief", path=str(tmp_path / "notes"), seconds=60.0)
    (line,) = await noted(tmp_path / "notes", "started")
    kill(int(line.split()[1]))
    ended = await pool.ended(run, 20)
    assert (ended.state_name, lines(tmp_path / "notes")) == ("Crashed", [line])


async def test_idle_children_that_are_killed_are_replaced(pool: Pool, worker: RunningWorker, tmp_path: Path) -> None:
    before = worker.children()
    for pid in before:
        kill(pid)
    ended = await pool.run("ordinary.asynchronous", path=str(tmp_path / "notes"))
    assert ended.state_name == "Completed"
    assert not set(before) & set(worker.children())


async def test_a_killed_zygote_is_replaced_and_its_runs_are_crashed(
    pool: Pool, worker: RunningWorker, tmp_path: Path
) -> None:
    run = await pool.start("ordinary.endless", path=str(tmp_path / "notes"))
    await noted(tmp_path / "notes", "started")
    family = worker.family()
    kill(worker.zygote())
    assert (await pool.ended(run, 20)).state_name == "Crashed"
    wait_until_gone(family)
    ended = await pool.run("ordinary.asynchronous", path=str(tmp_path / "after"))
    assert ended.state_name == "Completed"


async def test_after_a_killed_worker_the_next_one_finishes_what_it_has_left(
    client: PrefectClient, prefect_server: PrefectServer, tmp_path: Path
) -> None:
    pool = await make_pool(client, prefect_server, "warm", children=1)
    await pool.deployment("ordinary.asynchronous")
    await pool.deployment("ordinary.endless")
    with running_worker(pool, tmp_path, "first") as first:
        running = await pool.start("ordinary.endless", path=str(tmp_path / "running"))
        await noted(tmp_path / "running", "started")
        waiting = [await pool.start("ordinary.asynchronous", path=str(tmp_path / "waiting")) for _ in range(3)]
        family = first.family()
        kill(first.process.pid)
        first.process.wait()
        wait_until_gone(family)
        assert (await client.read_flow_run(running.id)).state_name == "Running"
    with running_worker(pool, tmp_path, "second"):
        assert (await pool.ended(running, 30)).state_name == "Crashed"
        for run in waiting:
            ended = await pool.ended(run)
            assert (ended.state_name, ended.run_count) == ("Completed", 1)
    assert len([line for line in lines(tmp_path / "waiting") if line.startswith("started")]) == 3
    assert len(lines(tmp_path / "running")) == 1


async def test_what_a_lost_machine_had_in_hand_is_ended_by_a_worker_of_another(
    client: PrefectClient, prefect_server: PrefectServer, tmp_path: Path
) -> None:
    pool = await make_pool(client, prefect_server, "warm", children=1, lost_after=9)
    await pool.deployment("ordinary.asynchronous")
    await pool.deployment("ordinary.endless")

    def on_another(name: str) -> AbstractContextManager[RunningWorker]:
        home = str(tmp_path / name)
        return running_worker(pool, tmp_path, name, PREFECT_HOME=home, PREFECT_WORKER_HEARTBEAT_SECONDS="1")

    with on_another("lost") as lost:
        running = await pool.start("ordinary.endless", path=str(tmp_path / "running"))
        await noted(tmp_path / "running", "started")
        with on_another("found") as found:
            family = lost.family()
            kill(lost.process.pid)
            lost.process.wait()
            wait_until_gone(family)
            ended = await pool.ended(running)
            assert ended.state_name == "Crashed" and ended.state is not None
            assert "Its worker 'lost' was not heard of any more" in (ended.state.message or "")
            assert found.text.count("Not heard of any more") == 1
            assert (await pool.run("ordinary.asynchronous", path=str(tmp_path / "next"))).state_name == "Completed"


async def test_a_run_claimed_by_a_worker_that_was_killed_is_given_to_the_next(
    client: PrefectClient, prefect_server: PrefectServer, tmp_path: Path
) -> None:
    pool = await make_pool(client, prefect_server, "warm", children=1)
    await pool.deployment("ordinary.asynchronous")
    with running_worker(pool, tmp_path, "first") as first:
        os.kill(first.zygote(), signal.SIGSTOP)  # so that what is claimed cannot begin
        for child in first.children():
            os.kill(child, signal.SIGSTOP)
        family = first.family()
        run = await pool.start("ordinary.asynchronous", path=str(tmp_path / "notes"))
        await pool.in_state(run, "Pending")
        kill(first.process.pid)
        first.process.wait()
        for pid in family:
            os.kill(pid, signal.SIGCONT)
        wait_until_gone(family)
    with running_worker(pool, tmp_path, "second"):
        ended = await pool.ended(run, 30)
    assert (ended.state_name, ended.run_count, len(lines(tmp_path / "notes"))) == ("Completed", 1, 2)
