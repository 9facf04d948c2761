"""GitLab's pipelines: keep how each one stands, and tell people when the default branch breaks and when it is mended.

At GitLab, under Settings, Webhooks: the URL, the trigger *Pipeline events*, and as secret token what the block
`webhook-secret/gitlab` holds.
"""

from __future__ import annotations

from typing import Any

from prefect import flow
from sqlalchemy import BigInteger, Column, DateTime, MetaData, String, Table

from flows.gitlab_pipeline_event import change_of, comes_late, headline, read_pipeline, summary
from flows.nodes import notify, query_records, upsert_record
from receiver import Context, webhook

_TABLES = MetaData()

PIPELINES = Table(
    "gitlab_pipelines",
    _TABLES,
    Column("project_url", String(500), primary_key=True),  # a pipeline's number is unique in one GitLab alone
    Column("pipeline_id", BigInteger, primary_key=True),
    Column("project", String(500), nullable=False),
    Column("ref", String(255), nullable=False),
    Column("sha", String(64), nullable=False),
    Column("source", String(50), nullable=False),
    Column("status", String(50), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("finished_at", DateTime(timezone=True)),
    Column("version", BigInteger, nullable=False),
)
BRANCHES = Table(
    "gitlab_branches",
    _TABLES,
    Column("project_url", String(500), primary_key=True),
    Column("ref", String(255), primary_key=True),
    Column("status", String(50), nullable=False),
    Column("pipeline_id", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
)
"""How the newest pipeline left each default branch, which people were told of: `failed` or `success`."""


@webhook(
    "gitlab-pipeline",
    verification={"scheme": "gitlab", "secret": "block:webhook-secret/gitlab"},
    filter='"x-gitlab-event" in context.headers && context.headers["x-gitlab-event"] == "Pipeline Hook"'
    " && !(context.data.object_attributes.status"
    ' in ["created", "waiting_for_resource", "preparing", "pending", "scheduled"])',
    # One after another for a branch, not for a pipeline: whether it is news depends on the branch's pipeline before.
    ordering_key="{{$context.data.project.id}} {{$context.data.object_attributes.ref}}",
)
@flow(log_prints=True)
async def gitlab_pipeline(context: Context, team: str = "smtp/default") -> dict[str, Any]:
    """Store how a pipeline stands; tell `team` (a block) when the default branch broke, and when it is mended.

    An event that comes late changes and tells nothing. A run that is retried may tell people a second time.
    """
    pipeline = read_pipeline(context.data)
    its = pipeline.attributes
    print(f"pipeline {its.id} of {its.ref} in {pipeline.project.path_with_namespace} is {its.status}")  # noqa: T201 (log_prints)
    stored = await upsert_record(PIPELINES, pipeline.row(), key=["project_url", "pipeline_id"], version="version")
    told = {"pipeline": its.id, "status": its.status, "stale": stored["stale"], "told": None}
    if stored["stale"] or not pipeline.judges_the_default_branch:
        return told
    branch = pipeline.branch_row()
    found = await query_records(BRANCHES, {name: branch[name] for name in ("project_url", "ref")})
    known = found[0] if found else None
    if comes_late(pipeline, known):
        return told
    if change := change_of(pipeline, known):
        await notify(team, headline(pipeline, change), summary(pipeline, change))
    await upsert_record(BRANCHES, branch, key=["project_url", "ref"])
    return {**told, "told": change}
