"""The receiver, wired: the one place that opens what it needs and closes it again."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime

import uuid_utils
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from receiver.admin.api import admin_router
from receiver.admin.services import AdminServices
from receiver.alerting import alert_desk, warns
from receiver.alerts.tally import Tally
from receiver.approvals import approvals_router
from receiver.background import kept_running
from receiver.bodies import Room, Spool
from receiver.bodies.wiring import open_bodies
from receiver.checks.at_start import warn_of_version
from receiver.checks.caller_rules import warnings_of
from receiver.checks.callers import Callers
from receiver.checks.gather import Checkup
from receiver.checks.situation import ReceiverFacts
from receiver.contract.definition import WebhookDefinition
from receiver.contract.errors import DefinitionError
from receiver.contract.parse import parse_definition
from receiver.contract.quantities import parse_rate
from receiver.deliveries.erasure import Erasures
from receiver.deliveries.leftovers import Leftovers
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.run_cleaner import RunCleaner
from receiver.deliveries.store import DeliveryStore
from receiver.deliveries.sweeper import Keeps, Sweeper
from receiver.deliveries.tickets import Tickets
from receiver.deliveries.upkeep import Upkeep
from receiver.dispatch.deployments import Deployments
from receiver.dispatch.dispatcher import Dispatcher
from receiver.dispatch.follower import Follower
from receiver.dispatch.lag import Lag, QueueStanding
from receiver.dispatch.look_back import LookBack
from receiver.dispatch.reach import Reach
from receiver.ingress.allowlist import refuse_unknown_sets
from receiver.ingress.capacity import Capacity
from receiver.ingress.client_ip import Proxies, parse_networks
from receiver.ingress.endpoint import WebhookEndpoint, for_webhooks
from receiver.ingress.intake import Intake, Wiring
from receiver.ingress.last_good import LastGood
from receiver.ingress.network_sets import NetworkSets, read_sources
from receiver.ingress.parameter_rules import rules_of
from receiver.ingress.parameters import StoredContexts
from receiver.ingress.prove import Prover
from receiver.ingress.rate import Failures, Rate
from receiver.ingress.rate_limits import MemoryRates, SharedRates
from receiver.ingress.remote import RemoteDocuments
from receiver.ingress.request_log import RequestLog
from receiver.ingress.sample import SampleSender
from receiver.ingress.upload import Uploads
from receiver.ingress.vault import Vault
from receiver.ingress.webhook import Webhook, broken_webhook, compile_webhook
from receiver.metrics import Metrics
from receiver.prefect_gateway import PrefectGateway
from receiver.replies.rendezvous import Rendezvous
from receiver.security_headers import with_security_headers
from receiver.settings import Settings
from receiver.status import Readiness, public_router
from receiver.storage import Database, StoreUnavailable
from receiver.storage.space import Space
from receiver.webhooks.audit import AuditLog
from receiver.webhooks.catalog import Catalog
from receiver.webhooks.definitions import DefinitionRow, DefinitionStore
from receiver.webhooks.keys import KeyStore

log = logging.getLogger(__name__)

_SPOOL_SECONDS, _BENCH_SECONDS, _MOST_WAITING = 2.0, 10.0, 128
"""How long a big body waits for room on disk, and then in memory, and how many of them do."""


class _Receiver(FastAPI):
    """The receiver's routes, and before all of them the webhooks.

    A webhook's request passes by what FastAPI does around a route: it needs none of it, and it costs as much as ours.
    """

    ingress: WebhookEndpoint
    https: bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if for_webhooks(scope):
            await self.ingress(scope, receive, send)
        else:
            await super().__call__(scope, receive, with_security_headers(send, https=self.https))


def create_app(settings: Settings) -> FastAPI:
    """The receiver as an ASGI application. Everything opens in its lifespan; making it opens nothing."""
    limits, big = settings.limits, settings.bodies
    uploads = Uploads(
        inline=big.body_inline * 1024,
        spool=Spool(settings.state.home / "spool"),
        disk=Room(big.body_spool * 2**20, seconds=_SPOOL_SECONDS, most_waiting=_MOST_WAITING),
        bench=Room(big.body_bench * 2**20, seconds=_BENCH_SECONDS, most_waiting=_MOST_WAITING),
    )
    endpoint = WebhookEndpoint(
        Capacity(
            max_requests=limits.max_requests,
            body_budget=limits.body_budget * 2**20,
            body_seconds=limits.body_seconds,
        ),
        uploads,
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await _open(app, settings, endpoint, uploads, stack)
            yield

    app = _Receiver(title="Webhooks for Prefect", openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.router.redirect_slashes = False  # it would send a sender to wherever its Host header says
    app.ingress = endpoint
    app.https = settings.http.base_url.startswith("https://")
    return app


async def _open(
    app: FastAPI, settings: Settings, endpoint: WebhookEndpoint, uploads: Uploads, stack: AsyncExitStack
) -> None:
    database_url = settings.state.database_url.get_secret_value() if settings.state.database_url else None
    database = await asyncio.to_thread(Database.open, database_url, settings.state.home)
    stack.push_async_callback(database.close)
    gateway = await stack.enter_async_context(PrefectGateway())

    bodies = open_bodies(
        database,
        settings.state.home,
        gateway.read_block,
        place=settings.bodies.body_storage,
        inline=uploads.inline,
        bench=uploads.bench,
        spool=uploads.spool,
    )
    deliveries, definitions, keys = DeliveryStore(database, bodies), DefinitionStore(database), KeyStore(database)
    vault = Vault(gateway, secrets_dir=settings.state.secrets_dir, last_good=LastGood(settings.state.home))
    tickets = Tickets(hashlib.sha256(b"tickets\n" + database.instance_token.encode()).digest())
    catalog = Catalog(definitions.version, _loader(definitions))
    contexts = StoredContexts(deliveries, definitions)
    rendezvous = Rendezvous(deliveries, gateway)
    reach = Reach()
    follower = Follower(
        deliveries,
        gateway,
        poll_seconds=settings.dispatch.poll_seconds,
        reach=reach,
        on_status=rendezvous.ended,
        on_suspended=rendezvous.suspended,
    )
    deployments = Deployments(
        gateway, rules_of, lambda: {each.deployment for each in catalog.routes.all() if each.state != "disabled"}
    )
    owner = f"{socket.gethostname()}:{os.getpid()}:{uuid_utils.uuid4().hex[:8]}"
    dispatcher = Dispatcher(
        deliveries,
        gateway,
        deployments,
        contexts.parameters,
        owner=owner,
        concurrency=settings.dispatch.dispatch_concurrency,
        lease_seconds=settings.dispatch.lease_seconds,
        reach=reach,
        on_started=follower.started,
        on_dead=lambda delivery_id: rendezvous.ended(delivery_id, Status.DEAD),
    )
    shared = settings.ingress.rate_limit_url
    rates = SharedRates(shared.get_secret_value()) if shared else MemoryRates()
    stack.push_async_callback(rates.close)
    proxies = Proxies(
        parse_networks(settings.http.trusted_proxies, "WEBHOOKS_TRUSTED_PROXIES"),
        settings.ingress.proxy_header,
        settings.ingress.client_cert_header,
    )
    named = settings.ingress.network_sets
    sources = await asyncio.to_thread(read_sources, named) if named else {}
    sets = await asyncio.to_thread(NetworkSets, sources, settings.state.home)
    metrics, tally = Metrics(), Tally()
    app.state.request_log = request_log = RequestLog(counted=(metrics.count, tally.count))
    alerts = alert_desk(settings, database, catalog, gateway, tally, owner)
    intake = Intake(
        Wiring(
            catalog=catalog,
            prover=Prover(vault, RemoteDocuments()),
            store=deliveries,
            tickets=tickets,
            rendezvous=rendezvous,
            proxies=proxies,
            sets=sets,
            rates=rates,
            failures=_failures(settings.ingress.unverified_limit),
            allow_plain_http=settings.ingress.allow_plain_http,
            base_url=settings.http.base_url,
            known_deployment=deployments.known,
            parameter_rules=deployments.rules,
            stored=dispatcher.notify,
            log=request_log,
        )
    )
    await catalog.refresh()
    if database.is_ours_alone:
        await deliveries.release_all(datetime.now(UTC))
    if settings.http.admin_key is not None:
        key = settings.http.admin_key.get_secret_value()
        await keys.adopt("WEBHOOKS_ADMIN_KEY", "admin", key, datetime.now(UTC))
    endpoint.intake = intake
    app.state.let_go = rendezvous.let_go

    async def check_definition(definition: WebhookDefinition) -> None:
        refuse_unknown_sets(compile_webhook(definition, revision=0, state=definition.state), sets.names())
        await catalog.refresh()
        catalog.routes.refuse_clash(definition.key, definition.served_path)

    callers = Callers(
        deliveries=deliveries,
        proxies=proxies,
        sets=sets,
        proxied_url=None if settings.http.tls_certificate else settings.http.public_url,
        now=lambda: datetime.now(UTC),
    )

    async def caller_warnings(definition: WebhookDefinition) -> list[str]:
        return warnings_of(await callers.facts(compile_webhook(definition, revision=0, state=definition.state)))

    async def queue() -> QueueStanding:
        behind = await deliveries.behind(datetime.now(UTC))
        return QueueStanding(behind_seconds=behind, circuit=reach.circuit, at_once=dispatcher.at_once)

    async def ready() -> Readiness:
        try:
            behind = (await queue()).behind_seconds  # a few rows, however much is stored
        except StoreUnavailable:
            behind = None
        return Readiness(inbox=behind is not None, prefect=await gateway.healthy(), behind_seconds=behind)

    async def figures() -> bytes:
        now = datetime.now(UTC)
        backlog, prefect_up, raised = await asyncio.gather(
            deliveries.backlog(now), gateway.healthy(), alerts.store.counts()
        )
        return metrics.text(
            backlog,
            prefect_up=prefect_up,
            circuit=reach.circuit,
            at_once=dispatcher.at_once,
            alerts=raised,
            now=now,
        )

    leftovers = Leftovers(database, bodies)
    upkeep = Upkeep(
        sweeper=Sweeper(deliveries, lambda key: _keeps(catalog, key)),
        runs=RunCleaner(database, gateway),
        erasures=Erasures(database, bodies),
        leftovers=leftovers,
        space=Space(database),
    )
    app.include_router(public_router(deliveries, tickets, ready))
    app.include_router(approvals_router(gateway.inputs, lambda: datetime.now(UTC)))
    app.include_router(
        admin_router(
            AdminServices(
                keys=keys,
                audit=AuditLog(database),
                deliveries=deliveries,
                definitions=definitions,
                catalog=catalog,
                vault=vault,
                deployments=deployments,
                runs=gateway,
                upkeep=upkeep,
                intake=SampleSender(intake, catalog, vault, settings.http.base_url),
                check_definition=check_definition,
                check=Checkup(
                    catalog=catalog,
                    definitions=definitions,
                    deliveries=deliveries,
                    database=database,
                    keys=keys,
                    vault=vault,
                    callers=callers,
                    parameter_rules=deployments.rules,
                    receiver=ReceiverFacts(
                        public_url=settings.http.public_url,
                        admin_apart=settings.http.admin_port is not None,
                        warns=warns(settings.alerts),
                    ),
                    now=lambda: datetime.now(UTC),
                ),
                documents=contexts.document,
                metrics=figures,
                queue=queue,
                alerts=alerts,
                queued=dispatcher.notify,
                now=lambda: datetime.now(UTC),
                base_url=settings.http.base_url,
                prefect_ui_url=gateway.ui_url,
                proxies=proxies,
                callers=caller_warnings,
            )
        )
    )
    parts = {
        "catalog": catalog.run,
        "deployments": deployments.run,
        "follower": follower.run,
        "look back": LookBack(deliveries, gateway).run,
        "replies": rendezvous.run,
        "dispatcher": dispatcher.run,
        "lag": Lag(deliveries.behind).run,
        "warnings": alerts.watch.run,
        "leftovers": leftovers.run,
        "sweeper": upkeep.sweeper.run,
        "run cleaner": upkeep.runs.run,
        **({"network sets": sets.run} if sources else {}),
    }
    stack.push_async_callback(_end, asyncio.create_task(warn_of_version(), name="Prefect's version"))
    for name, part in parts.items():
        stack.push_async_callback(_end, asyncio.create_task(kept_running(name, part), name=name))


def _failures(limit: str) -> Failures | None:
    return None if limit == "off" else Failures(Rate(*parse_rate(limit)))


def _keeps(catalog: Catalog[Webhook], key: str) -> Keeps | None:
    """How long a webhook's deliveries are kept; one that is gone has left that to the defaults."""
    for webhook in catalog.routes.all():
        if webhook.key == key:
            return None if webhook.problem else webhook.keeps
    return Keeps()


