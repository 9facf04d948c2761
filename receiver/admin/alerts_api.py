"""`/api/admin/alerts`: warnings that are raised, whether they reach anybody, and an automation in Prefect for them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.routing import APIRoute
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from receiver.admin.guard import BEARER, Caller, needs
from receiver.admin.problems import Problem, documented
from receiver.admin.services import AdminServices
from receiver.alerts.book import Alert
from receiver.alerts.trouble import Rule, about
from receiver.contract.errors import DefinitionError, WebhooksError
from receiver.prefect_gateway import PrefectUnavailable
from receiver.webhooks.audit import Action
from receiver.webhooks.keys import Scope

_Block = Annotated[str, StringConstraints(pattern="^[a-z0-9-]{1,200}/[a-z0-9-]{1,200}$")]
_Deployment = Annotated[
    str, StringConstraints(pattern=r"^[^/\x00-\x1f\x7f-\x9f]{1,200}/[^/\x00-\x1f\x7f-\x9f]{1,200}$")
]


class AlertView(BaseModel):
    """A warning."""

    rule: Rule = Field(description="The kind of warning.")
    subject: str = Field(description="A webhook's key, a machine's name, or empty: the installation as a whole.")
    resource: str = Field(description="The resource of its events in Prefect.")
    summary: str = Field(description="What is wrong, as it was last told.")
    remedy: str = Field(description="What to do.")
    raised_at: AwareDatetime = Field(description="When it was raised.")
    told_at: AwareDatetime = Field(description="When it was last told.")
    reminders: int = Field(description="How often it was told again.")
    resolved_at: AwareDatetime | None = Field(description="When it was over; null while it is not.")


class ChannelView(BaseModel):
    """A way in which people hear of warnings."""

    model_config = ConfigDict(from_attributes=True)

    name: str = Field(description="`event` (in Prefect), `email`, `url`.")
    last_sent_at: AwareDatetime | None = Field(description="When it last took a message, of the last week.")
    problem: str = Field(description="Why it did not take the last one; empty where it did.")


class AlertsView(BaseModel):
    """The warnings."""

    items: list[AlertView] = Field(description="The latest first, at most 500.")
    channels: list[ChannelView] = Field(description="Where they are told.")


class TriedView(BaseModel):
    """What came of a test."""

    model_config = ConfigDict(from_attributes=True)

    channel: str = Field(description="The channel.")
    problem: str = Field(description="Why it did not take the message; empty where it did.")


class TestReport(BaseModel):
    """A test of every channel."""

    __test__ = False

    results: list[TriedView] = Field(description="By channel.")


class WantedAutomation(BaseModel):
    """Where Prefect is to pass warnings on: exactly one of both."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"notify": "slack-webhook/team"}]})

    notify: _Block | None = Field(default=None, description="A notification block: `slack-webhook/team`.")
    deployment: _Deployment | None = Field(
        default=None, description="A deployment, `flow/name`, that is started with the parameter `alert`."
    )
    dry_run: bool = Field(default=False, description="Whether it is only to be shown.")


class AutomationView(BaseModel):
    """The automation."""

    id: str | None = Field(description="Its id in Prefect; null when it was only shown.")
    automation: dict[str, Any] = Field(description="As Prefect's API takes it.")


def alerts_router(services: AdminServices, route_class: type[APIRoute]) -> APIRouter:
    """The routes of the warnings."""
    router = APIRouter(prefix="/api/admin/alerts", tags=["alerts"], route_class=route_class, dependencies=[BEARER])

    @router.get("", summary="Warnings that are raised", responses=documented(503), openapi_extra=needs(Scope.READ))
    async def list_alerts(
        over: Annotated[bool, Query(description="Also those of the last week that are over.")] = False,
    ) -> AlertsView:
        channels = [ChannelView.model_validate(each) for each in await services.alerts.channels()]
        return AlertsView(items=[_view(each) for each in await services.alerts.listed(over=over)], channels=channels)

    @router.post(
        "/test", summary="Send a test by every channel", responses=documented(503), openapi_extra=needs(Scope.WRITE)
    )
    async def test_channels(caller: Caller) -> TestReport:
        """Takes half a minute at most. The test is past the bound of messages an hour."""
        tried = await services.alerts.test(services.now())
        by_channel = {each.channel: (None, each.problem or "taken") for each in tried}
        await services.audit.note(caller.by(), Action.ALERT_TEST, "", services.now(), **by_channel)
        return TestReport(results=[TriedView.model_validate(each) for each in tried])

    @router.put(
        "/automation",
        summary="Have Prefect pass warnings on",
        responses=documented(404, 503),
        openapi_extra=needs(Scope.ADMIN),
    )
    async def put_automation(wanted: WantedAutomation, caller: Caller) -> AutomationView:
        """Makes the automation "Webhooks: warnings", or replaces it."""
        if (wanted.notify is None) == (wanted.deployment is None):
            raise Problem(422, "notify: give a notification block or a deployment, one of both.")
        try:
            made, automation = await services.alerts.automation(
                block=wanted.notify, deployment=wanted.deployment, save=not wanted.dry_run
            )
        except (DefinitionError, PrefectUnavailable):
            raise
        except WebhooksError as error:
            raise Problem(404, f"{error}.") from None
        if made is not None:
            target = {"target": (None, wanted.notify or wanted.deployment)}
            await services.audit.note(caller.by(), Action.ALERT_AUTOMATION, made, services.now(), **target)
        return AutomationView(id=made, automation=automation)

    return router


def _view(alert: Alert) -> AlertView:
    trouble = alert.trouble
    return AlertView(
        rule=trouble.rule,
        subject=trouble.subject,
        resource=about(trouble.rule, trouble.subject),
        summary=trouble.summary,
        remedy=trouble.remedy,
        raised_at=alert.raised_at,
        told_at=alert.told_at,
        reminders=alert.reminders,
        resolved_at=alert.resolved_at,
    )
