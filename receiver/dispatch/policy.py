"""When a hand-over is tried again and when it is given up. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from receiver.contract.reasons import Reason
from receiver.prefect_gateway import Handover, Outcome

POISON_TRIES = 6
"""Hand-overs of one delivery that may fail while Prefect is healthy; after that the delivery is the cause."""

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 60.0
_TRIES_IN_PLACE = 3


@dataclass(frozen=True)
class Started:
    """The run exists in Prefect."""

    flow_run_id: str


@dataclass(frozen=True)
class TryAgain:
    """Prefect could not take it now."""

    wait: timedelta
    detail: str


@dataclass(frozen=True)
class GiveUp:
    """This delivery cannot be handed over; a person has to look, or its deployment to appear."""

    reason: Reason
    detail: str


def judge(handover: Handover, *, tries: int, alone: int, jitter: float) -> Started | TryAgain | GiveUp:
    """What follows from the outcome of hand-over number `tries` (from 1). `jitter` is from 0 to 1.

    `alone` is how many of its hand-overs failed while Prefect answered otherwise: what fails again and again for one
    delivery alone is that delivery's fault (`prefect-server` answers 503 to data its database cannot hold), and must
    not wait for ever.
    """
    match handover.outcome:
        case Outcome.CREATED | Outcome.EXISTS:
            assert handover.flow_run_id is not None
            return Started(handover.flow_run_id)
        case Outcome.DEPLOYMENT_MISSING:
            return GiveUp(Reason.DEPLOYMENT_MISSING, handover.detail)
        case Outcome.PARAMETERS_REFUSED:
            return GiveUp(Reason.PARAMETERS_INVALID, handover.detail)
        case Outcome.PERMANENT:
            return GiveUp(Reason.HANDOVER_REFUSED, handover.detail)
        case Outcome.RETRY_LATER:
            if alone >= POISON_TRIES:
                detail = f"{handover.detail} {alone} times for this delivery while it answered others"
                return GiveUp(Reason.HANDOVER_REFUSED, detail)
            return TryAgain(backoff(tries, jitter), handover.detail)


def kept_due(due_at: datetime, later: datetime, *, tries: int) -> datetime:
    """When an attempt is due again that an outage refused: as it was, so that the queue keeps its order.

    Not for ever: one that Prefect goes away at each time it is tried would be the first of the queue for all time.
    """
    return due_at if tries <= _TRIES_IN_PLACE else later


def backoff(tries: int, jitter: float) -> timedelta:
    """Half a second, doubling to a minute, spread by `jitter` (0 to 1) over the upper half."""
    longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(tries, 16))
    return timedelta(seconds=longest * (0.5 + jitter / 2))
