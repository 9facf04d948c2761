"""Prefect's client, opened once: start runs, read their states, hear of them, read and write secret blocks."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import BlockDocumentCreate, BlockDocumentUpdate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, FlowRunFilterIdempotencyKey
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter, EventRelatedFilter
from prefect.events.schemas.events import Event
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import get_current_settings
from prefect.utilities.schema_tools.validation import preprocess_schema

from receiver.contract.answering import REPLY_EVENT, RESOURCE
from receiver.contract.errors import WebhooksError
from receiver.prefect_gateway.alert_events import AlertEvents
from receiver.prefect_gateway.deletions import delete_runs
from receiver.prefect_gateway.inputs import RunInputs
from receiver.prefect_gateway.runs import RunReport, read_run
from receiver.prefect_gateway.values import (
    RUN_TAG,
    DeploymentRef,
    Handover,
    Outcome,
    PrefectState,
    PrefectUnavailable,
    ReplyEvent,
)

_MOST_ATTEMPTS = 1_000_000
"""A number beyond it is none of ours, and perhaps beyond what the inbox can hold."""
_RUN_RESOURCE = "prefect.flow-run."
_INVALID_PARAMETER = re.compile(r"Validation failed(?: for field '([^'\"]{1,200})')?")


class PrefectGateway:
    """Prefect's client, opened once. `async with PrefectGateway() as gateway:` inside the receiver's lifespan."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._client: PrefectClient

    async def __aenter__(self) -> Self:
        """Open the client. Refuses to run without `PREFECT_API_URL`: the client would start a server of its own."""
        if not get_current_settings().api.url:
            raise WebhooksError(
                "PREFECT_API_URL is not set. Run `webhooks up`, which starts a Prefect server, or set PREFECT_API_URL "
                "(and PREFECT_API_AUTH_STRING) to the server that is to run the flows."
            )
        self._client = await self._stack.enter_async_context(get_client(httpx_settings={"timeout": 15.0}))
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Close the client."""
        await self._stack.aclose()

    @property
    def inputs(self) -> RunInputs:
        """The inputs of flow runs, by this client."""
        return RunInputs(self._client)

    @property
    def alerts(self) -> AlertEvents:
        """Warnings in Prefect, by this client."""
        return AlertEvents(self._client)

    @property
    def ui_url(self) -> str | None:
        """The address of Prefect's pages, without a trailing slash."""
        settings = get_current_settings()
        address = settings.ui_url or (settings.api.url or "").removesuffix("/").removesuffix("/api")
        return address.rstrip("/") or None

    async def healthy(self) -> bool:
        """Whether Prefect's server and its database answer now, and take our credentials."""
        try:
            await self._client.request("GET", "/ready")
            await self._client.request("GET", "/admin/version")  # the first answers anybody
        except (httpx.HTTPError, PrefectHTTPStatusError, ObjectNotFound):
            return False
        return True

    async def resolve_deployment(self, name: str) -> DeploymentRef | None:
        """The deployment called `flow/deployment`, None when there is none; raises `PrefectUnavailable`."""
        try:
            deployment = await self._client.read_deployment_by_name(name)
        except ObjectNotFound:
            return None
        except (httpx.HTTPError, PrefectHTTPStatusError) as error:
            raise PrefectUnavailable(_without_parameters(error)) from None
        return DeploymentRef(
            name=name,
            id=str(deployment.id),
            flow_id=str(deployment.flow_id),
            parameter_schema=_schema_in_force(deployment),
            filled=frozenset(deployment.parameters or {}),
        )

    async def create_run(
        self,
        deployment_id: str,
        *,
        parameters: Mapping[str, Any],
        idempotency_key: str,
        name: str,
        tags: Sequence[str],
        scheduled_at: datetime | None = None,
    ) -> Handover:
        """Start a run of a deployment, once per `idempotency_key`. Never raises for what the server answers.

        Workers take runs in the order of `scheduled_at`, which is now unless it is given.
        """
        when = {"scheduled_time": scheduled_at.isoformat()} if scheduled_at else {}
        try:
            response = await self._client.request(
                "POST",
                "/deployments/{id}/create_flow_run",
                path_params={"id": deployment_id},
                json={
                    "parameters": dict(parameters),
                    "idempotency_key": idempotency_key,
                    "name": name,
                    "tags": [RUN_TAG, *tags],
                    "state": {"type": "SCHEDULED", "name": "Scheduled", "state_details": when},
                },
            )
        except ObjectNotFound:
            return Handover(outcome=Outcome.DEPLOYMENT_MISSING, detail=f"Prefect has no deployment {deployment_id}")
        except PrefectHTTPStatusError as error:
            return _refusal(error)
        except httpx.HTTPError as error:
            return Handover(outcome=Outcome.RETRY_LATER, detail=_without_parameters(error))
        created = response.status_code == httpx.codes.CREATED
        return Handover(
            outcome=Outcome.CREATED if created else Outcome.EXISTS, flow_run_id=str(UUID(response.json()["id"]))
        )

    async def find_run(self, idempotency_key: str) -> str | None:
        """The run that was created under this key; None when there is none. Raises `PrefectUnavailable`."""
        key = FlowRunFilterIdempotencyKey(any_=[idempotency_key])
        try:
            runs = await self._client.read_flow_runs(flow_run_filter=FlowRunFilter(idempotency_key=key), limit=1)
        except (httpx.HTTPError, PrefectHTTPStatusError) as error:
            raise PrefectUnavailable(_without_parameters(error)) from None
        return str(runs[0].id) if runs else None

    async def read_states(self, flow_run_ids: Sequence[str]) -> list[PrefectState]:
        """The present states of up to 200 runs; runs that Prefect does not know are left out."""
        try:
            runs = await self._client.read_flow_runs(
                flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[UUID(run_id) for run_id in flow_run_ids])),
                limit=len(flow_run_ids),
            )
        except (httpx.HTTPError, PrefectHTTPStatusError) as error:
            raise PrefectUnavailable(_without_parameters(error)) from None
        return [_state_of(run) for run in runs if run.state is not None]

    async def delete_runs(self, flow_run_ids: Sequence[str]) -> None:
        """Delete up to 50 runs, with their task runs and log lines; one that is not there is no error.

        Their events stay as long as Prefect keeps events. Raises `PrefectUnavailable`.
        """
        try:
            await delete_runs(self._client, flow_run_ids)
        except (httpx.HTTPError, PrefectHTTPStatusError) as error:
            raise PrefectUnavailable(_without_parameters(error)) from None

    async def read_run(self, flow_run_id: str) -> RunReport | None:
        """What a run did, None when Prefect has no such run; raises `PrefectUnavailable`."""
        try:
            return await read_run(self._client, flow_run_id)
        except (httpx.HTTPError, PrefectHTTPStatusError) as error:
            raise PrefectUnavailable(_without_parameters(error)) from None

    async def states(self) -> AsyncGenerator[PrefectState, None]:
        """State changes of our runs as they happen. Ends or raises `PrefectUnavailable` when the stream breaks.

        A bell, not a record: the server drops events past 256 waiting. The poll is what counts.
        """
        wanted = EventFilter(
            event=EventNameFilter(prefix=[_RUN_RESOURCE]),
            related=EventRelatedFilter(id=[f"prefect.tag.{RUN_TAG}"]),
        )
        async with aclosing(self._events(wanted)) as events:
            async for event in events:
                if (state := _state_in(event)) is not None:
                    yield state

    async def replies(self) -> AsyncGenerator[ReplyEvent, None]:
        """Replies of flows as they are sent. Ends or raises `PrefectUnavailable` when the stream breaks."""
        wanted = EventFilter(event=EventNameFilter(name=[REPLY_EVENT]))
        async with aclosing(self._events(wanted)) as events:
            async for event in events:
                if (reply := _reply_in(event.resource.id, event.payload)) is not None:
                    yield reply

    async def _events(self, wanted: EventFilter) -> AsyncGenerator[Event, None]:
        # A subscriber reads all trusted authorities before it connects: while Prefect is away, each try would hold up
        # every request for 50 ms.
        if not await self.healthy():
            raise PrefectUnavailable("the events stream cannot be opened: Prefect does not answer")
        subscriber = get_events_subscriber(filter=wanted, reconnection_attempts=0)
        try:
            async with AsyncExitStack() as stack:
                # Before it is opened: one that fails or is cancelled half-way leaves its connection open.
                stack.push_async_exit(subscriber)
                await subscriber.__aenter__()
                async for event in subscriber:
                    yield event
        except Exception as error:  # noqa: BLE001 (the subscriber raises bare Exception beside websockets' and OS errors)
            raise PrefectUnavailable(f"the events stream broke: {type(error).__name__}") from None

    async def find_replies(self, delivery_id: str) -> list[ReplyEvent]:
        """A delivery's replies among the events that Prefect keeps, the latest attempt's first: for one not heard."""
        body = {
            "filter": {
                "event": {"name": [REPLY_EVENT]},
                "resource": {"id": [f"{RESOURCE}{delivery_id}"]},
                "order": "ASC",
            },
            "limit": 20,
        }
        try:
            response = await self._client.request("POST", "/events/filter", json=body)
        except (httpx.HTTPError, PrefectHTTPStatusError) as error:
            raise PrefectUnavailable(_without_parameters(error)) from None
        events = response.json().get("events", [])
        found = [_reply_in(f"{RESOURCE}{delivery_id}", event.get("payload") or {}) for event in events]
        known = [reply for reply in found if reply is not None]
        return sorted(known, key=lambda reply: -reply.attempt)

    async def read_block(self, block_type: str, name: str) -> dict[str, Any] | None:
        """A block's fields with its secrets, None when there is none; raises `PrefectUnavailable`."""
        try:
            document = await self._client.read_block_document_by_name(name, block_type, include_secrets=True)
        except ObjectNotFound:
            return None
        except (httpx.HTTPError, PrefectHTTPStatusError) as error:
            raise PrefectUnavailable(_without_parameters(error)) from None
        return dict(document.data)

    async def write_block(self, block_type: str, name: str, data: Mapping[str, Any]) -> None:
        """Create a block or replace its fields. The block type must be registered; raises `PrefectUnavailable`."""
        try:
            kind = await self._client.read_block_type_by_slug(block_type)
            schema = await self._client.get_most_recent_block_schema_for_block_type(kind.id)
            if schema is None:
                raise WebhooksError(
                    f"the block type {block_type!r} has no schema: run `prefect block register -m blocks`"
                )
            try:
                existing = await self._client.read_block_document_by_name(name, block_type)
            except ObjectNotFound:
                await self._client.create_block_document(
                    BlockDocumentCreate(name=name, block_type_id=kind.id, block_schema_id=schema.id, data=dict(data))
                )
            else:
                await self._client.update_block_document(
                    existing.id,
                    BlockDocumentUpdate(data=dict(data), block_schema_id=schema.id, merge_existing_data=False),
                )
        except ObjectNotFound:
            raise WebhooksError(
                f"no block type {block_type!r} in Prefect: run `prefect block register -m blocks`"
            ) from None
        except (httpx.HTTPError, PrefectHTTPStatusError) as error:
            raise PrefectUnavailable(_without_parameters(error)) from None


