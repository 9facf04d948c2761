"""A push to GitHub: record it and its commits; for `main`, deploy the site and tell the team.

At GitHub, under Settings, Webhooks: the URL, content type `application/json`, and the secret that the block
`webhook-secret/github` holds.
"""

from __future__ import annotations

from typing import Any

from prefect import flow
from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from flows.github_push_event import Push, read_push, summary
from flows.nodes import create_record, create_records, send_email, start_deployment, when
from receiver import Context, webhook

_TABLES = MetaData()

PUSHES = Table(
    "github_pushes",
    _TABLES,
    Column("id", Integer, primary_key=True),
    Column("event_id", String(100), nullable=False, unique=True),
    Column("repository", String(200), nullable=False),
    Column("ref", Text, nullable=False),
    Column("branch", Text),
    Column("before", String(64), nullable=False),
    Column("after", String(64), nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("forced", Boolean, nullable=False),
    Column("pusher", Text, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
)
COMMITS = Table(
    "github_commits",
    _TABLES,
    Column("id", Integer, primary_key=True),
    Column("push_id", Integer, ForeignKey("github_pushes.id"), nullable=False),
    Column("sha", String(64), nullable=False),
    Column("author", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("committed_at", DateTime(timezone=True)),
    UniqueConstraint("push_id", "sha"),
)


@webhook(
    "github-push",
    verification={"scheme": "github", "secret": "block:webhook-secret/github"},
    filter='"x-github-event" in context.headers && context.headers["x-github-event"] == "push"',
)
@flow(log_prints=True)
async def github_push(
    context: Context, team: str = "team@example.com", deployment: str = "deploy-site/deploy-site"
) -> dict[str, Any]:
    """Record a push and its commits; for `main`, start `deployment` and send `team` an e-mail.

    A run that is retried stores and starts nothing twice; a push that GitHub delivers again is stored once.
    """
    push = read_push(context.data)
    print(f"{push.pusher} pushed {len(push.commits)} commits to {push.ref} of {push.repository}")  # noqa: T201 (log_prints)
    push_id = await record(push, context)
    if not await when("context.data.ref == 'refs/heads/main' && !context.data.deleted", context):
        return {"push": push_id, "commits": len(push.commits), "deployed": False}
    run = await start_deployment(deployment, {"repository": push.repository, "commit": push.after})
    await send_email(team, f"{push.repository}: {push.pusher} pushed to main", summary(push, run["name"]))
    return {"push": push_id, "commits": len(push.commits), "deployed": True, "run": run["id"]}


async def record(push: Push, context: Context) -> int:
    """Store the push and its commits; the push's id in our database."""
    event_id = context.headers.get("x-github-delivery") or context.delivery_id
    stored = await create_record(PUSHES, push.row(str(event_id), context.received_at), unique=["event_id"])
    if push.commits:
        await create_records(COMMITS, [commit.row(stored["id"]) for commit in push.commits], unique=["push_id", "sha"])
    return int(stored["id"])
