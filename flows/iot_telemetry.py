"""Readings of devices, stored a hundred at a time; who watches them is told when one passes its limit.

A device shows the key of the block `webhook-secret/iot-telemetry` in `X-API-Key`. It sends one reading by GET, in the
query, or by PUT one or a list of them as JSON:

    GET  ?device=boiler-1&sensor=temperature&value=71.5
    PUT  [{"device": "boiler-1", "sensor": "temperature", "value": 71.5, "at": "2026-03-01T10:00:00Z"}]

A reading that comes again is stored once. Readings of a device keep their order, so that of two that pass the limit
together only one is an alarm.
"""

from __future__ import annotations

from collections.abc import Sequence

from prefect import flow
from sqlalchemy import Boolean, Column, DateTime, Float, MetaData, String, Table

from flows.iot_reading import SENSOR, Reading, in_words, read_reading, watch
from flows.nodes import ServiceError, notify, query_records, upsert_records
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
SENSORS = Table(
    "iot_sensors",
    _TABLES,
    Column("device", String(100), primary_key=True),
    Column("sensor", String(100), primary_key=True),
    Column("measured_at", DateTime(timezone=True), nullable=False),
    Column("value", Float, nullable=False),
    Column("high", Boolean, nullable=False),
)


@webhook(
    "iot-telemetry",
    methods=["PUT", "GET"],
    split="{{$context.data}}",
    batch={"max_size": 100, "max_wait": "2s"},
    ordering_key='{{$context.query.device | default("")}}{{$context.data.device | default("")}}',
    parameters={"batch": "{{$context}}"},
    verification={"scheme": "api-key", "secret": "block:webhook-secret/iot-telemetry"},
)
@flow(log_prints=True)
async def iot_telemetry(
    batch: Batch, limits: dict[str, float] = LIMITS, margin: float = 1.0, channel: str = "smtp/default"
) -> None:
    """Store the readings and tell `channel` of each that passes the limit of its kind of sensor, once a crossing.

    A reading that cannot be read fails alone. One whose alarm nobody could be told of fails too, and its sensor's next
    reading over the limit tells it again.
    """
    readings, failed = [], []
    for context in batch:
        try:
            readings.append(read_reading(context))
        except ValueError as error:
            failed.append(context.delivery_id)
            print(f"delivery {context.delivery_id} is no reading: {error}")  # noqa: T201 (log_prints)
    await upsert_records(READINGS, [reading.row() for reading in readings], key=[*SENSOR, "measured_at"])
    failed += await keep_watch(readings, limits, margin, channel)
    if failed:
        raise DeliveriesFailed(failed)


async def keep_watch(readings: Sequence[Reading], limits: dict[str, float], margin: float, channel: str) -> list[str]:
    """Tell of alarms and keep how each sensor stands; the deliveries whose alarm nobody could be told of."""
    wanted = {name: {"in": sorted({getattr(reading, name) for reading in readings})} for name in SENSOR}
    known = await query_records(SENSORS, wanted, limit=10_000)
    alarms, sensors = watch(readings, known, limits, margin)
    untold: list[Reading] = []
    if alarms:
        try:
            await notify(channel, f"{len(alarms)} over the limit", in_words(alarms, limits))
        except ServiceError as error:
            print(f"nobody was told of {len(alarms)} alarms: {error}")  # noqa: T201 (log_prints)
            untold = alarms
    silent = {(reading.device, reading.sensor) for reading in untold}
    await upsert_records(
        SENSORS,
        [sensor for sensor in sensors if (sensor["device"], sensor["sensor"]) not in silent],
        key=SENSOR,
        version="measured_at",
    )
    return [reading.delivery_id for reading in untold]
