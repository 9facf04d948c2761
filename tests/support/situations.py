"""A situation in which everything works, to be changed in one place."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from receiver.checks.situation import InboxFacts, ReceiverFacts, Situation, WebhookFacts
from receiver.prefect_gateway.survey import Access, DeploymentState, PoolState, Survey

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)

WEBHOOK = WebhookFacts(
    key="orders",
    origin="code",
    state="enabled",
    mode="async",
    timeout=10.0,
    deployment="orders/main",
    secret="block:webhook-secret/orders",
)
DEPLOYMENT = DeploymentState(name="orders/main", pool="webhooks", queue="default", paused=False, ready=True)
POOL = PoolState(
    name="webhooks",
    type="warm",
    paused=False,
    concurrency_limit=None,
    paused_queues=frozenset(),
    online=1,
    last_heartbeat=NOW,
)
PREFECT = Survey(
    access=Access.OPENED,
    url="http://127.0.0.1:4200/api",
    client_version="3.8.1",
    server_version="3.8.1",
    looked_for=frozenset({"orders/main"}),
    deployments={"orders/main": DEPLOYMENT},
    pools={"webhooks": POOL},
)
INBOX = InboxFacts(revision="0002", head="0002")
GOOD = Situation(now=NOW, receiver=ReceiverFacts(), prefect=PREFECT, inbox=INBOX, webhooks=(WEBHOOK,))


def with_webhook(**changes: Any) -> Situation:
    return replace(GOOD, webhooks=(replace(WEBHOOK, **changes),))


def with_prefect(**changes: Any) -> Situation:
    return replace(GOOD, prefect=replace(PREFECT, **changes))


def with_deployment(**changes: Any) -> Situation:
    return with_prefect(deployments={"orders/main": replace(DEPLOYMENT, **changes)})


def with_pool(**changes: Any) -> Situation:
    return with_prefect(pools={"webhooks": replace(POOL, **changes)})


def with_inbox(**changes: Any) -> Situation:
    return replace(GOOD, inbox=replace(INBOX, **changes))


def with_receiver(**changes: Any) -> Situation:
    return replace(GOOD, receiver=replace(GOOD.receiver, **changes))
