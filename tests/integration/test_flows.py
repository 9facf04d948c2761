"""The example workflows run on a real Prefect server, with their nodes seen there as task runs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import State
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import TaskRun

from blocks import connections, lookup
from flows.deploy_site import deploy_site
from flows.github_push import COMMITS, PUSHES, github_push
from flows.hello import hello
from flows.nodes import query_records
from receiver import Context
from tests.support.prefect import PrefectServer
from tests.support.waiting import eventually

PAYLOADS = Path(__file__).parents[1] / "payloads" / "github"
pytestmark = pytest.mark.usefixtures("runs_in_process")


@pytest.fixture
async def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    monkeypatch.setenv("WEBHOOKS_HOME", str(tmp_path))
    lookup.forget()
    yield tmp_path
    await connections.close()


@pytest.fixture(scope="module")
async def site_deployment(prefect_server: PrefectServer) -> str:
    """A deployment for `github_push` to start; no worker takes its runs."""
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    with temporary_settings(
        updates={PREFECT_API_URL: prefect_server.api_url, PREFECT_API_AUTH_STRING: prefect_server.auth_string}
    ):
        async with get_client() as client:
            flow_id = await client.create_flow(deploy_site)
            await client.create_deployment(flow_id, "in-tests", paused=False)
    return "deploy-site/in-tests"


def request(data: Any, delivery_id: str = "d-1", **headers: str) -> Context:
    return Context.from_document({"data": data, "headers": headers, "delivery_id": delivery_id, "attempt": 1})


def push(name: str, delivery_id: str | None = None) -> Context:
    data = json.loads((PAYLOADS / f"{name}.json").read_text(encoding="utf-8"))
    return request(data, delivery_id or name, **{"x-github-event": "push", "x-github-delivery": f"event-{name}"})


async def task_runs(state: State[Any], expected: int) -> list[TaskRun]:
    """The task runs of the flow run that ended in `state`, oldest first; Prefect records them a little later."""
    run_id = state.state_details.flow_run_id
    assert isinstance(run_id, UUID)

    async def recorded() -> list[TaskRun]:
        async with get_client() as client:
            runs = await client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run_id])))
        ended = [run for run in runs if run.state and run.state.is_final()]
        return sorted(ended, key=lambda run: run.expected_start_time or run.id) if len(ended) == expected else []

    return await eventually(recorded, what=f"{expected} task runs recorded")


async def started(deployment: str, since: set[UUID]) -> list[dict[str, Any]]:
    """Parameters of the deployment's runs that are not in `since`."""
    return [run.parameters for run in await runs_of(deployment) if run.id not in since]


async def runs_of(deployment: str) -> list[Any]:
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName

    name = deployment.partition("/")[2]
    async with get_client() as client:
        return list(
            await client.read_flow_runs(deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[name])))
        )


def mails(home: Path) -> list[EmailMessage]:
    files = sorted((home / "mail").glob("*.eml")) if (home / "mail").exists() else []
    return [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]


async def stored(table: Any) -> list[dict[str, Any]]:
    return await query_records.fn(table, order_by="id")


async def test_hello_greets_with_the_message_it_was_sent():
    state = await hello(request({"event": "test", "data": {"message": "Hello"}}), return_state=True)

    assert state.is_completed()
    assert await state.aresult() == {"greeting": "The webhook says: Hello"}
    assert [(run.name, run.state_name) for run in await task_runs(state, 1)] == [("greet", "Completed")]


async def test_a_push_to_main_is_recorded_deployed_and_told(home: Path, site_deployment: str):
    before = {run.id for run in await runs_of(site_deployment)}

    state = await github_push(push("push__main"), deployment=site_deployment, return_state=True)

    result = await state.aresult()
    assert (result["commits"], result["deployed"]) == (3, True)
    assert [run.name for run in await task_runs(state, 5)] == [
        "create a record in github_pushes",
        "create 3 items in github_commits",
        "when context.data.ref == 'refs/heads/main' && !context.data.deleted",
        f"start {site_deployment}",
        "send e-mail to team@example.com: lantern-works/site: oksana-dev pushed to main",
    ]
    [recorded] = await stored(PUSHES)
    assert (recorded["branch"], recorded["pusher"], recorded["event_id"]) == ("main", "oksana-dev", "event-push__main")
    assert (await stored(COMMITS))[0]["committed_at"] == "2026-03-01T08:01:00+00:00"
    assert [commit["message"].splitlines()[0] for commit in await stored(COMMITS)] == [
        "Show the new lamps",
        "Mend the link to the shop",
        "Sort lamps by price",
    ]
    assert await started(site_deployment, before) == [{"repository": "lantern-works/site", "commit": recorded["after"]}]
    [mail] = mails(home)
    assert mail["To"] == "team@example.com"
    assert "oksana-dev pushed 3 commits to main" in mail.get_content()


@pytest.mark.parametrize(
    ("name", "branch", "commits"),
    [
        ("push__feature-branch", "oksana/dark-page", 1),
        ("push__branch-deleted", "oksana/dark-page", 0),
        ("push__main-deleted", "main", 0),
        ("push__tag", None, 0),
        ("push__branch-named-in-ukrainian", "гілка/новини", 1),
    ],
)
async def test_any_other_push_is_recorded_alone(home: Path, site_deployment: str, name: str, branch: str, commits: int):
    before = {run.id for run in await runs_of(site_deployment)}

    result = await github_push(push(name), deployment=site_deployment)

    assert result == {"push": 1, "commits": commits, "deployed": False}
    assert [row["branch"] for row in await stored(PUSHES)] == [branch]
    assert len(await stored(COMMITS)) == commits
    assert await started(site_deployment, before) == []
    assert mails(home) == []


@pytest.mark.parametrize(("name", "commits"), [("push__main-many-commits", 25), ("push__main-non-ascii", 2)])
async def test_many_commits_and_any_language_are_recorded_and_told(
    home: Path, site_deployment: str, name: str, commits: int
):
    result = await github_push(push(name), deployment=site_deployment)

    assert result["commits"] == commits == len(await stored(COMMITS))
    [mail] = mails(home)
    data = json.loads((PAYLOADS / f"{name}.json").read_text(encoding="utf-8"))
    assert data["commits"][0]["message"].splitlines()[0] in mail.get_content()
    assert data["pusher"]["name"] in mail["Subject"]


async def test_a_push_that_is_delivered_again_is_recorded_once(home: Path, site_deployment: str):
    first = await github_push(push("push__main", "first"), deployment=site_deployment)
    second = await github_push(push("push__main", "second"), deployment=site_deployment)

    assert first["push"] == second["push"]
    assert len(await stored(PUSHES)) == 1
    assert len(await stored(COMMITS)) == 3


async def test_the_site_is_deployed_once_for_each_commit(home: Path):
    first = await deploy_site("lantern-works/site", "abc1234")
    second = await deploy_site("lantern-works/site", "abc1234")

    assert first == second
    assert first["commit"] == "abc1234"
