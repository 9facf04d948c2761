"""The admin API on a real database, with small parts in place of Prefect and the ingress; and as a server on a port."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from receiver.admin.api import admin_router
from receiver.admin.services import AdminServices
from receiver.alerts.book import Alert
from receiver.alerts.courier import Tried
from receiver.alerts.desk import ChannelState
from receiver.checks.finding import Finding
from receiver.contract.definition import WebhookDefinition, parse_definition
from receiver.contract.errors import WebhooksError
from receiver.contract.reasons import Reason
from receiver.deliveries.erasure import Erasures
from receiver.deliveries.run_cleaner import RunCleaner
from receiver.deliveries.store import DeliveryStore
from receiver.deliveries.sweeper import Keeps, Sweeper
from receiver.deliveries.upkeep import Upkeep
from receiver.dispatch.breaker import Circuit
from receiver.dispatch.lag import QueueStanding
from receiver.ingress.answers import Answer
from receiver.ingress.parameters import StoredContexts
from receiver.ingress.sample import Sample
from receiver.ingress.webhook import compile_webhook
from receiver.prefect_gateway import DeploymentRef, PrefectUnavailable, RunReport
from receiver.security_headers import with_security_headers
from receiver.storage import Database
from receiver.storage.space import Space
from receiver.webhooks.audit import AuditLog
from receiver.webhooks.catalog import Routes
from receiver.webhooks.definitions import DefinitionStore
from receiver.webhooks.keys import KeyStore
from tests.support.inbox import BY, new_delivery
from tests.support.ports import free_port
from tests.support.waiting import wait_until


@dataclass
class Warnings:
    """Warnings as they are told; the block `slack-webhook/team` is the only one there is."""

    raised: list[Alert] = field(default_factory=list)
    problem: str = ""
    made: list[str] = field(default_factory=list)

    async def listed(self, *, over: bool) -> list[Alert]:
        return [alert for alert in self.raised if over or alert.resolved_at is None]

    async def channels(self) -> list[ChannelState]:
        return [ChannelState(name="url", problem=self.problem)]

    async def test(self, now: datetime) -> list[Tried]:
        return [Tried(channel="url", problem=self.problem)]

    async def automation(
        self, *, block: str | None, deployment: str | None, save: bool
    ) -> tuple[str | None, dict[str, Any]]:
        if block != "slack-webhook/team":
            raise WebhooksError(f"Prefect has no {block or deployment}")
        self.made += [block] if save else []
        return ("a-1" if save else None), {"name": "Webhooks: warnings"}


@dataclass
class Outside:
    """What is beyond the admin API: Prefect and the ingress. `kept` are the blocks that were written."""

    kept: dict[str, str] = field(default_factory=dict)
    deployments: set[str] = field(default_factory=lambda: {"orders/default"})
    described: dict[str, DeploymentRef] = field(default_factory=dict)
    sent: list[tuple[str, Sample]] = field(default_factory=list)
    answer: Answer = field(
        default_factory=lambda: Answer(
            status=202, headers=[("webhook-delivery-id", "d-1")], body=b'{"status":"queued"}'
        )
    )
    alerts: Warnings = field(default_factory=Warnings)
    findings: list[Finding] = field(default_factory=list)
    refreshed: int = 0
    deleted_runs: list[str] = field(default_factory=list)
    runs: dict[str, RunReport] = field(default_factory=dict)
    prefect_answers: bool = True
    block_type_exists: bool = True
    behind_seconds: float = 0.0

    async def refresh(self) -> None:
        self.refreshed += 1

    async def metrics(self) -> bytes:
        return b"webhooks_prefect_up 1.0\n"

    async def queue(self) -> QueueStanding:
        return QueueStanding(behind_seconds=self.behind_seconds, circuit=Circuit.OPEN, at_once=1)

    async def check(self, key: str | None) -> list[Finding]:
        return [finding for finding in self.findings if key is None or finding.subject == f"webhook {key}"]

    async def store(self, name: str, value: str) -> str:
        if not self.prefect_answers:
            raise PrefectUnavailable("Prefect did not answer")
        if not self.block_type_exists:
            raise WebhooksError("no block type 'webhook-secret' in Prefect")
        self.kept[name] = value
        return f"block:webhook-secret/{name}"

    def known(self, name: str) -> DeploymentRef | None:
        return self.described.get(name)

    async def resolve_deployment(self, name: str) -> DeploymentRef | None:
        if not self.prefect_answers:
            raise PrefectUnavailable("Prefect did not answer")
        return DeploymentRef(name=name, id="1", flow_id="2") if name in self.deployments else None

    async def read_run(self, flow_run_id: str) -> RunReport | None:
        if not self.prefect_answers:
            raise PrefectUnavailable("Prefect did not answer")
        return self.runs.get(flow_run_id)

    async def delete_runs(self, flow_run_ids: Sequence[str]) -> None:
        if not self.prefect_answers:
            raise PrefectUnavailable("Prefect did not answer")
        self.deleted_runs += flow_run_ids

    async def send(self, key: str, sample: Sample) -> Answer:
        self.sent.append((key, sample))
        return self.answer


@dataclass
class AdminApi:
    """An admin API: `app` to call, the stores behind it, what is outside, and a key of each scope."""

    app: FastAPI
    services: AdminServices
    outside: Outside
    keys: dict[str, str]

    def client(self, scope: str | None = "admin", key: str | None = None) -> httpx.AsyncClient:
        """A caller with the key of a scope, with another key, or (None) without one."""
        sent = key or (self.keys[scope] if scope else None)
        headers = {"Authorization": f"Bearer {sent}"} if sent else {}
        transport = httpx.ASGITransport(self._answer, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://receiver.test/api/admin", headers=headers)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As the receiver does around all of its routes."""
        await self.app(scope, receive, with_security_headers(send, https=False))