def _reply_in(resource_id: str, payload: Mapping[str, Any]) -> ReplyEvent | None:
    attempt = payload.get("attempt")
    if not resource_id.startswith(RESOURCE) or payload.get("v") != 1:
        return None
    if not isinstance(attempt, int) or not 0 < attempt <= _MOST_ATTEMPTS:
        return None
    run_id = payload.get("flow_run_id")
    wire = {name: payload.get(name) for name in ("v", "status", "headers", "body")}
    return ReplyEvent(
        delivery_id=resource_id.removeprefix(RESOURCE),
        attempt=attempt,
        flow_run_id=run_id if isinstance(run_id, str) else None,
        wire=wire,
    )


def _schema_in_force(deployment: DeploymentResponse) -> dict[str, Any] | None:
    """What the server checks parameters by, with the same changes that it makes first: fields may be null, say."""
    if not deployment.enforce_parameter_schema or not isinstance(deployment.parameter_openapi_schema, dict):
        return None
    try:
        return dict(preprocess_schema(deployment.parameter_openapi_schema))
    except (AttributeError, KeyError, TypeError):  # somebody wrote it by hand; the server cannot use it either
        return None


def _refusal(error: PrefectHTTPStatusError) -> Handover:
    status = error.response.status_code
    if status == httpx.codes.CONFLICT and (found := _INVALID_PARAMETER.search(error.response.text)):
        # Where it is, and no more: the reason that Prefect gives repeats the value.
        where = f" at '{found[1]}'" if found[1] else ""
        return Handover(outcome=Outcome.PARAMETERS_REFUSED, detail=f"Prefect refuses the parameters{where}")
    if status == httpx.codes.NOT_FOUND:
        return Handover(outcome=Outcome.DEPLOYMENT_MISSING, detail="Prefect has no such deployment")
    detail = _answered(status)
    if status >= httpx.codes.INTERNAL_SERVER_ERROR or status in {
        httpx.codes.UNAUTHORIZED,  # our own set-up is wrong, not this delivery
        httpx.codes.FORBIDDEN,
        httpx.codes.REQUEST_TIMEOUT,
        httpx.codes.TOO_MANY_REQUESTS,
    }:
        return Handover(outcome=Outcome.RETRY_LATER, detail=detail)
    return Handover(outcome=Outcome.PERMANENT, detail=detail)


