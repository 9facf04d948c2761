"""Deliveries as the admin API tells them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from receiver.contract.reasons import Reason
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.views import DeliveryRecord


def _showable(value: Any) -> Any:
    """The value with `�` for halves of surrogate pairs: that is how bytes in no known encoding are kept."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {_showable(name): _showable(each) for name, each in value.items()}
    return [_showable(each) for each in value] if isinstance(value, list | tuple) else value


Values = Annotated[dict[str, str | list[str]], BeforeValidator(_showable)]
Marks = Annotated[dict[str, Any], BeforeValidator(_showable)]


class _FromStore(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class DeliverySummaryView(_FromStore):
    """One request, in short."""

    id: str = Field(description="The delivery's id, also in the answer's header `Webhook-Delivery-Id`.")
    webhook: str = Field(description="The webhook's key.")
    revision: int = Field(description="The revision of the definition it was judged by.")
    status: Status = Field(description="Where it stands.")
    reason: Reason | None = Field(description="Why it did not simply run.")
    detail: str = Field(description="More about the reason.")
    method: str = Field(description="The HTTP method.")
    path: str = Field(description="The path as sent, credentials masked.")
    client_ip: str = Field(description="The sender's address, taken through trusted proxies only.")
    content_type: str = Field(description="The body's type as sent.")
    body_size: int = Field(description="Bytes of the whole body, also where only a part is kept.")
    event_id: str | None = Field(description="The sender's id of the event.")
    duplicate_of: str | None = Field(description="The first delivery of the same event.")
    id_conflict: bool = Field(description="Whether the event id had come with another body before.")
    attempt: int = Field(description="The number of the latest attempt, 0 without one.")
    deployment: str | None = Field(description="The Prefect deployment of the latest attempt.")
    flow_run_id: str | None = Field(description="Prefect's id of the latest attempt's run.")
    response_status: int | None = Field(description="The HTTP status it was answered with, if known.")
    received_at: AwareDatetime = Field(description="When it arrived.")
    updated_at: AwareDatetime = Field(description="When its status last changed.")
    receive_ms: float = Field(description="Milliseconds until it was judged.")
    queue_ms: float | None = Field(description="Milliseconds from there until it was handed over to Prefect.")
    start_ms: float | None = Field(description="Milliseconds from there until its run started.")
    run_ms: float | None = Field(description="Milliseconds from there until its run ended.")
    parent_id: str | None = Field(default=None, description="The split request that it is a part of.")
    ordering_key: str | None = Field(default=None, description="Deliveries with the same one run one after another.")


class AttemptView(_FromStore):
    """One start of a flow run."""

    number: int = Field(description="1 at first; each replay is the next one.")
    cause: Literal["request", "replay", "crash"] = Field(
        description="What it came from: the request, a replay of it, or a crash of the one before (`on_crash`)."
    )
    actor: str | None = Field(description="The API key that asked for the replay, by name; `on_crash` after a crash.")
    edited: bool = Field(description="Whether its body was edited; `.../body?attempt=N` has it.")
    revision: int = Field(description="The revision of the definition it was judged by.")
    status: Status = Field(description="Where this attempt stands.")
    deployment: str = Field(description="The Prefect deployment, bound when the attempt was made.")
    deployment_id: str | None = Field(description="Prefect's id of it.")
    flow_id: str | None = Field(description="Prefect's id of its flow.")
    flow_run_id: str | None = Field(description="Prefect's id of the run.")
    flow_run_url: str | None = Field(default=None, description="The run's page in Prefect, where there is one.")
    state_name: str | None = Field(description="Prefect's name of the run's state.")
    tries: int = Field(description="How often the hand-over was tried.")
    detail: str = Field(description="What stands in the way.")
    due_at: AwareDatetime | None = Field(description="When it is handed over, or its lease ends.")
    created_at: AwareDatetime = Field(description="When it was stored.")
    handed_over_at: AwareDatetime | None = Field(description="When Prefect took it.")
    started_at: AwareDatetime | None = Field(description="When its run started.")
    ended_at: AwareDatetime | None = Field(description="When its run ended.")
    queue_ms: float | None = Field(description="Milliseconds until the hand-over.")
    start_ms: float | None = Field(description="Milliseconds from there until the run started.")
    run_ms: float | None = Field(description="Milliseconds from there until the run ended.")


class StatusChangeView(_FromStore):
    """A change of an attempt's status."""

    attempt: int = Field(description="The attempt's number.")
    at: AwareDatetime = Field(description="When it changed.")
    before: Status = Field(serialization_alias="from", description="The status before.")
    after: Status = Field(serialization_alias="to", description="The status after.")
    source: str = Field(description="Who told of it: `dispatcher`, `event`, `poll`, ...")
    detail: str = Field(description="More about it.")


class DeliveryView(DeliverySummaryView):
    """One request, whole but for its body: credentials are masked, a masked header keeps its name."""

    headers: Values = Field(description="Headers by lower-case name; a repeated one is a list.")
    query: Values = Field(description="Query parameters; a repeated one is a list.")
    params: Annotated[dict[str, str], BeforeValidator(_showable)] = Field(description="Parameters of a custom path.")
    verification: Marks = Field(description="The scheme and which secret matched; empty when refused.")
    notes: Marks = Field(description="Marks, such as why it could not be de-duplicated.")
    attempts: list[AttemptView] = Field(description="Its attempts, the first one first.")
    status_changes: list[StatusChangeView] = Field(
        validation_alias="changes", description="Every change of status, the first one first."
    )


def tell_delivery(record: DeliveryRecord, prefect_ui_url: str | None) -> DeliveryView:
    """A delivery as the API tells it, its runs linked to Prefect's pages."""
    model = DeliveryView.model_validate(record)
    if prefect_ui_url is not None:
        for attempt in model.attempts:
            if attempt.flow_run_id is not None:
                attempt.flow_run_url = f"{prefect_ui_url.rstrip('/')}/runs/flow-run/{attempt.flow_run_id}"
    return model
