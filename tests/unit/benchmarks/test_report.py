"""The page, the picture and the waterfall, from values."""

from __future__ import annotations

from datetime import UTC, datetime
from xml.etree import ElementTree

import orjson

from benchmarks.figures import Figure
from benchmarks.machine import describe
from benchmarks.plot import draw
from benchmarks.report import Report, page
from benchmarks.waterfall import MOMENTS, Stage, moments, stages

MOMENT = datetime(2026, 3, 1, tzinfo=UTC).timestamp()


def at(seconds: float) -> str:
    return datetime.fromtimestamp(MOMENT + seconds, UTC).isoformat()


def one_request(reply: bool = True) -> list[float | None]:
    states = [
        {"type": name, "timestamp": at(seconds)}
        for name, seconds in (("SCHEDULED", 0.01), ("PENDING", 0.02), ("RUNNING", 0.03), ("COMPLETED", 0.1))
    ]
    body = orjson.dumps({"began": MOMENT + 0.04, "ended": MOMENT + 0.05}).decode()
    return moments(
        {"sent_at": MOMENT, "ms": 60.0, "body": body},
        {"received_at": at(0.001), "receive_ms": 1.0},
        states,
        {"occurred": at(0.055)} if reply else None,
    )


def test_the_waterfall_tells_each_step_and_when_it_was_reached():
    found = stages([one_request(), one_request(), one_request(reply=False)])
    assert [stage.name for stage in found] == list(MOMENTS[1:])
    assert [round(stage.at_p50) for stage in found] == [1, 2, 10, 20, 30, 40, 50, 55, 60, 100]
    assert sum(round(stage.took_p50) for stage in found) == 100
    assert {stage.count for stage in found} == {2}  # of the third request a moment is not known


def test_without_a_whole_request_there_is_no_waterfall():
    assert stages([one_request(reply=False)]) == []


def test_the_picture_is_svg_with_a_bar_for_everything():
    whole = stages([one_request()])
    root = ElementTree.fromstring(draw({("bare", 1): 2000.0, ("ours", 1): 1500.0}, whole))
    bars = [element for element in root if element.tag.endswith("rect")]
    assert len(bars) == 1 + 2 + len(whole)  # the ground besides


def test_the_page_names_the_machine_and_holds_every_figure_beside_its_goal():
    figures = [
        Figure(group="acknowledge", name="ours|64", unit="/s", samples=(10.0, 12.0), goal=11, lower_is_better=False),
        Figure(group="runs", name="rate", unit="/s", samples=(), note="no time was left"),
    ]
    stage = Stage(name="answered", at_p50=60, took_p50=5, took_p90=6, count=3)
    text = page(Report(machine=describe(datetime.now(UTC), "make bench"), figures=figures, stages=[stage]), "p.svg")
    assert "| ours/64 | 11.0 | 10.0 to 12.0 | /s | ≥ 11 | met |" in text
    assert "no time was left" in text and "| answered | 60.0 | 5.00 | 6.00 |" in text and "Python 3." in text