@contextlib.asynccontextmanager
async def admin_api(home: Path) -> AsyncIterator[AdminApi]:
    """An admin API whose database is in `home`."""
    database = Database.open(None, home)
    try:
        outside = Outside()
        deliveries, definitions, keys = DeliveryStore(database), DefinitionStore(database), KeyStore(database)

        async def check(definition: WebhookDefinition) -> None:
            compile_webhook(definition, revision=0, state=definition.state)
            others = [parse_definition(row.definition, by="code") for row in await definitions.all()]
            Routes(others).refuse_clash(definition.key, definition.path)

        services = AdminServices(
            keys=keys,
            audit=AuditLog(database),
            deliveries=deliveries,
            definitions=definitions,
            catalog=outside,
            vault=outside,
            deployments=outside,
            runs=outside,
            upkeep=Upkeep(
                sweeper=Sweeper(deliveries, lambda _key: Keeps(), between_steps=0),
                runs=RunCleaner(database, outside),
                erasures=Erasures(database),
                leftovers=None,
                space=Space(database),
            ),
            intake=outside,
            check_definition=check,
            check=outside.check,
            documents=StoredContexts(deliveries, definitions).document,
            metrics=outside.metrics,
            queue=outside.queue,
            queued=lambda: None,
            now=lambda: datetime.now(UTC),
            base_url="http://receiver.test",
            alerts=outside.alerts,
            prefect_ui_url="http://prefect.test",
        )
        made = {scope: (await keys.create(scope, scope, BY, services.now()))[1] for scope in ("read", "write", "admin")}
        app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
        app.include_router(admin_router(services))
        yield AdminApi(app, services, outside, made)
    finally:
        await database.close()


@dataclass(frozen=True)
class ServedApi:
    """An admin API on a port: the environment for the command line, whose home has its address and key."""

    api: AdminApi
    url: str
    env: dict[str, str]

    def call(self, method: str, path: str, **content: Any) -> Any:
        """The JSON answer to the administrator."""
        bearer = {"Authorization": f"Bearer {self.api.keys['admin']}"}
        answer = httpx.request(method, f"{self.url}/api/admin{path}", headers=bearer, **content)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def store(self, **fields: Any) -> str:
        """Store a delivery as the ingress would; its id."""
        new = new_delivery(**{"received_at": datetime.now(UTC), **fields})
        return asyncio.run(self.api.services.deliveries.accept(new, new.received_at)).id

    def expired_key(self, name: str) -> str:
        """A key of scope read that was good until a minute ago."""
        now = datetime.now(UTC)
        keys = self.api.services.keys
        return asyncio.run(keys.create(name, "read", BY, now, now - timedelta(minutes=1)))[1]

    def give_up(self, delivery_id: str) -> None:
        """Make a queued delivery dead."""

        async def make() -> None:
            store, now = self.api.services.deliveries, datetime.now(UTC)
            (claim,) = [each for each in await store.claim(100, 60, now, "test") if each.delivery_id == delivery_id]
            await store.give_up(claim, Reason.HANDOVER_REFUSED, "refused", now)

        asyncio.run(make())


@contextlib.contextmanager
def served_admin_api(home: Path, environment: dict[str, str]) -> Iterator[ServedApi]:
    """The admin API of `home` under uvicorn in a thread of its own."""
    port, opened = free_port(), {}

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with admin_api(home) as api:
            app.router.routes.extend(api.app.router.routes)
            opened["api"] = api
            yield

    server = uvicorn.Server(
        uvicorn.Config(FastAPI(lifespan=lifespan, openapi_url=None), port=port, log_level="warning", access_log=False)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive(), what="uvicorn has started")
        url = f"http://127.0.0.1:{port}"
        (home / "receiver.json").write_text(json.dumps({"url": url}))
        (home / "admin.key").write_text(opened["api"].keys["admin"] + "\n")
        yield ServedApi(opened["api"], url, {**environment, "WEBHOOKS_HOME": str(home)})
    finally:
        server.should_exit = True
        thread.join(timeout=120)