def _without_parameters(error: Exception) -> str:
    """Words for the log: the server's error text may hold SQL with the run's parameters."""
    if isinstance(error, PrefectHTTPStatusError):
        return _answered(error.response.status_code)
    return f"Prefect did not answer: {type(error).__name__}"


def _answered(status: int) -> str:
    ours = status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}
    return f"Prefect answered {status}{': set PREFECT_API_AUTH_STRING to what its server has' if ours else ''}"


def _state_of(run: FlowRun) -> PrefectState:
    assert run.state is not None
    return PrefectState(
        flow_run_id=str(run.id),
        type=run.state.type.value,
        name=run.state.name or run.state.type.value.title(),
        at=_plain(run.state.timestamp),
        started_at=_plain(run.start_time) if run.start_time else None,
        message=run.state.message or "",
    )


def _state_in(event: Event) -> PrefectState | None:
    resource_id = event.resource.id
    state = event.payload.get("validated_state")
    if not resource_id.startswith(_RUN_RESOURCE) or not isinstance(state, dict):
        return None
    return PrefectState(
        flow_run_id=resource_id.removeprefix(_RUN_RESOURCE),
        type=str(state.get("type", "")),
        name=str(state.get("name", "")),
        at=_plain(event.occurred),
        delivery_id=_delivery_of(event),
        message=str(state.get("message") or ""),
    )


def _delivery_of(event: Event) -> str | None:
    prefix = "prefect.tag.delivery:"
    return next((item.id.removeprefix(prefix) for item in event.related if item.id.startswith(prefix)), None)


def _plain(moment: datetime) -> datetime:
    """Prefect's moments are pendulum's, whose arithmetic refuses the standard library's."""
    utc = moment.astimezone(UTC)
    return datetime(utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, utc.microsecond, UTC)
