"""The picture of a run, as an SVG written by hand: bars of the acknowledged rate, and the waterfall. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from benchmarks.figures import shown
from benchmarks.waterfall import Stage

_WIDTH, _LEFT, _ROW, _BAR = 860, 300, 22, 15
_COLOURS = {"bare": "#9aa5b1", "ours": "#2563eb", "peer": "#d97706"}
_STEP = "#2563eb"
_AFTER = "#9aa5b1"
_TEXT = 'font-family="system-ui, sans-serif" font-size="13" fill="#1f2937"'


def draw(rates: Mapping[tuple[str, int], float], stages: Sequence[Stage]) -> str:
    """An SVG. `rates` are requests a second by (system, clients); systems are `bare`, `ours` and `peer`."""
    body: list[str] = []
    top = _heading(body, "Requests acknowledged a second (bare stores nothing, ours stores durably first)", 24)
    most = max(rates.values(), default=1.0)
    for (system, clients), rate in rates.items():
        width = rate / most * (_WIDTH - _LEFT - 90)
        name = f"{system}, {clients} client{'s' if clients > 1 else ''}"
        _bar(body, name, top, 0, width, _COLOURS.get(system, _STEP), f"{shown(rate)}/s")
        top += _ROW
    if stages:
        top = _heading(body, "One synchronous request, from being sent; milliseconds, medians", top + 30)
        scale = (_WIDTH - _LEFT - 90) / max(stage.at_p50 for stage in stages)
        answered = next((index for index, stage in enumerate(stages) if stage.name == "answered"), len(stages))
        before = 0.0
        for index, stage in enumerate(stages):
            colour = _STEP if index <= answered else _AFTER
            width = max(stage.at_p50 - before, 0.0) * scale
            _bar(body, stage.name, top, before * scale, width, colour, shown(stage.at_p50))
            before = max(before, stage.at_p50)
            top += _ROW
    height = top + 12
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}">'
    )
    return "\n".join([opening, f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>', *body, "</svg>", ""])


def _heading(body: list[str], text: str, top: int) -> int:
    body.append(f'<text x="12" y="{top}" font-weight="600" {_TEXT}>{escape(text)}</text>')
    return top + 14


def _bar(body: list[str], name: str, top: int, begin: float, width: float, colour: str, value: str) -> None:
    x = _LEFT + begin
    base = top + _BAR - 3
    body += [
        f'<text x="{_LEFT - 8}" y="{base}" text-anchor="end" {_TEXT}>{escape(name)}</text>',
        f'<rect x="{x:.1f}" y="{top}" width="{max(width, 1.0):.1f}" height="{_BAR}" rx="2" fill="{colour}"/>',
        f'<text x="{x + width + 6:.1f}" y="{base}" {_TEXT}>{escape(value)}</text>',
    ]
