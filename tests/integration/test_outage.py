"""Prefect goes away while requests come, and comes back: each is acknowledged, and each has its one run."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags

from tests.support.deployments import make_deployment
from tests.support.links import CuttableLink, link_to
from tests.support.prefect import PrefectServer
from tests.support.serving import Serving, serving
from tests.support.waiting import eventually, wait_until

SINGLE, BATCHED = 12, 60


def acknowledged(receiver: Serving, key: str, count: int) -> list[str]:
    answers = [receiver.http.post(f"/api/webhooks/{key}", json={"n": number}) for number in range(count)]
    assert {answer.status_code for answer in answers} == {202}
    return [answer.json()["delivery_id"] for answer in answers]


def circuit(receiver: Serving) -> str:
    return str(receiver.admin.get("/api/admin/queue").json()["circuit"])


def send_while_away(receiver: Serving, link: CuttableLink, deployment: str) -> list[str]:
    receiver.define("single", deployment=deployment)
    batch = {"batch": {"max_size": 20, "max_wait": "1s"}, "parameters": {"batch": "{{$context}}"}}
    receiver.define("batched", deployment=deployment, **batch)
    acknowledged(receiver, "single", 1)
    wait_until(lambda: receiver.stored(status="dispatched"), 30, what="the first is handed over")
    link.cut()
    ids = acknowledged(receiver, "single", SINGLE) + acknowledged(receiver, "batched", BATCHED)
    wait_until(lambda: circuit(receiver) == "open", 30, what="it knows that Prefect is away")
    behind = receiver.http.get("/health/ready").json()
    assert (behind["status"], behind["prefect"]) == ("ready", False)
    link.mend()
    wait_until(lambda: circuit(receiver) == "closed", 30, what="it knows that Prefect is back")
    wait_until(lambda: not receiver.stored(status="queued"), 60, what="nothing waits any more")
    return ids


async def test_what_comes_while_prefect_is_away_is_acknowledged_and_runs_once_when_it_is_back(
    prefect_server: PrefectServer, prefect: PrefectClient, tmp_path: Path
) -> None:
    deployment = await make_deployment(prefect)
    port = urlsplit(prefect_server.api_url).port
    assert port is not None
    with link_to(port) as link:
        where = {
            "PREFECT_API_URL": f"http://127.0.0.1:{link.port}/api",
            "PREFECT_API_AUTH_STRING": prefect_server.auth_string,
        }
        with serving(tmp_path, **where) as receiver:
            ids = await asyncio.to_thread(send_while_away, receiver, link, deployment)
            stored = {each["id"]: each for each in receiver.stored(limit="200")}
            said = receiver.said()
    assert {stored[each]["status"] for each in ids} == {"dispatched"}
    assert "Prefect is unreachable" in said and "Prefect answers again" in said

    async def runs(key: str) -> int:
        tags = FlowRunFilterTags(all_=[f"webhook:{key}"])
        return len(await prefect.read_flow_runs(flow_run_filter=FlowRunFilter(tags=tags)))

    batches = {stored[each]["flow_run_id"] for each in ids[SINGLE:]}
    assert len(batches) <= BATCHED // 10
    assert await eventually(lambda: runs("single"), 10) == SINGLE + 1
    assert await runs("batched") == len(batches)
