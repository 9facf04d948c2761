"""Warnings in Prefect: events, an automation that passes them on, and when a block was changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.events.actions import ActionTypes, RunDeployment, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import Event, Resource
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from receiver.contract.errors import DefinitionError, WebhooksError
from receiver.prefect_gateway.values import PrefectUnavailable

EVENTS = ("raised", "reminded", "resolved", "test")
AUTOMATION = "Webhooks: warnings"
_SUBJECT = "{{ event.payload.subject_line }}"
_BODY = "{{ event.payload.text }}"


@dataclass(frozen=True, kw_only=True)
class AlertEvent:
    """`webhooks.alert.<kind>` of a resource, `webhooks.webhook.<key>` or `webhooks.receiver`, with plain data."""

    id: str
    kind: str
    resource: str
    at: datetime
    payload: Mapping[str, Any]


class AlertEvents:
    """By the gateway's client. All raise `PrefectUnavailable`."""

    def __init__(self, client: PrefectClient) -> None:
        self._client = client

    async def emit(self, event: AlertEvent) -> None:
        """Record an event; it is there when this returns."""
        told = Event(
            id=UUID(event.id),
            occurred=event.at,
            event=f"webhooks.alert.{event.kind}",
            resource=Resource({"prefect.resource.id": event.resource, "prefect.resource.name": event.resource}),
            payload=dict(event.payload),
        )
        await self._request("POST", "/events", [told.model_dump(mode="json")])

    async def block_changed_at(self, block_type: str, name: str) -> datetime | None:
        """When a block was last changed, None when there is none."""
        try:
            document = await self._client.read_block_document_by_name(name, block_type, include_secrets=False)
        except ObjectNotFound:
            return None
        except (httpx.HTTPError, PrefectHTTPStatusError) as error:
            raise PrefectUnavailable(f"a block cannot be read: {type(error).__name__}") from None
        return document.updated

    async def automation(self, *, block: str | None, deployment: str | None) -> dict[str, Any]:
        """The automation as Prefect takes it: it sends by a notification block, `slack-webhook/team`, or starts a
        deployment, `flow/name`, with the warning as its parameter `alert`. Raises `WebhooksError` where there is none,
        `DefinitionError` for one that cannot do it.
        """
        try:
            action = await (self._notify(block) if block else self._run(deployment or ""))
        except (ObjectNotFound, httpx.InvalidURL, UnicodeError):
            missing = f"block {block!r}" if block else f"deployment {deployment!r}"
            raise WebhooksError(f"Prefect has no {missing}") from None
        except (httpx.HTTPError, PrefectHTTPStatusError) as error:
            raise PrefectUnavailable(f"Prefect did not answer: {type(error).__name__}") from None
        core = AutomationCore(
            name=AUTOMATION,
            description="Passes the warnings of Webhooks for Prefect on. Made by `webhooks automation`.",
            enabled=True,
            trigger=EventTrigger(
                expect={f"webhooks.alert.{kind}" for kind in EVENTS},
                for_each={"prefect.resource.id"},
                posture=Posture.Reactive,
                threshold=1,
                within=timedelta(0),
            ),
            actions=[action],
        )
        plain = core.model_dump(mode="json", exclude={"owner_resource"})  # which an update must not have
        plain["trigger"]["expect"].sort()
        return plain

    async def put_automation(self, automation: Mapping[str, Any]) -> str:
        """Make the automation, or put it in the place of the one with its name; its id."""
        named = {"automations": {"name": {"any_": [automation["name"]]}}, "limit": 10}
        found = (await self._request("POST", "/automations/filter", named)).json()
        if found:
            known = str(UUID(found[0]["id"]))
            await self._request("PUT", "/automations/{id}", dict(automation), known)
            return known
        return str(UUID((await self._request("POST", "/automations/", dict(automation))).json()["id"]))

    async def _notify(self, block: str) -> ActionTypes:
        block_type, _, name = block.partition("/")
        document = await self._client.read_block_document_by_name(name, block_type, include_secrets=False)
        if document.block_schema is None or "notify" not in (document.block_schema.capabilities or []):
            raise DefinitionError("notify", f"the block {block} cannot notify; name one like slack-webhook/team")
        return SendNotification(block_document_id=document.id, subject=_SUBJECT, body=_BODY)

    async def _run(self, deployment: str) -> ActionTypes:
        found = await self._client.read_deployment_by_name(deployment)
        if found.enforce_parameter_schema and not _takes_alert(found.parameter_openapi_schema, found.parameters or {}):
            problem = f"the flow of {deployment} has to take the parameter `alert: dict`, and need no other"
            raise DefinitionError("deployment", problem)
        text = {"__prefect_kind": "jinja", "template": "{{ event.payload | tojson }}"}
        alert = {"__prefect_kind": "json", "value": text}
        return RunDeployment(source="selected", deployment_id=found.id, parameters={"alert": alert})

    async def _request(self, method: Any, path: Any, content: Any, of: str | None = None) -> httpx.Response:
        try:
            return await self._client.request(method, path, json=content, path_params={"id": of} if of else None)
        except (httpx.HTTPError, PrefectHTTPStatusError, ObjectNotFound) as error:
            raise PrefectUnavailable(f"Prefect did not take it: {type(error).__name__}") from None


def _takes_alert(schema: Mapping[str, Any] | None, filled: Mapping[str, Any]) -> bool:
    """Whether a run may be started with `alert` alone; Prefect would else refuse each one, in its log."""
    known, required = (schema or {}).get("properties") or {}, (schema or {}).get("required") or ()
    return "alert" in known and not set(required) - {"alert", *filled}
