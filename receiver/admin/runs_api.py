"""`/api/admin/deliveries/{id}/runs`: what Prefect tells of a delivery's runs, and what they answered."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.routing import APIRoute
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from receiver.admin.guard import BEARER, needs
from receiver.admin.problems import Problem, documented
from receiver.admin.services import AdminServices
from receiver.deliveries.views import KeptReply
from receiver.prefect_gateway import PrefectUnavailable, RunReport
from receiver.replies.render import as_value
from receiver.webhooks.keys import Scope

_MOST_ATTEMPTS = 10
_SECONDS = 10.0
"""How long Prefect has, for all runs together."""


class _Told(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class StepView(_Told):
    """A state of a run or task."""

    type: str = Field(description="Prefect's state type, e.g. `RUNNING`.")
    name: str = Field(description="Its name, e.g. `AwaitingRetry`.")
    message: str = Field(description="Prefect's words.")
    at: AwareDatetime = Field(description="When it came to it.")


class TaskView(_Told):
    """A task of a run."""

    name: str = Field(description="The task run's name.")
    state: StepView | None = Field(description="Its state now.")
    started_at: AwareDatetime | None = Field(description="When it started.")
    seconds: float = Field(description="How long it ran.")
    runs: int = Field(description="How often it was tried.")


class LogLineView(_Told):
    """A line that a run logged."""

    at: AwareDatetime = Field(description="When.")
    level: str = Field(description="`INFO`, `WARNING`, `ERROR`, ...")
    logger: str = Field(description="The logger's name.")
    message: str = Field(description="The line as logged, cut at 8 KiB: escape it before it is shown.")


class RunView(_Told):
    """A run, without its parameters."""

    name: str = Field(description="The run's name.")
    states: list[StepView] = Field(description="Its states, the first one first.")
    task_runs: list[TaskView] = Field(description="Its tasks in the order they were started, at most 200.")
    logs: list[LogLineView] = Field(description="Its last 500 lines, the last one last.")
    more_logs: bool = Field(description="Whether it logged more than that.")


class ReplyView(BaseModel):
    """What an attempt answered the waiting sender."""

    at: datetime = Field(description="When it came here.")
    status: int | None = Field(default=None, description="The HTTP status; null for a plain result.")
    headers: dict[str, Any] = Field(default_factory=dict, description="The headers it asked for.")
    body: Any = Field(default=None, description="The body as a value.")
    base64: str | None = Field(default=None, description="The body where it is bytes.")
    problem: str | None = Field(default=None, description="Why it could not be sent.")


class AttemptRunView(BaseModel):
    """The run of one attempt."""

    attempt: int = Field(description="The attempt's number.")
    flow_run_id: str | None = Field(description="Prefect's id of the run.")
    run: RunView | None = Field(description="Null when there is none, Prefect does not answer or has deleted it.")
    reply: ReplyView | None = Field(description="What it answered.")


class RunsView(BaseModel):
    """The runs of a delivery's latest ten attempts."""

    available: bool = Field(description="Whether Prefect answered.")
    problem: str = Field(description="Why not.")
    attempts: list[AttemptRunView] = Field(description="The attempts, the first one first.")


def runs_router(services: AdminServices, route_class: type[APIRoute]) -> APIRouter:
    """The route of a delivery's runs."""
    router = APIRouter(
        prefix="/api/admin/deliveries", tags=["deliveries"], route_class=route_class, dependencies=[BEARER]
    )

    @router.get(
        "/{delivery_id}/runs",
        summary="Its runs in Prefect: states, tasks, log lines; and what they answered",
        responses=documented(404),
        openapi_extra=needs(Scope.READ),
    )
    async def get_runs(delivery_id: Annotated[str, Path(max_length=100, description="The delivery's id.")]) -> RunsView:
        record = await services.deliveries.get(delivery_id)
        if record is None:
            raise Problem(404, "There is no such delivery. GET /api/admin/deliveries lists them.")
        latest = record.attempts[-_MOST_ATTEMPTS:]
        replies = await services.deliveries.replies(record.id)
        runs, problem = await _read(services, [each.flow_run_id for each in latest if each.flow_run_id])
        attempts = [
            AttemptRunView(
                attempt=each.number,
                flow_run_id=each.flow_run_id,
                run=RunView.model_validate(run) if (run := runs.get(each.flow_run_id or "")) else None,
                reply=_reply(kept) if (kept := replies.get(each.number)) else None,
            )
            for each in latest
        ]
        return RunsView(available=not problem, problem=problem, attempts=attempts)

    return router


async def _read(services: AdminServices, flow_run_ids: list[str]) -> tuple[dict[str, RunReport], str]:
    """The runs that Prefect knows, and what kept it from telling of the others."""
    found: dict[str, RunReport] = {}
    try:
        async with asyncio.timeout(_SECONDS):
            for each in reversed(flow_run_ids):
                if (run := await services.runs.read_run(each)) is not None:
                    found[each] = run
    except PrefectUnavailable as error:
        return found, str(error)
    except TimeoutError:
        return found, f"Prefect did not answer within {_SECONDS:.0f} seconds"
    return found, ""


def _reply(kept: KeptReply) -> ReplyView:
    return ReplyView(at=kept.at, **as_value(kept.wire))
