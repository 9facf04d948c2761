"""`/api/admin/check`: what would not work, as far as the running receiver can know."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from receiver.admin.guard import BEARER, needs
from receiver.admin.problems import documented
from receiver.admin.services import AdminServices
from receiver.checks.finding import Level
from receiver.webhooks.keys import Scope

Wanted = Annotated[str | None, Query(max_length=200, description="Only what concerns the webhook with this key.")]


class FindingView(BaseModel):
    """One finding."""

    model_config = ConfigDict(from_attributes=True)

    code: str = Field(description="The kind of finding, for programs.")
    level: Level = Field(description="`error` keeps something from working, `warning` may; `ok` is for information.")
    subject: str = Field(description="What it is about, e.g. `webhook orders` or `Prefect`.")
    problem: str = Field(description="What was found.")
    remedy: str = Field(description="The command or line that mends it; empty where nothing has to be done.")


class CheckReport(BaseModel):
    """What a check found."""

    findings: list[FindingView] = Field(description="By subject: the receiver, Prefect, then each webhook.")


def check_router(services: AdminServices, route_class: type[APIRoute]) -> APIRouter:
    """The route of the check."""
    router = APIRouter(prefix="/api/admin/check", tags=["check"], route_class=route_class, dependencies=[BEARER])

    @router.get("", summary="What would not work", responses=documented(), openapi_extra=needs(Scope.READ))
    async def check(webhook: Wanted = None) -> CheckReport:
        """Answers within about 5 s, also when Prefect does not. No finding holds a secret."""
        return CheckReport(findings=[FindingView.model_validate(each) for each in await services.check(webhook)])

    return router