def _loader(definitions: DefinitionStore) -> Callable[[], Awaitable[list[Webhook]]]:
    compiled: dict[str, Webhook] = {}

    async def load() -> list[Webhook]:
        nonlocal compiled
        compiled = {row.key: _unless_kept(row, compiled.get(row.key)) for row in await definitions.all()}
        return list(compiled.values())

    return load


def _unless_kept(row: DefinitionRow, kept: Webhook | None) -> Webhook:
    """Compiled anew only when it changed: a change of one among a thousand webhooks holds up nobody's request."""
    if kept is not None and (kept.revision, kept.state) == (row.revision, row.state):
        return kept
    return _compiled(row)


def _compiled(row: DefinitionRow) -> Webhook:
    try:
        definition = parse_definition(row.definition, by="code")
        return compile_webhook(definition, revision=row.revision, state=row.state)
    except DefinitionError as error:
        problem = str(error)
        log.error(  # noqa: TRY400 (the words say it; the traceback would be ours)
            "the webhook %s cannot be served until its definition is mended: %s", row.key, problem
        )
    except Exception as error:
        # Unforeseen, and no reason to serve none of the others.
        problem = f"cannot be compiled ({type(error).__name__}); the receiver's log says more"
        log.exception("the webhook %s cannot be served", row.key)
    return broken_webhook(row.key, row.served_path, problem, revision=row.revision, state=row.state)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
