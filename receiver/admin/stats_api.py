"""`/api/admin/stats`: how the webhooks fare."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.routing import APIRoute
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from receiver.admin.deliveries_api import Moment
from receiver.admin.guard import BEARER, needs
from receiver.admin.problems import Problem, documented
from receiver.admin.services import AdminServices
from receiver.contract.reasons import Reason
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.stats import MOST_WEBHOOKS, WebhookStats
from receiver.webhooks.keys import Scope

_USUAL = timedelta(days=1)
_LONGEST = timedelta(days=31)


class _Told(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class StatsQuery(BaseModel):
    """Of what the figures are."""

    model_config = ConfigDict(extra="forbid")

    webhook: str | None = Field(default=None, max_length=100, description="Of this webhook alone.")
    since: Moment | None = Field(default=None, description="From this time on, at most 31 days; default a day.")


class SpreadView(_Told):
    """Milliseconds."""

    p50: float = Field(description="Half of them took no longer.")
    p95: float = Field(description="19 of 20 took no longer.")


class HourView(_Told):
    """An hour's deliveries."""

    at: AwareDatetime = Field(description="The hour's beginning.")
    total: int = Field(description="How many came.")
    trouble: int = Field(description="Those of them that are rejected, held, failed, crashed or dead.")


class BacklogView(_Told):
    """What is not handed over to Prefect yet."""

    waiting: int = Field(description="Due now.")
    later: int = Field(description="Tried in vain, due again later.")
    leased: int = Field(description="Being handed over.")
    parked: int = Field(description="Waits for its paused webhook.")
    oldest_due_at: AwareDatetime | None = Field(description="Since when the first of what waits or is parked was due.")


class WebhookStatsView(BaseModel):
    """A webhook's figures."""

    webhook: str = Field(description="Its key.")
    state: str | None = Field(description="Its state; null when its definition was deleted.")
    total: int = Field(description="Deliveries, refused ones too.")
    by_status: dict[Status, int] = Field(description="Of them by status.")
    by_reason: dict[Reason, int] = Field(description="Of them by reason.")
    refused: int = Field(description="Requests refused, stored or only counted; of the last day at most.")
    times: dict[str, SpreadView] = Field(description="`queue`, `start`, `run` of the latest 500 deliveries that ran.")
    hours: list[HourView] = Field(description="The last 24 hours, the latest one last.")
    backlog: BacklogView = Field(description="What waits now.")


class StatsView(BaseModel):
    """The figures of the webhooks."""

    since: AwareDatetime = Field(description="From here.")
    until: AwareDatetime = Field(description="To here.")
    webhooks: list[WebhookStatsView] = Field(description=f"By key; of more than {MOST_WEBHOOKS} the busiest.")


def stats_router(services: AdminServices, route_class: type[APIRoute]) -> APIRouter:
    """The route of the figures."""
    router = APIRouter(prefix="/api/admin/stats", tags=["deliveries"], route_class=route_class, dependencies=[BEARER])

    @router.get("", summary="How the webhooks fare", responses=documented(404), openapi_extra=needs(Scope.READ))
    async def get_stats(asked: Annotated[StatsQuery, Query()]) -> StatsView:
        now = services.now()
        since = asked.since or now - _USUAL
        if not now - _LONGEST <= since < now:
            raise Problem(422, "since: give a time of the last 31 days.")
        told = await services.deliveries.statistics(since, now, asked.webhook)
        if asked.webhook is not None and not told:
            raise Problem(404, f"There is no webhook '{asked.webhook}' and no delivery of one.")
        return StatsView(since=since, until=now, webhooks=[_view(each) for each in told])

    return router


def _view(stats: WebhookStats) -> WebhookStatsView:
    return WebhookStatsView(
        webhook=stats.webhook,
        state=stats.state,
        total=stats.counts.total,
        by_status=dict(stats.counts.by_status),
        by_reason=dict(stats.counts.by_reason),
        refused=stats.refused,
        times={stage: SpreadView.model_validate(spread) for stage, spread in stats.times.items()},
        hours=[HourView.model_validate(hour) for hour in stats.counts.hours],
        backlog=BacklogView.model_validate(stats.backlog),
    )
