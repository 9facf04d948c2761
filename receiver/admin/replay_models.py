"""Replays and discards as the admin API takes and tells them."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from receiver.admin.deliveries_api import Moment
from receiver.contract.fields import check_deployment
from receiver.contract.reasons import Reason
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.records import DeliveryFilter

MOST_REPLAYS = 1000
Deployment = Annotated[str, BeforeValidator(check_deployment)]
_DEPLOYMENT = "Another deployment to run, `flow-name/deployment-name`; default the webhook's."


class ReplayRequest(BaseModel):
    """How a replay differs from the request that came; all of it may be left out."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"data": {"name": "Ann"}}]})

    body: str | None = Field(default=None, description="Another body, as text; it is stored in UTF-8.")
    data: Any = Field(default=None, description="Another body, as a JSON value.")
    content_type: str | None = Field(
        default=None,
        max_length=300,
        pattern="^[ -~]+$",
        description="The type of another body; default `application/json` for `data`, else the request's own.",
    )
    deployment: Deployment | None = Field(default=None, description=_DEPLOYMENT)
    latest_attempt: int | None = Field(
        default=None,
        ge=0,
        description="Replay only while this is the latest attempt's number: a call that is repeated because its answer "
        "was lost then makes no second one.",
    )

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        given = self.model_fields_set & {"body", "data"}
        if len(given) > 1:
            raise ValueError("give one of body and data")
        if self.content_type is not None and not given:
            raise ValueError("content_type goes with body or data")
        return self


class ReplayAnswer(BaseModel):
    """The attempt that was made. `GET /api/admin/deliveries/{id}` tells what becomes of it."""

    delivery_id: str = Field(description="The delivery.")
    attempt: int = Field(description="The new attempt's number.")
    status: Status = Field(description="Where the delivery stands: `queued`.")
    revision: int = Field(description="The revision of the definition it was judged by.")
    deployment: str = Field(description="The deployment that is to run.")
    warnings: list[str] = Field(description="What stands in its way.")


class ManyRequest(BaseModel):
    """Which deliveries are replayed, and how fast. Something has to be said of which."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"webhook": "crm", "status": "failed"}]})

    webhook: str | None = Field(default=None, max_length=100, description="Of this webhook.")
    status: Status | None = Field(default=None, description="With this status.")
    reason: Reason | None = Field(default=None, description="With this reason.")
    since: Moment | None = Field(default=None, description="Received at or after this time.")
    until: Moment | None = Field(default=None, description="Received before this time; default the first call's.")
    event_id: str | None = Field(default=None, max_length=300, description="With this id of the sender's.")
    parent: str | None = Field(default=None, max_length=100, description="The parts of this split request.")
    q: str | None = Field(default=None, min_length=1, max_length=200, description="Found in id, path or event id.")
    ids: list[Annotated[str, Field(max_length=100)]] | None = Field(
        default=None, min_length=1, max_length=MOST_REPLAYS, description="These."
    )
    deployment: Deployment | None = Field(default=None, description=_DEPLOYMENT)
    per_second: float = Field(default=5, ge=0.01, le=1000, description="So many are handed over in a second.")
    limit: int = Field(default=100, ge=1, le=MOST_REPLAYS, description="Deliveries looked at by this call.")
    cursor: str | None = Field(default=None, max_length=200, description="`next_cursor` of the call before.")
    dry_run: bool = Field(default=False, description="Tell only what would be done.")

    @model_validator(mode="after")
    def _some(self) -> Self:
        if all(value is None for value in self._filter().values()):
            raise ValueError("say which: webhook, status, reason, since, until, event_id, parent, q or ids")
        return self

    def which(self) -> DeliveryFilter:
        """The filter."""
        fields = self._filter()
        return DeliveryFilter(**{**fields, "ids": None if self.ids is None else tuple(self.ids)})

    @property
    def names(self) -> set[Status]:
        """The statuses that are asked for by name, also by a reason that only they have."""
        found = {self.status} if self.status else set()
        return found | {Status(self.reason)} if self.reason in {Reason.FILTERED, Reason.DUPLICATE} else found

    def _filter(self) -> dict[str, Any]:
        names = {"webhook", "status", "reason", "since", "until", "event_id", "parent", "q", "ids"}
        return self.model_dump(include=names)


class Skipped(BaseModel):
    """A delivery that was not replayed."""

    id: str = Field(description="The delivery.")
    why: str = Field(description="Why not.")


class ManyAnswer(BaseModel):
    """What one call did."""

    replayed: int = Field(description="How many were queued, or would be.")
    delivery_ids: list[str] = Field(description="Which ones, in the order of their turn.")
    skipped: list[Skipped] = Field(description="The others, each with its cause.")
    warnings: list[str] = Field(description="What stands in the way of those that were queued.")
    next_cursor: str | None = Field(description="Pass it as `cursor` for the next ones; null at the end.")


class DiscardAnswer(BaseModel):
    """What was discarded."""

    discarded: int = Field(description="How many deliveries became `cancelled`.")
    more: bool = Field(default=False, description="Whether there is more: call again.")
