"""What a flow run tells Prefect in events: its reply and the states of its tasks, heard in the process that sends them.

Prefect's own client for tests passes each event on to the server and keeps it. The server's records of task runs are
made of these events, a while later and without a sign that all are there; so a test reads the events themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from prefect.events import emit_event
from prefect.events.clients import AssertingPassthroughEventsClient
from prefect.events.schemas.events import Event
from prefect.events.worker import EventsWorker

from receiver.contract.answering import REPLY_EVENT, RESOURCE
from receiver.testing.delivered import TaskState

_LAST = "webhooks.testing.last"
_DEADLINE_SECONDS = 30
_LOOK_SECONDS = 0.005
_TASK_RUN = "prefect.task-run."


def listen() -> None:
    """From now on the events of this process are kept. Production never does so: only tests import this."""
    EventsWorker.set_client_override(AssertingPassthroughEventsClient)


async def all_heard() -> None:
    """Until every event that was sent before is kept: they leave one after the other, and ours is the last."""
    mark = str(uuid4())
    emit_event(_LAST, resource={"prefect.resource.id": mark})
    try:
        async with asyncio.timeout(_DEADLINE_SECONDS):
            while not any(event.event == _LAST and event.resource.id == mark for event in _kept()):  # noqa: ASYNC110 (the client tells nobody)
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        raise RuntimeError(
            "Prefect's server takes no events, so neither the reply nor the task runs are known. Does the test use the "
            "fixture webhooks_server?"
        ) from None


def reply_to(delivery_id: str, flow_run_id: str) -> dict[str, Any] | None:
    """The first reply that the run sent, as it travels; None when it sent none."""
    resource = f"{RESOURCE}{delivery_id}"
    for event in _kept():
        if event.event == REPLY_EVENT and event.resource.id == resource and event.payload["flow_run_id"] == flow_run_id:
            return dict(event.payload)
    return None


def task_runs_of(flow_run_id: str) -> tuple[TaskState, ...]:
    """The task runs of a flow run, each with its latest state, in the order in which they began."""
    run = f"prefect.flow-run.{flow_run_id}"
    latest: dict[str, TaskState] = {}
    for event in _kept():
        if event.event.startswith(_TASK_RUN) and any(related.id == run for related in event.related):
            resource = event.resource
            latest[resource.id] = TaskState(resource["prefect.resource.name"], resource["prefect.state-name"])
    return tuple(latest.values())


def _kept() -> Iterator[Event]:
    for client in AssertingPassthroughEventsClient.all:
        yield from list(getattr(client, "events", ()))  # which it has once its connection is open
