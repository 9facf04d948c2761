"""What a push to `main` starts: the example of a workflow that another one starts. Replace the body with yours."""

from __future__ import annotations

from typing import Any

from prefect import flow
from sqlalchemy import Column, DateTime, Integer, MetaData, String, Table, UniqueConstraint, func

from flows.nodes import create_record

SITE_DEPLOYMENTS = Table(
    "site_deployments",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("repository", String(200), nullable=False),
    Column("commit", String(64), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    UniqueConstraint("repository", "commit"),
)


@flow(log_prints=True)
async def deploy_site(repository: str, commit: str) -> dict[str, Any]:
    """Record that the site of `repository` was deployed at `commit`; once for each commit."""
    record = await create_record(
        SITE_DEPLOYMENTS, {"repository": repository, "commit": commit}, unique=["repository", "commit"]
    )
    print(f"{repository} is deployed at {commit[:7]}")  # noqa: T201 (with log_prints a line in Prefect's log)
    return record
