"""What is asked of upkeep, and what it tells."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from receiver.admin.deliveries_api import Moment
from receiver.deliveries.needle import Needle


class PurgeAnswer(BaseModel):
    """What was deleted by one step, as it had come of age."""

    bodies: int = Field(description="Bodies, with what was replied.")
    rows: int = Field(description="Whole deliveries.")
    events: int = Field(description="Event ids that need not be remembered any more.")
    more: bool = Field(description="Whether to call again.")
    runs_left: bool = Field(description="Whether runs of theirs are still to be deleted in Prefect.")


class SizeView(BaseModel):
    """The inbox's disk."""

    total: int = Field(description="Bytes on disk.")
    free: int | None = Field(description="Of them hold nothing; null on PostgreSQL, which does not count them.")


class VacuumRequest(BaseModel):
    """What is to be given back."""

    model_config = ConfigDict(extra="forbid")

    part: str | None = Field(default=None, max_length=100, description="`next` of the answer before; null begins.")
    full: bool = Field(
        default=False, description="Write everything anew at once. While a part is written, requests are answered 503."
    )


class VacuumAnswer(SizeView):
    """How far it is."""

    next: str | None = Field(description="Call again with it as `part`; null at the end.")


class EraseRequest(BaseModel):
    """Whose data is to be erased. A field that is not known is refused: it would erase more than was meant."""

    model_config = ConfigDict(extra="forbid")

    match: str = Field(
        min_length=4, max_length=500, description="A text that stands in what was sent or answered, in any case."
    )
    webhook: str | None = Field(default=None, max_length=100, description="Only deliveries of this webhook.")
    since: Moment | None = Field(default=None, description="Only received at or after this time.")
    until: Moment | None = Field(default=None, description="Only received before this time.")
    dry_run: bool = Field(default=True, description="Only say which deliveries are meant. Default true.")
    cursor: str | None = Field(default=None, max_length=100, description="`next_cursor` of the answer before.")
    _needle: Needle = PrivateAttr()

    @model_validator(mode="after")
    def _can_be_looked_for(self) -> Self:
        self._needle = Needle(self.match)
        return self

    @property
    def needle(self) -> Needle:
        """What is looked for."""
        return self._needle


class LeftView(BaseModel):
    """A delivery with the text that is not erased."""

    id: str = Field(description="Its id.")
    why: str = Field(description="Why, and what to do.")


class EraseAnswer(BaseModel):
    """What one step saw and did."""

    looked_at: int = Field(description="Deliveries it looked at.")
    delivery_ids: list[str] = Field(description="Those that are erased, or would be.")
    left: list[LeftView] = Field(description="Those that have the text and are not erased.")
    runs_left: bool = Field(description="Whether runs of erased deliveries are still to be deleted in Prefect.")
    next_cursor: str | None = Field(description="Pass it as `cursor` to go on; null at the end.")
