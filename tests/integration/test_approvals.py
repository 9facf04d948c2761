"""A flow that waits for a person: what the person sees, that one decision counts, and that the run goes on with it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from prefect import flow
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow

from flows.nodes import Failed, InvalidInput, approval
from receiver.contract.approvals import Question, question_name
from receiver.contract.fetch import AT_HAND
from tests.support.receiver import RunningReceiver

pytestmark = pytest.mark.usefixtures("runs_in_process")
BASE = "http://receiver.test"
HTML = {"Accept": "text/html,*/*"}


@flow(persist_result=False)
async def refund(expires: float = 3600) -> str:
    decision = await approval("Refund <b>120</b> EUR?", told, expires=timedelta(seconds=expires))
    return f"{decision.approved} {decision.comment}"


TOLD: list[str] = []


async def told(url: str) -> None:
    TOLD.append(url.removeprefix(BASE))


async def one_run(prefect: PrefectClient) -> FlowRun:
    deployment = await prefect.create_deployment(await prefect.create_flow(refund), "approvals")
    return await prefect.create_flow_run_from_deployment(deployment)


async def go_on(prefect: PrefectClient, run: FlowRun) -> str | None:
    """Run it as a worker would; what it returned, None when it waits."""
    AT_HAND.set(lambda path, params: json.dumps({"url": BASE}).encode())
    try:
        return await run_flow(refund, flow_run=await prefect.read_flow_run(run.id))  # type: ignore[arg-type,misc,no-any-return] # as the worker calls it
    except Pause:
        return None


@pytest.fixture(autouse=True)
def nobody_is_told_yet() -> None:
    TOLD.clear()


async def test_a_run_waits_is_decided_once_and_goes_on(receiver: RunningReceiver, prefect: PrefectClient):
    run = await one_run(prefect)
    assert await go_on(prefect, run) is None
    [address] = TOLD
    assert (await prefect.read_flow_run(run.id)).state_name == "Suspended"

    for _ in range(2):  # a mail scanner opens the link, and changes nothing
        page = await receiver.http.get(address, headers=HTML)
        assert page.status_code == 200 and "&lt;b&gt;120&lt;/b&gt;" in page.text and "<script" not in page.text
    assert page.headers["referrer-policy"] == "no-referrer" and page.headers["cache-control"] == "no-store"
    assert (
        page.headers["x-content-type-options"] == "nosniff"
        and "default-src 'none'" in page.headers["content-security-policy"]
    )
    assert (await receiver.http.post(address, data={"decision": "perhaps"})).status_code == 400

    await prefect.resume_flow_run(run.id)  # by hand, in Prefect's pages: decides nothing
    assert await go_on(prefect, run) is None
    assert len(TOLD) == 1

    both = await asyncio.gather(
        receiver.http.post(address, data={"decision": "approve", "comment": "<i>fine</i>"}),
        receiver.http.post(address, json={"decision": "approve", "comment": "<i>fine</i>"}),
    )
    assert sorted(answer.status_code for answer in both) == [200, 409]
    late = await receiver.http.post(address, data={"decision": "reject"}, headers=HTML)
    assert late.status_code == 409 and "<h1>Approved</h1>" in late.text and "&lt;i&gt;fine" in late.text

    assert (await prefect.read_flow_run(run.id)).state_name == "Resuming"
    assert await go_on(prefect, run) == "True <i>fine</i>"
    assert (await receiver.http.get(address)).json()["status"] == "approved"


async def test_a_link_that_is_wrong_and_one_that_never_was_answer_alike(
    receiver: RunningReceiver, prefect: PrefectClient
):
    run = await one_run(prefect)
    await go_on(prefect, run)
    [address] = TOLD
    wrong = address[:-43] + "A" * 43
    never = address.replace(run.id.hex, "0" * 32)
    answers = [await receiver.http.get(path) for path in (wrong, never, "/api/approvals/x")]
    answers += [await receiver.http.post(path, data={"decision": "approve"}) for path in (wrong, never)]
    assert {(answer.status_code, answer.content) for answer in answers} == {(404, answers[0].content)}
    assert (await prefect.read_flow_run(run.id)).state_name == "Suspended"


async def test_what_nobody_decided_in_time_is_gone_for_reader_and_decider(
    receiver: RunningReceiver, prefect: PrefectClient
):
    run = await one_run(prefect)
    assert await go_on(prefect, run) is None
    [address] = TOLD
    name = question_name("approval")
    asked = Question.load(await prefect.read_flow_run_input(run.id, name))
    await prefect.delete_flow_run_input(run.id, name)
    over = replace(asked, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    await prefect.create_flow_run_input(run.id, name, over.dump())

    page = await receiver.http.get(address, headers=HTML)
    late = await receiver.http.post(address, data={"decision": "approve"})
    assert (page.status_code, late.status_code, late.json()["status"]) == (410, 410, "expired")
    assert "<form" not in page.text
    assert (await prefect.read_flow_run(run.id)).state_name == "Suspended"

    await prefect.resume_flow_run(run.id)  # by hand, in Prefect's pages: nobody has decided all the same
    with pytest.raises(Failed, match="nobody has decided in time"):
        await go_on(prefect, run)


async def test_a_question_is_asked_in_a_flow_alone():
    with pytest.raises(InvalidInput, match="in a flow itself"):
        await approval("Really?", told)
    with pytest.raises(InvalidInput, match="key is of small letters"):
        await approval("Really?", told, key="a--b")
