"""Upkeep, a bounded step a call: what has come of age is deleted, space is given back, a person's data is erased."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.routing import APIRoute

from receiver.admin.guard import BEARER, Caller, needs
from receiver.admin.problems import Problem, documented
from receiver.admin.services import AdminServices
from receiver.admin.upkeep_models import (
    EraseAnswer,
    EraseRequest,
    LeftView,
    PurgeAnswer,
    SizeView,
    VacuumAnswer,
    VacuumRequest,
)
from receiver.deliveries.erasure import Erased, Looked
from receiver.deliveries.lifecycle import UNFINISHED, Status
from receiver.deliveries.records import DeliveryFilter
from receiver.webhooks.keys import Scope

_RUN_STEPS = 2
_ADMIN = needs(Scope.ADMIN)


def upkeep_router(services: AdminServices, route_class: type[APIRoute]) -> APIRouter:
    """The routes of services.upkeep."""
    router = APIRouter(prefix="/api/admin", tags=["upkeep"], route_class=route_class, dependencies=[BEARER])
    _add_space(router, services)
    _add_erasing(router, services)
    return router


def _add_space(router: APIRouter, services: AdminServices) -> None:
    @router.get("/size", summary="The inbox's disk", responses=documented(), openapi_extra=_ADMIN)
    async def get_size() -> SizeView:
        size = await services.upkeep.space.size()
        return SizeView(total=size.total, free=size.free)

    @router.post("/purge", summary="Delete what has come of age now", responses=documented(), openapi_extra=_ADMIN)
    async def purge() -> PurgeAnswer:
        """For two seconds, as the receiver does by itself every ten minutes: see the webhooks' `retention`."""
        swept = await services.upkeep.sweeper.sweep(services.now(), seconds=2.0)
        cleaned = await services.upkeep.runs.clean(_RUN_STEPS)
        return PurgeAnswer(
            bodies=swept.bodies, rows=swept.rows, events=swept.events, more=swept.more, runs_left=not cleaned
        )

    @router.post("/vacuum", summary="Give back disk", responses=documented(), openapi_extra=_ADMIN)
    async def vacuum(asked: VacuumRequest) -> VacuumAnswer:
        """One step beside the requests: on SQLite 4 MiB, on PostgreSQL a table. `full` writes it anew instead."""
        parts = await services.upkeep.space.parts()
        part = asked.part or parts[0]
        if part not in parts:
            raise Problem(422, "part: is no `next` of an earlier call")
        more = await services.upkeep.space.give_back(part, whole=asked.full)
        later = parts[parts.index(part) + 1 :]
        following = part if more else later[0] if later else None
        if following is None:
            await services.upkeep.space.write_back()
        size = await services.upkeep.space.size()
        return VacuumAnswer(total=size.total, free=size.free, next=following)


def _add_erasing(router: APIRouter, services: AdminServices) -> None:
    @router.post("/deliveries/erase", summary="Erase a person's data", responses=documented(), openapi_extra=_ADMIN)
    async def erase(asked: EraseRequest, who: Caller) -> EraseAnswer:
        """A page of deliveries, the oldest first: those with the text lose body, headers, query, path, address, replies
        and their runs in Prefect; id, webhook, times and statuses stay, and the note `erased`.

        Looked into: all of that, edited bodies, event ids and details, as they are and as JSON, forms and URLs encode
        them. What is unfinished or held is left. The audit log has the ids, never the text.
        """
        which = DeliveryFilter(webhook=asked.webhook, since=asked.since, until=asked.until)
        looked = await services.upkeep.erasures.look(asked.needle, which, asked.cursor or "")
        if asked.dry_run:
            return _answer(looked, Erased(ids=looked.found, left=()), runs_left=False)
        erased = await services.upkeep.erasures.erase(looked.found, who.by(), services.now())
        if looked.after is None:
            await services.upkeep.erasures.erase_counts(asked.needle, asked.match)
        if services.upkeep.leftovers is not None:
            await services.upkeep.leftovers.delete_gone()
        cleaned = await services.upkeep.runs.clean(_RUN_STEPS)
        if looked.after is None:
            await services.upkeep.space.write_back()
        return _answer(looked, erased, runs_left=not cleaned)


def _answer(looked: Looked, erased: Erased, *, runs_left: bool) -> EraseAnswer:
    return EraseAnswer(
        looked_at=looked.count,
        delivery_ids=list(erased.ids),
        left=[LeftView(id=each, why=_why(status)) for each, status in erased.left],
        runs_left=runs_left,
        next_cursor=looked.after,
    )


def _why(status: Status) -> str:
    if status in UNFINISHED:
        return f"It is {status}: erase again when it has ended, or discard it."
    return f"It is {status}: replay or discard it, then erase again."
