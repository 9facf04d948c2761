"""Readings of devices, stored a hundred at a time; who watches them is told when one passes its limit.

A device shows the key of the block `webhook-secret/iot-telemetry` in `X-API-Key`. It sends one reading by GET, in the
query, or by PUT one or a list of them as JSON:

    GET  ?device=boiler-1&sensor=temperature&value=71.5
    PUT  [{"device": "boiler-1", "sensor": "temperature", "value": 71.5, "at": "2026-03-01T10:00:00Z"}]

A reading that comes again is stored once. Runs of several batches may meet at one sensor: the database says whose the
alarm is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from prefect import flow
from sqlalchemy import Boolean, Column, DateTime, Float, MetaData, String, Table

from flows.iot_reading import SENSOR, Crossing, Reading, crossings, in_words, read_reading
from flows.nodes import ServiceError, create_record, notify, query_records, update_records, upsert_records
from receiver import Batch, DeliveriesFailed, webhook

LIMITS = {"temperature": 80.0, "pressure": 6.0}
"""By kind of sensor; others are stored and not watched."""

_TABLES = MetaData()

READINGS = Table(
    "iot_readings",
    _TABLES,
    Column("device", String(100), primary_key=True),
    Column("sensor", String(100), primary_key=True),
    Column("measured_at", DateTime(timezone=True), primary_key=True),
    Column("value", Float, nullable=False),
)
ALARMS = Table(
    "iot_alarms",  # how each sensor stands that ever passed its limit: its last alarm, and whether that lasts
    _TABLES,
    Column("device", String(100), primary_key=True),
    Column("sensor", String(100), primary_key=True),
    Column("high", Boolean, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False),
    Column("value", Float, nullable=False),
    Column("delivery_id", String(100), nullable=False, index=True),
    Column("told_at", DateTime(timezone=True)),
)


@webhook(
    "iot-telemetry",
    methods=["PUT", "GET"],
    split="{{$context.data}}",
    batch={"max_size": 100, "max_wait": "2s"},
    parameters={"batch": "{{$context}}"},
    verification={"scheme": "api-key", "secret": "block:webhook-secret/iot-telemetry"},
)
@flow(log_prints=True)
async def iot_telemetry(
    batch: Batch, limits: dict[str, float] = LIMITS, margin: float = 1.0, channel: str = "smtp/default"
) -> None:
    """Store the readings and tell `channel` of each that passes the limit of its kind of sensor, once a crossing.

    A reading that cannot be read fails alone. One whose alarm nobody could be told of fails too: its replay tells it.
    """
    readings, failed = [], []
    for context in batch:
        try:
            readings.append(read_reading(context))
        except ValueError as error:
            failed.append(context.delivery_id)
            print(f"delivery {context.delivery_id} is no reading: {error}")  # noqa: T201 (log_prints)
    await upsert_records(READINGS, [reading.row() for reading in readings], key=[*SENSOR, "measured_at"])
    failed += await watch(readings, limits, margin, channel)
    if failed:
        raise DeliveriesFailed(failed)


async def watch(readings: Sequence[Reading], limits: dict[str, float], margin: float, channel: str) -> list[str]:
    """Tell of the alarms in these readings, in one message; the deliveries whose alarm nobody could be told of."""
    wanted = {name: {"in": sorted({getattr(reading, name) for reading in readings})} for name in SENSOR}
    known = await query_records(ALARMS, wanted, limit=10_000)
    alarms = [each.reading for each in crossings(readings, known, limits, margin) if await is_ours_to_tell(each)]
    if not alarms:
        return []
    mine = [reading.delivery_id for reading in alarms]
    try:
        await notify(channel, f"{len(alarms)} over the limit", in_words(alarms, limits))
    except ServiceError as error:
        print(f"nobody was told of {len(alarms)} alarms: {error}")  # noqa: T201 (log_prints)
        return mine
    await update_records(ALARMS, {"told_at": datetime.now(UTC)}, {"delivery_id": {"in": mine}})
    return []


async def is_ours_to_tell(crossing: Crossing) -> bool:
    """Keep how the sensor stands now; whether this is an alarm that no other reading has brought meanwhile."""
    row = crossing.row()
    if crossing.high:
        alarm = await create_record(ALARMS, row, unique=SENSOR)
        if alarm["delivery_id"] == row["delivery_id"]:
            return alarm["told_at"] is None
    before = {**crossing.sensor, "high": not crossing.high, "since": {"lt": row["since"]}}
    changed = await update_records(ALARMS, row, before)
    return crossing.high and changed["updated"] == 1
