"""Where the time of a synchronous request goes, from the moments its parts keep anyway: nothing is traced for it.

The loader knows when it sent and was answered, the receiver's row when the request was received and judged, Prefect the
run's states, its log lines and the reply event, the flow's own answer its first and last line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import orjson

from benchmarks.figures import percentile
from benchmarks.rig import Rig

_MOST = 50
_LAST = "run has ended in Prefect"

MOMENTS = (
    "sent by the caller",
    "received",
    "verified and judged",
    "stored, handed over: run made in Prefect",
    "claimed by the worker: Pending",
    "child has it, its engine has begun: Running",
    "first line of the flow",
    "last line of the flow, one node later",
    "reply sent as an event",
    "answered",
    _LAST,
)
"""What a request comes to, in order."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A step of the waterfall: milliseconds from the moment before (`took`) and from the start (`at`)."""

    name: str
    at_p50: float
    took_p50: float
    took_p90: float
    count: int

    def to_json(self) -> dict[str, Any]:
        """As `latest.json` holds it."""
        return vars(self)


async def draw(rig: Rig, answers: Sequence[Mapping[str, Any]]) -> list[Stage]:
    """The waterfall of requests that have been answered."""
    chosen = [answer for answer in answers if answer["id"]][-_MOST:]
    await rig.prefect.wait_for("webhook:sync", len(answers), 10)
    resources = [f"webhooks.delivery.{answer['id']}" for answer in chosen]
    events = {
        event["resource"]["prefect.resource.id"]: event
        for event in await rig.prefect.events("webhooks.reply", resources)
    }
    rows = []
    for answer, resource in zip(chosen, resources, strict=True):
        delivery = await rig.receiver.delivery(answer["id"])
        states = await rig.prefect.states(delivery["flow_run_id"])
        rows.append(moments(answer, delivery, states, events.get(resource)))
    return stages(rows)


def moments(
    answer: Mapping[str, Any],
    delivery: Mapping[str, Any],
    states: Sequence[Mapping[str, Any]],
    reply: Mapping[str, Any] | None,
) -> list[float | None]:
    """When a request came to each of `MOMENTS`, in Unix seconds; None for what is not known."""
    entered = {state["type"]: seconds_of(state["timestamp"]) for state in reversed(states)}
    flow = orjson.loads(answer["body"])
    received = seconds_of(delivery["received_at"])
    return [
        answer["sent_at"],
        received,
        received + delivery["receive_ms"] / 1000,
        entered.get("SCHEDULED"),
        entered.get("PENDING"),
        entered.get("RUNNING"),
        flow["began"],
        flow["ended"],
        seconds_of(reply["occurred"]) if reply else None,
        answer["sent_at"] + answer["ms"] / 1000,
        entered.get("COMPLETED"),
    ]


def stages(rows: Sequence[Sequence[float | None]]) -> list[Stage]:
    """Medians over the requests of which every moment is known."""
    whole = [[moment for moment in row if moment is not None] for row in rows if None not in row]
    if not whole:
        return []
    found = []
    for index, (before, after) in enumerate(pairwise(range(len(MOMENTS)))):
        took = [(row[after] - row[before]) * 1000 for row in whole]
        at = [(row[after] - row[0]) * 1000 for row in whole]
        found.append(
            Stage(
                name=MOMENTS[index + 1],
                at_p50=percentile(at, 0.5),
                took_p50=percentile(took, 0.5),
                took_p90=percentile(took, 0.9),
                count=len(whole),
            )
        )
    return found


def seconds_of(text: Any) -> float:
    """Unix seconds of a moment as an API writes it."""
    return datetime.fromisoformat(str(text)).timestamp()
