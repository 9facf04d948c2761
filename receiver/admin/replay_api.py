"""`.../replay` and `.../discard`: run again what came, or drop what waits."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter
from fastapi.routing import APIRoute

from receiver.admin.deliveries_api import DeliveryId, unknown_delivery
from receiver.admin.guard import BEARER, Caller, needs
from receiver.admin.problems import Problem, documented
from receiver.admin.replay_desk import Changes, ReplayDesk, body_of, under_way
from receiver.admin.replay_many import moved_on, replay_many
from receiver.admin.replay_models import DiscardAnswer, ManyAnswer, ManyRequest, ReplayAnswer, ReplayRequest
from receiver.admin.services import AdminServices
from receiver.admin.webhook_models import Key
from receiver.deliveries.discards import Discarded
from receiver.deliveries.lifecycle import Status
from receiver.webhooks.keys import Scope

_MOST_DISCARDED = 10_000
_WRITE = needs(Scope.WRITE)


def replay_router(services: AdminServices, route_class: type[APIRoute]) -> APIRouter:
    """The routes that run again or drop."""
    router = APIRouter(prefix="/api/admin", route_class=route_class, dependencies=[BEARER])
    _add_replays(router, services)
    _add_discards(router, services)
    return router


def _add_replays(router: APIRouter, services: AdminServices) -> None:
    @router.post(
        "/deliveries/replay",
        tags=["deliveries"],
        summary="Replay many, throttled",
        responses=documented(),
        openapi_extra=_WRITE,
    )
    async def replay_those(asked: ManyRequest, who: Caller) -> ManyAnswer:
        """A page of them, the oldest first; each gets a place in the queue, so that the rate outlives a restart.

        What cannot be replayed is skipped with its cause. `rejected` (scope admin), `filtered` and `duplicate` ones
        are replayed when they are asked for by that status or by id.
        """
        desk = ReplayDesk(services=services, who=who, changes=Changes(deployment=asked.deployment))
        answer = await replay_many(desk, asked)
        if answer.replayed and not asked.dry_run:
            services.queued()
        return answer

    @router.post(
        "/deliveries/{delivery_id}/replay",
        status_code=202,
        tags=["deliveries"],
        summary="Replay one, as it came or edited",
        responses=documented(404, 409),
        openapi_extra=_WRITE,
    )
    async def replay_one(delivery_id: DeliveryId, who: Caller, asked: ReplayRequest | None = None) -> ReplayAnswer:
        """A new attempt of the same delivery, past de-duplication, judged by the definition in force now.

        Its filter is not asked again. A `rejected` delivery needs scope admin, and its context says if it was never
        verified.
        """
        asked = asked or ReplayRequest()
        found = await services.deliveries.candidate(delivery_id)
        if found is None:
            raise unknown_delivery()
        if asked.latest_attempt not in {None, found.attempt}:
            raise Problem(409, f"Its latest attempt is {found.attempt}, not {asked.latest_attempt}.")
        is_data = "data" in asked.model_fields_set
        changes = body_of(asked.body, asked.data, is_data=is_data, content_type=asked.content_type)
        desk = ReplayDesk(services=services, who=who, changes=replace(changes, deployment=asked.deployment))
        new = await desk.decide(found, services.now())
        (number,) = await services.deliveries.replay([new], who.by(), services.now())
        if number is None:
            raise moved_on()
        services.queued()
        return ReplayAnswer(
            delivery_id=found.id,
            attempt=number,
            status=Status.QUEUED,
            revision=new.revision,
            deployment=new.deployment,
            warnings=desk.warnings,
        )


def _add_discards(router: APIRouter, services: AdminServices) -> None:
    @router.post(
        "/deliveries/{delivery_id}/discard",
        tags=["deliveries"],
        summary="Drop one that is held or waits at a paused webhook",
        responses=documented(404, 409),
        openapi_extra=_WRITE,
    )
    async def discard_one(delivery_id: DeliveryId, who: Caller) -> DiscardAnswer:
        """It becomes `cancelled` with the reason `discarded`; it can still be replayed."""
        match await services.deliveries.discard(delivery_id, who.by(), services.now()):
            case Discarded.UNKNOWN:
                raise unknown_delivery()
            case Discarded.NOT_PAUSED:
                raise Problem(409, "It may be handed over at any moment: pause its webhook first.")
            case Discarded.UNDER_WAY:
                raise under_way(Status.DISPATCHED)
            case Discarded.NOT_WAITING:
                raise Problem(409, "It waits for nothing: only held and queued deliveries are discarded.")
        return DiscardAnswer(discarded=1)

    @router.post(
        "/webhooks/{key}/discard",
        tags=["webhooks"],
        summary="Drop what waits at a paused webhook",
        responses=documented(404, 409),
        openapi_extra=_WRITE,
    )
    async def discard_waiting(key: Key, who: Caller) -> DiscardAnswer:
        """Each delivery becomes `cancelled` with the reason `discarded`; call again while there is `more`."""
        row = await services.definitions.get(key)
        if row is None:
            raise Problem(404, f"There is no webhook '{key[:100]}'. GET /api/admin/webhooks lists them.")
        if row.state != "paused":
            raise Problem(409, f"The webhook '{key}' is {row.state}: pause it first, so that nothing is handed over.")
        count, whole = await services.deliveries.discard_waiting(key, who.by(), services.now(), _MOST_DISCARDED)
        return DiscardAnswer(discarded=count, more=not whole)
