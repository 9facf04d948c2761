"""`expires`: who may still begin, and a run that may not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prefect import flow

from receiver import Batch, Context, webhook
from receiver.contract.envelope import encode_envelope
from receiver.contract.expiry import expires_at, too_late

AT = datetime(2026, 3, 1, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
OPEN: dict[str, Any] = {"verification": {"scheme": "none"}}
ran: list[str] = []


def arrived(until: datetime | None) -> dict[str, Any]:
    return {"v": 1, **({} if until is None else {"expires_at": until.isoformat()})}


def context(until: datetime | None) -> Context:
    return Context.from_document(arrived(until))


@webhook("brief", expires="10m", **OPEN)
@flow
async def brief(context: Context) -> None:
    """What it does."""
    ran.append("brief")


@webhook("blocking", expires="10m", **OPEN)
@flow
def blocking(context: Context) -> None:
    """What it does."""
    ran.append("blocking")


@webhook("many", expires="10m", batch={}, parameters={"batch": "{{$context}}"}, **OPEN)
@flow
async def many(batch: Batch) -> None:
    """What it does."""
    ran.append(f"{len(batch)} of many")


def test_the_first_attempt_expires_and_what_runs_again_does_not():
    assert expires_at(AT, 1, timedelta(minutes=10)) == AT + timedelta(minutes=10)
    assert expires_at(AT, 2, timedelta(minutes=10)) is expires_at(AT, 1, None) is None


@pytest.mark.parametrize(
    ("until", "late"),
    [
        ([], False),
        ([None], False),
        ([AT], False),
        ([AT - MOMENT], True),
        ([AT - MOMENT, AT + MOMENT], False),
        ([AT - MOMENT, None], False),
        ([AT - MOMENT, AT - 2 * MOMENT], True),
    ],
)
def test_a_run_is_too_late_when_all_that_it_is_for_has_expired(until: list[datetime | None], late: bool):
    assert (too_late([context(moment) for moment in until], AT) is not None) is late


async def test_a_flow_whose_request_has_expired_ends_cancelled_without_its_first_line():
    ran.clear()
    past, future = datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(hours=1)
    late, due = (encode_envelope(arrived(moment), delivery_id="d", attempt=1) for moment in (past, future))
    one, other, all_of_them = _called(brief), _called(blocking), _called(many)
    states = [await one(late), other(late), await all_of_them({"v": 1, "batch": [late, late]})]
    assert [(state.type.value, state.message.split(":")[0]) for state in states] == [("CANCELLED", "Expired")] * 3
    assert ran == []
    await one(due)
    other(due)
    await all_of_them({"v": 1, "batch": [late, due]})
    assert ran == ["brief", "blocking", "2 of many"]


def _called(flow: Any) -> Any:
    """The flow's function, as Prefect's engine calls it: with what stands for the request."""
    return flow.fn
