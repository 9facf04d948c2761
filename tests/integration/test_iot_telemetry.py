"""Readings of devices in batches, on a real Prefect server."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun
from prefect.flow_engine import run_flow_async
from prefect.states import Pending
from pydantic import SecretStr

from blocks import WebhookSecret
from flows.iot_telemetry import ALARMS, READINGS, iot_telemetry
from flows.nodes import query_records, summarize_records
from receiver import DeliveriesFailed
from receiver.contract.definition import get_definition
from receiver.contract.envelope import render_batch
from receiver.contract.templates import compile_template
from tests.integration.test_typed_flows import deploy
from tests.support.receiver import RunningReceiver
from tests.support.waiting import eventually

COUNT = int(os.environ.get("TEST_READINGS", "300"))
DEVICES = 200
MOST_RUNS = max(COUNT * 12 // 1000, COUNT // 100 + 2)
"""60 for 5,000 readings."""

BATCH = compile_template({"batch": "{{$context}}"}, roots=frozenset({"context"}))
KEY = {"X-API-Key": "for-these-devices-alone"}
UNFINISHED = ("queued", "dispatched", "running")


def reading(value: float, minute: int = 0, device: str = "boiler-1") -> dict[str, Any]:
    return {"device": device, "sensor": "temperature", "value": value, "at": f"2026-03-01T10:{minute:02}:00Z"}


async def tell(*readings: Any, first: int = 0, channel: str = "smtp/default") -> None:
    """A run for these, as the receiver would start it; their deliveries are numbered from `first` on."""
    given = [
        ({"v": 1, "data": each, "received_at": "2026-03-01T12:00:00+00:00"}, f"d{number}", 1, False)
        for number, each in enumerate(readings, first)
    ]
    flow: Any = iot_telemetry
    await flow(**render_batch(BATCH, given), channel=channel)


def mails(home: Path) -> list[str]:
    return [mail.read_text() for mail in sorted((home / "mail").glob("*.eml"))]


async def test_readings_are_stored_once_a_bad_one_fails_alone_and_a_crossing_is_told_once(default_records: Path):
    with pytest.raises(DeliveriesFailed) as failed:
        await tell(reading(79), reading(84.25, 1), {"device": "boiler-2"}, reading(85, 2))
    await tell(reading(86, 3), reading(84.25, 1), reading(20, 1, "boiler-2"), first=10)
    await tell(reading(99, 0, "boiler-2"), first=20)

    assert failed.value.failed == ("d2",)
    rows = await query_records.fn(READINGS, order_by=["device", "measured_at"])
    assert [row["value"] for row in rows] == [79, 84.25, 85, 86, 99, 20]
    alarms = await query_records.fn(ALARMS, order_by="device")
    assert [(row["device"], row["value"], row["high"]) for row in alarms] == [
        ("boiler-1", 84.25, True),
        ("boiler-2", 99, True),
    ]
    first, second = mails(default_records)
    assert "boiler-1 temperature: 84.25 is over 80" in first and "boiler-2" not in first
    assert "boiler-2 temperature: 99 is over 80" in second


async def test_an_alarm_that_nobody_could_be_told_of_fails_its_reading_and_is_told_by_its_replay(default_records: Path):
    with pytest.raises(DeliveriesFailed) as failed:
        await tell(reading(84), reading(20, 0, "boiler-2"), channel="slack-webhook/nobody-has-saved-it")
    assert failed.value.failed == ("d0",)
    assert len(await query_records.fn(READINGS)) == 2
    await tell(reading(84))
    await tell(reading(84))
    assert len(mails(default_records)) == 1


@pytest.mark.parametrize("default_records", ["postgresql"], indirect=True)
async def test_of_readings_that_pass_the_limit_in_several_runs_at_once_one_is_told(default_records: Path):
    await tell(reading(70))
    await asyncio.gather(*(tell(reading(84 + minute, minute), first=minute) for minute in range(1, 5)))
    assert len(mails(default_records)) == 1


async def test_a_burst_is_a_run_for_each_hundred_and_every_delivery_completes(
    default_records: Path, receiver: RunningReceiver, prefect: PrefectClient
):
    await WebhookSecret(current=SecretStr(KEY["X-API-Key"])).asave("iot-telemetry", overwrite=True)
    definition = get_definition(iot_telemetry)
    assert definition is not None
    here = {"deployment": await deploy(prefect, iot_telemetry), "state": "paused"}  # until all of them are there
    await receiver.define(**{**definition.to_json(), **here})
    await send(receiver)
    await receiver.admin.patch("/api/admin/webhooks/iot-telemetry", json={"state": "enabled"})
    await work(receiver, prefect)

    assert len(await runs_of_it(prefect)) <= MOST_RUNS
    assert {name: count for name, count in (await by_status(receiver)).items() if name != "split"} == {
        "completed": COUNT
    }
    assert await summarize_records.fn(READINGS) == [{"count": COUNT}]
    assert len(mails(default_records)) == 1, "one device passed its limit, and stayed there"


async def send(receiver: RunningReceiver) -> None:
    """Half of the readings by GET, one by one, and half by PUT, fifty at a time."""
    readings = [
        {
            "device": f"boiler-{number % DEVICES}",
            "sensor": "temperature",
            "value": 90 if number % DEVICES == 0 and number >= DEVICES else 70,
            "at": (datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=number)).isoformat(),
        }
        for number in range(COUNT)
    ]
    single, listed = readings[: COUNT // 2], readings[COUNT // 2 :]
    url, lists = "/api/webhooks/iot-telemetry", [listed[start : start + 50] for start in range(0, len(listed), 50)]
    answers = [await receiver.http.put(url, json=some, headers=KEY) for some in lists]
    for start in range(0, len(single), 20):
        some = single[start : start + 20]
        answers += await asyncio.gather(*(receiver.http.get(url, params=each, headers=KEY) for each in some))
    assert {answer.status_code for answer in answers} == {202}


async def work(receiver: RunningReceiver, prefect: PrefectClient) -> None:
    """Be the worker until every delivery has ended."""

    async def next_runs() -> tuple[bool, list[FlowRun]] | None:
        if runs := [run for run in await runs_of_it(prefect) if run.state_name == "Scheduled"]:
            return False, runs
        of_it = {"webhook": "iot-telemetry", "limit": 1}
        left = [await receiver.deliveries(**of_it, status=status) for status in UNFINISHED]
        return None if any(left) else (True, [])

    ended = False
    while not ended:
        ended, runs = await eventually(next_runs, 60, what="another run, or the end of all deliveries")
        for run in runs:
            await prefect.set_flow_run_state(run.id, Pending(), force=True)
            await run_flow_async(iot_telemetry, flow_run=run, parameters=run.parameters, return_type="state")


async def runs_of_it(prefect: PrefectClient) -> list[FlowRun]:
    tagged = FlowRunFilter(tags=FlowRunFilterTags(all_=["webhook:iot-telemetry"]))
    return await prefect.read_flow_runs(flow_run_filter=tagged)


async def by_status(receiver: RunningReceiver) -> dict[str, int]:
    answer = await receiver.admin.get("/api/admin/stats", params={"webhook": "iot-telemetry"})
    [told] = answer.json()["webhooks"]
    return dict(told["by_status"])
