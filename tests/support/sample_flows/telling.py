"""A flow that tells everything it was given, wherever a flow can: its log, a task, an artifact, a record, its reply."""

from __future__ import annotations

import json

from prefect import flow, task
from prefect.artifacts import acreate_markdown_artifact
from sqlalchemy import Column, Integer, MetaData, Table, Text

from flows.nodes import create_record
from receiver import Context, Reply, webhook

TOLD = Table("told", MetaData(), Column("id", Integer, primary_key=True), Column("told", Text))


@task
async def noted(told: str) -> int:
    """Its parameter and its line are what it was told."""
    print(told)  # noqa: T201 (a flow's way to log)
    return len(told)


@webhook("telling", verification={"scheme": "none"})
@flow(name="telling", log_prints=True)
async def tell(context: Context) -> Reply:
    """Fails with all of it where the webhook's key says so."""
    told = json.dumps(
        {
            "data": context.data,
            "headers": dict(context.headers),
            "query": dict(context.query),
            "params": dict(context.params),
            "path": context.path,
            "verification": dict(context.verification or {}),
            "raw": (await context.raw()).decode("latin-1"),
        },
        default=str,
    )
    print(told)  # noqa: T201 (a flow's way to log)
    await noted(told)
    await acreate_markdown_artifact(key="told", markdown=told)
    await create_record(TOLD, {"told": told})
    if context.webhook.startswith("fails"):
        raise RuntimeError(told)
    return Reply(status=200, body={"told": told}, headers={"X-Told": str(len(told))})
