"""What was measured, for people (a table, a page) and for programs (JSON)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure, shown, spread
from benchmarks.machine import in_words
from benchmarks.waterfall import Stage

SOAK, INBOX, OUTAGE = "Many runs in a row", "A full inbox", "Prefect away"
_KEPT = (OUTAGE, INBOX, SOAK)
"""Sections that commands of their own write, in their order at the page's end."""
_HEAD = ("", "median", "spread", "unit", "goal", "")


@dataclass(frozen=True, kw_only=True)
class Report:
    """A whole run."""

    machine: dict[str, Any]
    figures: Sequence[Figure]
    stages: Sequence[Stage]

    def to_json(self) -> bytes:
        """As `latest.json` holds it."""
        content = {
            "machine": self.machine,
            "figures": [figure.to_json() for figure in self.figures],
            "waterfall": [stage.to_json() for stage in self.stages],
        }
        return orjson.dumps(content, option=orjson.OPT_INDENT_2)


def show(report: Report, console: Console) -> None:
    """Print the tables."""
    console.print(in_words(report.machine))
    table = Table(*_HEAD, title="Medians, with the lowest and highest of a few samples or p5 to p95 of many")
    for group, figures in groupby(report.figures, key=lambda figure: figure.group):
        table.add_section()
        table.add_row(f"[bold]{group}[/]")
        for figure in figures:
            table.add_row(*_cells(figure), style=None if figure.met is not False else "yellow")
    console.print(table)
    if report.stages:
        stages = Table("one synchronous request", "at ms", "took ms", "p90", title="Waterfall, medians")
        for stage in report.stages:
            stages.add_row(stage.name, *_stage(stage))
        console.print(stages)


def page(report: Report, plot: str) -> str:
    """`docs/performance.md`; `plot` is the name of the picture beside it."""
    machine = report.machine
    lines = [
        "# Performance",
        "",
        "Written by `make bench WRITE=1`; do not edit. All of it ran on 127.0.0.1 of one machine, the load on the same",
        "cores as what is measured. Compare figures of one run with each other, and between machines ratios only.",
        "",
        f"- Command: `{machine['command']}`",
        f"- Machine: {in_words(machine)}",
        f"- Date: {machine['at']}",
        "",
        f"![Rates and latencies beside the bare endpoint]({plot})",
        "",
        "The spread is the lowest and the highest of a few samples, the 5th and the 95th percentile of many.",
        "",
    ]
    for group, figures in groupby(report.figures, key=lambda figure: figure.group):
        lines += [f"## {group[0].upper()}{group[1:]}", "", *_markdown_head(("figure", *_HEAD[1:5], "note"))]
        lines += [_markdown_row([*_cells(figure)[:5], figure.note or _verdict(figure)]) for figure in figures]
        lines.append("")
    if report.stages:
        lines += [
            "## Waterfall of a synchronous request",
            "",
            f"Medians of {report.stages[0].count} requests of one client, from moments that the parts keep anyway.",
            "",
            *_markdown_head(("until", "at ms", "took ms", "took ms, p90")),
            *(_markdown_row([stage.name, *_stage(stage)]) for stage in report.stages),
            "",
        ]
    return "\n".join(lines)


def with_section(
    page: str, title: str, sentences: Sequence[str], head: Sequence[str], rows: Sequence[Sequence[str]]
) -> str:
    """A page with this as its section `SOAK`, `INBOX` or `OUTAGE`, in place of what that said before."""
    body, sections = _apart(page)
    table = [*_markdown_head(head), *map(_markdown_row, rows)]
    return _joined(body, {**sections, title: "\n".join([*sentences, "", *table])})


def keeping_sections(page: str, old: str) -> str:
    """A new page with those sections of the old one that commands of their own write."""
    return _joined(page, _apart(old)[1])


def section_rows(figures: Sequence[Figure]) -> tuple[Sequence[str], list[list[str]]]:
    """Head and rows of a section's table."""
    return ("figure", *_HEAD[1:5], "note"), [[*_cells(each)[:5], each.note or _verdict(each)] for each in figures]


def _apart(page: str) -> tuple[str, dict[str, str]]:
    """A page without those sections, and what each of them says."""
    body, sections = page, {}
    for title in reversed(_KEPT):
        body, heading, section = body.partition(f"\n## {title}\n")
        if heading:
            sections[title] = section.strip("\n")
    return body, sections


def _joined(body: str, sections: dict[str, str]) -> str:
    told = "".join(f"\n\n## {title}\n\n{sections[title]}" for title in _KEPT if title in sections)
    return f"{body.rstrip()}{told}\n"


def write_json(report: Report, path: Path) -> None:
    """Write `latest.json`, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(report.to_json())


def _cells(figure: Figure) -> list[str]:
    between = ""
    if len(figure.samples) > 1:
        low, high = spread(figure.samples)
        between = f"{shown(low)} to {shown(high)}"
    goal = "" if figure.goal is None else f"{'≤' if figure.lower_is_better else '≥'} {figure.goal:g}"
    return [figure.name, shown(figure.median), between, figure.unit, goal, _verdict(figure)]


def _verdict(figure: Figure) -> str:
    if not figure.samples:
        return figure.note or "not measured"
    return {True: "met", False: "not met", None: ""}[figure.met]


def _stage(stage: Stage) -> list[str]:
    return [shown(stage.at_p50), shown(stage.took_p50), shown(stage.took_p90)]


def _markdown_head(names: Sequence[str]) -> list[str]:
    return [_markdown_row(names), _markdown_row(["---"] * len(names))]


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
