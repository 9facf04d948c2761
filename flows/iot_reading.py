"""What a device measured, and when that is an alarm. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from flows.request_body import problems_of
from receiver import Context

SENSOR = ("device", "sensor")
AHEAD = timedelta(hours=1)
"""How far a device's clock may be ahead of ours: what seems newer than all that follows would silence its sensor."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LISTED = 100
_Name = Annotated[str, Field(pattern=r"^[\w.:/-]{1,100}$")]


class _Message(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)

    device: _Name
    sensor: _Name
    value: Annotated[float, Field(allow_inf_nan=False)]
    at: AwareDatetime | None = None


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One value of one sensor. `delivery_id` tells which delivery brought it."""

    device: str
    sensor: str
    value: float
    measured_at: datetime
    delivery_id: str

    def row(self) -> dict[str, Any]:
        """As the workflow stores it."""
        return {"device": self.device, "sensor": self.sensor, "measured_at": self.measured_at, "value": self.value}


def read_reading(context: Context) -> Reading:
    """The reading in a delivery: its body, or without one its query. Without `at` it was measured as it arrived.

    Raises ValueError that names every problem.
    """
    try:
        message = _Message.model_validate(context.query if context.data is None else context.data)
    except ValidationError as error:
        listed = [f"{each['path'].removeprefix('/')}: {each['problem']}" for each in problems_of(error)]
        raise ValueError("; ".join(listed).removeprefix(": ")) from None
    at = message.at or context.received_at
    if not _EPOCH <= at <= context.received_at + AHEAD:
        raise ValueError("at: is in the future or before 1970, set the device's clock")
    return Reading(
        device=message.device,
        sensor=message.sensor,
        value=message.value,
        measured_at=at.astimezone(UTC),
        delivery_id=context.delivery_id,
    )


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """A reading with which a sensor passes its limit (`high`), or comes back from there."""

    reading: Reading
    high: bool

    @property
    def sensor(self) -> dict[str, Any]:
        """The columns that say whose it is."""
        return {"device": self.reading.device, "sensor": self.reading.sensor}

    def row(self) -> dict[str, Any]:
        """How the sensor stands since then, as the workflow stores it. The end of an alarm leaves who brought it."""
        stands = {**self.sensor, "high": self.high, "since": self.reading.measured_at}
        alarm = {"value": self.reading.value, "delivery_id": self.reading.delivery_id, "told_at": None}
        return {**stands, **alarm} if self.high else stands


def crossings(
    readings: Iterable[Reading], known: Iterable[Mapping[str, Any]], limits: Mapping[str, float], margin: float
) -> list[Crossing]:
    """Where the readings cross the limit of their kind of sensor, sensor by sensor, in the order of their measurement.

    `known` is how sensors stand: rows of the workflow's table, of those that ever passed their limit. An alarm is over
    when a value is `margin` below the limit, so that one that trembles around it is one alarm. A reading from before a
    sensor's last crossing tells nothing new, unless it is that crossing itself and nobody was told of it yet.
    """
    stands = {(row["device"], row["sensor"]): row for row in known}
    found: list[Crossing] = []
    for reading in sorted(readings, key=lambda each: (each.device, each.sensor, each.measured_at)):
        limit = limits.get(reading.sensor)
        if limit is None:
            continue
        place = (reading.device, reading.sensor)
        now = stands.get(place)
        if now is not None and reading.delivery_id == now["delivery_id"] and now["told_at"] is None:
            found.append(Crossing(reading=reading, high=True))
            continue
        if now is not None and reading.measured_at < _moment(now["since"]):
            continue
        was_high = now is not None and now["high"]
        high = reading.value > (limit - margin if was_high else limit)
        if high != was_high:
            crossing = Crossing(reading=reading, high=high)
            found.append(crossing)
            stands[place] = {**(now or {}), **crossing.row()}
    return found


def in_words(alarms: Iterable[Reading], limits: Mapping[str, float]) -> str:
    """The alarms as a message, a line each, at most a hundred."""
    lines = [
        f"{each.device} {each.sensor}: {each.value:g} is over {limits[each.sensor]:g}, {each.measured_at.isoformat()}"
        for each in alarms
    ]
    more = [f"and {len(lines) - _LISTED} more"] if len(lines) > _LISTED else []
    return "\n".join([*lines[:_LISTED], *more])


def _moment(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)
