"""The door to Prefect on a real server: whose fault a refusal is."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import LogCreate, WorkPoolCreate
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from receiver.prefect_gateway import Handover, Outcome, PrefectGateway
from tests.support.deployments import make_deployment
from tests.support.ports import free_port
from tests.support.prefect import PrefectServer
from tests.support.waiting import eventually


async def handed_over(gateway: PrefectGateway) -> Handover:
    return await gateway.create_run(str(uuid.uuid4()), parameters={}, idempotency_key="d:1", name="n", tags=())


async def test_a_deployment_that_is_missing_is_told_by_a_healthy_server(prefect_settings: PrefectServer):
    async with PrefectGateway() as gateway:
        assert await gateway.healthy()
        assert (await handed_over(gateway)).outcome is Outcome.DEPLOYMENT_MISSING


async def test_a_run_that_is_scheduled_earlier_is_taken_before_those_that_wait(prefect_settings: PrefectServer):
    async with get_client() as client, PrefectGateway() as gateway:
        pool = await client.create_work_pool(WorkPoolCreate(name=f"pool-{uuid.uuid4().hex[:8]}", type="process"))
        flow_id = await client.create_flow_from_name("overtaken")
        deployment = await client.create_deployment(flow_id, "main", work_pool_name=pool.name)
        now = datetime.now(UTC)
        made = []
        for key, scheduled_at in (("a", None), ("b", None), ("c", now - timedelta(hours=1))):
            handover = await gateway.create_run(
                str(deployment),
                parameters={},
                idempotency_key=key,
                name=key,
                tags=(),
                scheduled_at=scheduled_at,
            )
            assert handover.outcome is Outcome.CREATED
            made.append(handover.flow_run_id)
        due = await client.get_scheduled_flow_runs_for_work_pool(
            pool.name, scheduled_before=datetime.now(UTC) + timedelta(seconds=5)
        )
    assert [str(each.flow_run.id) for each in due] == [made[2], made[0], made[1]]


async def test_a_run_is_found_by_the_key_it_was_created_under(prefect_settings: PrefectServer, prefect: PrefectClient):
    deployment = await prefect.read_deployment_by_name(await make_deployment(prefect))
    run = await prefect.create_flow_run_from_deployment(deployment.id, idempotency_key="found:1")
    async with PrefectGateway() as gateway:
        assert await gateway.find_run("found:1") == str(run.id)
        assert await gateway.find_run("found:2") is None


async def test_runs_are_deleted_with_their_log_lines_and_those_that_are_gone_are_no_error(
    prefect_settings: PrefectServer, prefect: PrefectClient
):
    deployment = await prefect.read_deployment_by_name(await make_deployment(prefect))
    mine, other = [await prefect.create_flow_run_from_deployment(deployment.id) for _ in range(2)]
    line = {"name": "flow", "level": 20, "message": "of somebody", "timestamp": datetime.now(UTC)}
    await prefect.create_logs([LogCreate(**line, flow_run_id=mine.id)])
    async with PrefectGateway() as gateway:
        for _ in range(2):
            await gateway.delete_runs([str(mine.id), str(uuid.uuid4()), "none of Prefect's"])
    with pytest.raises(ObjectNotFound):
        await prefect.read_flow_run(mine.id)
    assert (await prefect.read_flow_run(other.id)).id == other.id

    async def no_lines() -> bool:
        return not await prefect.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[mine.id])))

    await eventually(no_lines, what="its log lines are deleted")


async def test_credentials_that_are_refused_are_no_delivery_s_fault(prefect_settings: PrefectServer):
    with temporary_settings(updates={PREFECT_API_AUTH_STRING: "not:this"}):
        async with PrefectGateway() as gateway:
            refused = await handed_over(gateway)
            assert refused.outcome is Outcome.RETRY_LATER and "PREFECT_API_AUTH_STRING" in refused.detail
            # The server's /ready answers anybody; deliveries would be given up as what fails while others succeed.
            assert not await gateway.healthy()


async def test_a_server_that_is_away_is_not_healthy(prefect_settings: PrefectServer):
    with temporary_settings(updates={PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}):
        async with PrefectGateway() as gateway:
            assert (await handed_over(gateway)).outcome is Outcome.RETRY_LATER
            assert not await gateway.healthy()


async def test_a_stop_while_the_events_are_being_opened_leaves_no_connection_open(prefect_settings: PrefectServer):
    asked, closed = asyncio.Event(), asyncio.Event()

    async def prefect(connection: ServerConnection) -> None:
        await connection.recv()  # who is it? It never learns whether it may listen.
        asked.set()
        await connection.wait_closed()
        closed.set()

    def answers(connection: ServerConnection, request: Request) -> Response | None:
        return None if request.path.endswith("/events/out") else connection.respond(HTTPStatus.OK, "true")

    protocols = [Subprotocol("prefect")]
    async with serve(prefect, "127.0.0.1", 0, subprotocols=protocols, process_request=answers) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        with temporary_settings(updates={PREFECT_API_URL: f"http://127.0.0.1:{port}/api"}):
            async with PrefectGateway() as gateway, asyncio.timeout(20):
                opening = asyncio.ensure_future(anext(gateway.states()))
                await asked.wait()
                opening.cancel()
                await asyncio.wait({opening})
                await closed.wait()
