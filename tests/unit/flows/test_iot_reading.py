"""Readings, read, and the moments at which they are an alarm."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.iot_reading import AHEAD, Reading, crossings, in_words, read_reading
from receiver import Context

PAYLOADS = Path(__file__).parents[2] / "payloads" / "iot_telemetry"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMITS = {"temperature": 80.0}
BOILER = {"device": "boiler-1", "sensor": "temperature", "value": 71.5}


def context(data: Any = None, query: Any = None) -> Context:
    document = {"data": data, "query": query or {}, "delivery_id": "d", "received_at": NOW.isoformat()}
    return Context.from_document(document)


def values(*given: float, start: int = 0) -> list[Reading]:
    """Readings of one sensor, a minute apart."""
    return [
        Reading(
            device="boiler-1",
            sensor="temperature",
            value=value,
            measured_at=NOW + timedelta(minutes=minute),
            delivery_id=f"d{minute}",
        )
        for minute, value in enumerate(given, start)
    ]


def crossed(readings: list[Reading], known: Any = (), limits: Any = LIMITS) -> list[tuple[float, bool]]:
    return [(each.reading.value, each.high) for each in crossings(readings, known, limits, 1.0)]


def alarms(readings: list[Reading], known: Any = ()) -> list[float]:
    return [value for value, high in crossed(readings, known) if high]


def test_a_reading_is_the_body_or_without_one_the_query():
    by_body = read_reading(context({**BOILER, "at": "2026-03-01T11:00:00+02:00"}))
    by_query = read_reading(context(query={"device": "7", "sensor": "temperature", "value": "71.5"}))

    assert (by_body.value, by_body.measured_at) == (71.5, datetime(2026, 3, 1, 9, tzinfo=UTC))
    assert (by_query.device, by_query.value, by_query.measured_at) == ("7", 71.5, NOW)


def test_the_example_is_readings():
    examples = json.loads((PAYLOADS / "readings__two-devices.json").read_text(encoding="utf-8"))
    assert alarms([read_reading(context(each)) for each in examples]) == [84.25]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "device: Field required; sensor: Field required; value: Field required"),
        (7, "Input should be"),
        ({**BOILER, "value": "warm"}, "value: "),
        ({**BOILER, "value": "NaN"}, "value: "),
        ({**BOILER, "value": 10**400}, "value: "),
        ({**BOILER, "value": [71.5, 72]}, "value: "),
        ({**BOILER, "device": "boiler\n1"}, "device: "),
        ({**BOILER, "device": ""}, "device: "),
        ({**BOILER, "at": "2026-03-01T10:00:00"}, "at: "),
        ({**BOILER, "at": (NOW + AHEAD + timedelta(seconds=1)).isoformat()}, "at: is in the future"),
        ({**BOILER, "at": "0001-01-01T00:00:00+14:00"}, "before 1970"),
    ],
    ids=str,
)
def test_what_is_no_reading_is_told_with_its_place(data, words):
    with pytest.raises(ValueError, match=r"^(?!.*warm)") as caught:
        read_reading(context(data))
    assert words in str(caught.value)


def test_an_alarm_is_told_once_until_the_value_has_fallen_below_the_margin():
    assert alarms(values(79, 80, 80.1, 95, 81)) == [80.1]
    assert alarms(values(81, 79.5, 80.5)) == [81], "it trembles around the limit"
    assert alarms(values(81, 79, 80.5)) == [81, 80.5]


def stored(told: bool = True, **changes: Any) -> dict[str, Any]:
    """How the sensor stands in the database, an alarm since noon."""
    [crossing] = crossings(values(85), (), LIMITS, 1.0)
    row = {**crossing.row(), "since": NOW.isoformat(), "told_at": NOW.isoformat() if told else None}
    return {**row, **changes}


def test_a_sensor_that_is_over_its_limit_already_is_no_new_alarm():
    assert crossed(values(86, start=1), [stored()]) == []
    assert crossed(values(70, 86, start=1), [stored()]) == [(70, False), (86, True)]
    assert crossed(values(86, start=1), [stored(high=False)]) == [(86, True)]


def test_readings_count_in_the_order_of_their_measurement_and_late_ones_tell_nothing_new():
    assert alarms(list(reversed(values(70, 85, 86)))) == [85]
    assert crossed(values(70, start=-1), [stored()]) == []


def test_an_alarm_that_nobody_was_told_of_is_told_by_its_own_reading_alone():
    assert crossed(values(85), [stored(told=False)]) == [(85, True)]
    assert crossed(values(85), [stored(told=False, high=False, since=NOW + timedelta(hours=1))]) == [(85, True)]
    assert crossed(values(86, start=1), [stored(told=False)]) == []
    assert crossed(values(85), [stored()]) == []


def test_the_end_of_an_alarm_keeps_who_brought_it():
    [end] = crossings(values(70, start=1), [stored()], LIMITS, 1.0)
    assert end.row() == {**end.sensor, "high": False, "since": NOW + timedelta(minutes=1)}


def test_a_kind_of_sensor_without_a_limit_is_not_watched():
    assert crossed(values(500), (), {}) == []


def test_a_message_lists_a_hundred_alarms():
    assert in_words(values(84.25), LIMITS) == "boiler-1 temperature: 84.25 is over 80, 2026-03-01T12:00:00+00:00"
    assert in_words(values(*[81] * 102), LIMITS).splitlines()[100:] == ["and 2 more"]
