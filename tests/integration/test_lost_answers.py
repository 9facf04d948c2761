"""What becomes of a run does not depend on whether Prefect's answer arrives, or on whether it is there just then."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Completed, Running

from flows.worker.lookups import Lookups
from flows.worker.pool import claim_token, step_token
from flows.worker.proposals import Patience, propose_until_answered
from flows.worker.reports import Reports
from tests.support.links import link_to
from tests.support.prefect import PrefectServer
from tests.support.waiting import wait_until
from tests.support.workers import Pool, client_of, lines, make_pool, noted, running_worker

log = logging.getLogger(__name__)


class Losing(httpx.AsyncBaseTransport):
    """The real way to the server. What comes back for the first `lost` requests to `where` is lost, and the first
    `broken` ones never get there: whoever asks is told 500."""

    def __init__(self, *, lost: int = 0, broken: int = 0, where: str = "/set_state") -> None:
        self._way, self._where = httpx.AsyncHTTPTransport(), where
        self.lost, self.broken = lost, broken

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        meant = self._where in request.url.path
        if meant and self.broken:
            self.broken -= 1
            return httpx.Response(500, json={"exception_message": "Internal Server Error"}, request=request)
        answer = await self._way.handle_async_request(request)
        if meant and self.lost:
            self.lost -= 1
            await answer.aread()
            raise httpx.ReadError("the connection was cut", request=request)
        return answer

    async def aclose(self) -> None:
        await self._way.aclose()


@pytest.fixture
async def pool(prefect_server: PrefectServer) -> AsyncIterator[Pool]:
    """A pool without a worker."""
    async with client_of(prefect_server) as client:
        yield await make_pool(client, prefect_server, "warm", children=1)


@asynccontextmanager
async def client_through(transport: Losing, server: PrefectServer) -> AsyncIterator[PrefectClient]:
    with temporary_settings(updates={PREFECT_CLIENT_MAX_RETRIES: 0}):
        options: dict[str, Any] = {"transport": transport}
        async with PrefectClient(server.api_url, auth_string=server.auth_string, httpx_settings=options) as client:
            yield client


async def test_of_two_children_that_begin_a_run_one_is_recorded(pool: Pool, prefect_server: PrefectServer) -> None:
    """The first is killed while its Running is under way, which may be taken after the next has said the same."""
    run = await pool.start("ordinary.asynchronous", path="/nowhere")
    async with client_through(Losing(), prefect_server) as client:
        assert await Reports(client, "one", "first", log).claim(run)
        token = step_token(claim_token(run.id, run.run_count), final=False, running=True)
        for _ in range(2):
            taken = await propose_until_answered(client, run.id, Running(), token)
            assert taken.state is not None and taken.state.is_running()
    assert await pool.states(run) == ["Scheduled", "Pending", "Running"]


async def test_a_claim_whose_answer_was_lost_is_ours_and_another_workers_is_not(
    pool: Pool, prefect_server: PrefectServer
) -> None:
    run = await pool.start("ordinary.asynchronous", path="/nowhere")
    async with client_through(Losing(lost=2), prefect_server) as client:
        assert await Reports(client, "one", "first", log).claim(run)
        assert run.state is not None
        assert run.state.is_pending()
        assert not await Reports(client, "one", "second", log).claim(await pool.client.read_flow_run(run.id))
    assert await pool.states(run) == ["Scheduled", "Pending"]


async def test_a_state_whose_answer_was_lost_is_entered_once(pool: Pool, prefect_server: PrefectServer) -> None:
    run = await pool.start("ordinary.asynchronous", path="/nowhere")
    states: tuple[State[Any], ...] = (Running(), Completed())
    for state in states:
        async with client_through(Losing(lost=1), prefect_server) as client:
            result = await propose_until_answered(client, run.id, state, uuid4())
        assert result.state is not None
        assert result.state.type == state.type
    assert await pool.states(run) == ["Scheduled", "Running", "Completed"]
    assert (await pool.client.read_flow_run(run.id)).run_count == 1


async def test_a_server_that_cannot_take_a_state_for_a_while_is_told_later(
    pool: Pool, prefect_server: PrefectServer
) -> None:
    run = await pool.start("ordinary.asynchronous", path="/nowhere")
    async with client_through(Losing(broken=2), prefect_server) as client:
        await propose_until_answered(client, run.id, Completed(), uuid4())
    assert (await pool.client.read_flow_run(run.id)).state_name == "Completed"


async def test_a_look_up_that_prefect_cannot_answer_for_a_while_is_made_again(
    pool: Pool, prefect_server: PrefectServer
) -> None:
    run = await pool.start("ordinary.asynchronous", path="/nowhere")
    work_pool = await pool.client.read_work_pool(pool.name)
    async with client_through(Losing(broken=2, where="/flows/"), prefect_server) as client:
        lookups = Lookups(client)
        job = await Reports(client, "one", "first", log).looked_up(lambda: lookups.job(run, work_pool, "one", None))
    assert job.entrypoint == "tests.support.sample_flows.ordinary.asynchronous"


def test_a_state_that_a_working_server_refuses_is_given_up_and_one_that_is_away_is_waited_for() -> None:
    broken = httpx.HTTPStatusError("500", request=httpx.Request("POST", "http://x"), response=httpx.Response(500))
    away = Patience()
    assert max(away.pause(broken, ready=False) for _ in range(100)) == 10.0
    working = Patience()
    with pytest.raises(httpx.HTTPStatusError):
        for _ in range(100):
            working.pause(broken, ready=True)
    refused = httpx.HTTPStatusError("422", request=httpx.Request("POST", "http://x"), response=httpx.Response(422))
    with pytest.raises(httpx.HTTPStatusError):
        Patience().pause(refused, ready=False)


async def test_a_run_ends_as_it_did_though_prefect_was_away_when_it_ended(
    pool: Pool, prefect_server: PrefectServer, tmp_path: Path
) -> None:
    await pool.deployment("ordinary.brief_and_ended")
    with link_to(httpx.URL(prefect_server.api_url).port or 0) as link:
        through = replace(pool, server=_behind(prefect_server, link.port))
        with running_worker(through, tmp_path, PREFECT_CLIENT_MAX_RETRIES="0"):
            run = await pool.start("ordinary.brief_and_ended", path=str(tmp_path / "notes"), seconds=1.0)
            await noted(tmp_path / "notes", "started")
            link.cut()
            wait_until(lambda: "ended" in lines(tmp_path / "notes"), what="it has ended")
            before = link.refused
            wait_until(lambda: link.refused > before + 5, what="Prefect was asked in vain")
            link.mend()
            assert (await pool.ended(run)).state_name == "Completed"
    assert await pool.states(run) == ["Scheduled", "Pending", "Running", "Completed"]


async def test_a_run_that_has_not_begun_when_prefect_goes_away_begins_when_it_is_back(
    pool: Pool, prefect_server: PrefectServer, tmp_path: Path
) -> None:
    await pool.deployment("ordinary.asynchronous")
    with link_to(httpx.URL(prefect_server.api_url).port or 0) as link:
        through = replace(pool, server=_behind(prefect_server, link.port))
        with running_worker(through, tmp_path, PREFECT_CLIENT_MAX_RETRIES="0") as worker:
            held = wait_until(worker.children, what="there is a child")
            for pid in held:
                os.kill(pid, signal.SIGSTOP)  # so that what is claimed cannot begin
            run = await pool.start("ordinary.asynchronous", path=str(tmp_path / "notes"))
            await pool.in_state(run, "Pending")
            link.cut()
            for pid in held:
                os.kill(pid, signal.SIGCONT)
            wait_until(lambda: "Prefect cannot be reached" in worker.text, what="the child has given up")
            link.mend()
            assert (await pool.ended(run)).state_name == "Completed"
    assert (await pool.states(run)).count("Running") == 1


async def test_a_worker_that_ends_while_prefect_is_away_leaves_its_runs_to_the_next(
    pool: Pool, prefect_server: PrefectServer, tmp_path: Path
) -> None:
    await pool.deployment("ordinary.endless")
    with link_to(httpx.URL(prefect_server.api_url).port or 0) as link:
        through = replace(pool, server=_behind(prefect_server, link.port))
        with running_worker(through, tmp_path, "first", PREFECT_CLIENT_MAX_RETRIES="0") as first:
            run = await pool.start("ordinary.endless", path=str(tmp_path / "notes"))
            await noted(tmp_path / "notes", "started")
            link.cut()
            first.process.send_signal(signal.SIGTERM)
            first.process.wait(240)
        assert (await pool.client.read_flow_run(run.id)).state_name == "Running"
    with running_worker(pool, tmp_path, "second"):
        assert (await pool.ended(run)).state_name == "Crashed"


def _behind(server: PrefectServer, port: int) -> PrefectServer:
    url = f"http://127.0.0.1:{port}/api"
    return replace(server, env={**server.env, "PREFECT_API_URL": url})
