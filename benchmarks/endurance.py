"""What many runs in a row have shown: whether each ran once, and whether memory is flat. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import linear_regression
from typing import Any

from benchmarks.figures import shown

MOST_GROWTH = 3.0
"""MiB that a process of a kind may grow in 100 runs, after the first fifth of the runs."""

KINDS = ("worker", "zygote", "children")
_WARM_UP = 0.2
_ZYGOTE = "flows.worker.zygote"
_TABLE = ("", "worker MiB", "zygote MiB", "children MiB, each", "children", "together MiB (PSS)")
_SHARES = (0.1, 0.5, 1.0)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A look at the worker's processes after so many runs.

    `resident` is the mean resident memory of a process by kind, `together` the memory of all, shared pages once (MiB).
    `children` are process ids.
    """

    runs: int
    resident: Mapping[str, float]
    together: float
    children: frozenset[int]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A whole soak. `accepted` are the ids of deliveries that got an answer of success, `runs` Prefect's flow runs."""

    wanted: int
    seconds: float
    accepted: Sequence[str]
    runs: Sequence[Mapping[str, Any]]
    samples: Sequence[Sample]
    recycled: int
    renewed: int


def kind_of(words: Sequence[str], parents_words: Sequence[str]) -> str | None:
    """Which kind of the worker's processes one with this command line and this parent's is; None for another."""
    if _ZYGOTE in words:
        return "children" if _ZYGOTE in parents_words else "zygote"
    return "worker" if "worker" in words and "start" in words and "prefect" in words else None


def slope(samples: Sequence[Sample], kind: str) -> float:
    """MiB that a process of that kind grows in 100 runs, by least squares; 0 when there is too little to say."""
    last = samples[-1].runs if samples else 0
    points = [(one.runs, one.resident[kind]) for one in samples if one.runs >= _WARM_UP * last and kind in one.resident]
    if len({runs for runs, _ in points}) < 2:
        return 0.0
    return linear_regression(*zip(*points, strict=True)).slope * 100


def faults(outcome: Outcome) -> list[str]:
    """What is not as it should be, in words; empty when all is well."""
    found = []
    if len(outcome.accepted) < outcome.wanted:
        found.append(f"{outcome.wanted - len(outcome.accepted)} of {outcome.wanted} requests were not answered well")
    runs_of = Counter(_delivery(run) for run in outcome.runs)
    begun_again = sum(run["run_count"] > 1 for run in outcome.runs)
    done = {_delivery(run) for run in outcome.runs if run["state_type"] == "COMPLETED"}
    if lost := len(set(outcome.accepted) - done):
        found.append(f"{lost} accepted deliveries have no completed run")
    if doubled := sum(count > 1 for count in runs_of.values()) + begun_again:
        found.append(f"{doubled} deliveries were run more than once")
    found += [
        f"{kind}: {grown:.1f} MiB more in 100 runs, {MOST_GROWTH:g} are allowed"
        for kind in KINDS
        if (grown := slope(outcome.samples, kind)) > MOST_GROWTH
    ]
    if not outcome.recycled:
        found.append("no child was recycled")
    return found


def _delivery(run: Mapping[str, Any]) -> str:
    return next((str(tag).partition(":")[2] for tag in run["tags"] if str(tag).startswith("delivery:")), str(run["id"]))


def rows(outcome: Outcome) -> list[list[str]]:
    """Memory after a tenth, half and all of the runs, and how it grows: head first."""
    table = [list(_TABLE)]
    for share in _SHARES if outcome.samples else ():
        wanted = share * outcome.samples[-1].runs
        one = next(sample for sample in outcome.samples if sample.runs >= wanted)
        table.append(
            [
                f"after {one.runs} runs",
                *(shown(one.resident.get(kind)) for kind in KINDS),
                str(len(one.children)),
                shown(one.together),
            ]
        )
    table.append(["growth in 100 runs", *(f"{slope(outcome.samples, kind):+.2f}" for kind in KINDS), "", ""])
    return table


def in_a_sentence(outcome: Outcome) -> str:
    """The rest of the figures."""
    children = len(frozenset().union(*(sample.children for sample in outcome.samples)))
    rate = len(outcome.accepted) / outcome.seconds if outcome.seconds else 0.0
    return (
        f"{len(outcome.accepted)} of {outcome.wanted} runs in {outcome.seconds:.0f} s ({rate:.1f} a second); "
        f"{children} children seen, {outcome.recycled} recycled by the log, "
        f"{outcome.renewed} zygote{'' if outcome.renewed == 1 else 's'}."
    )
