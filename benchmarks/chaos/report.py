"""What is printed at the end. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from benchmarks.chaos.audit import Verdict, named
from benchmarks.chaos.ledgers import Injected

_MOST_IDS = 30


def figures(verdict: Verdict, faults: Sequence[Injected], recovery: dict[str, float]) -> list[tuple[str, str]]:
    """The head of the table: name and value."""
    slowest = max(recovery, key=lambda name: recovery[name], default=None)
    return [
        ("events sent", f"{verdict.events:,}"),
        ("requests, tries and duplicates among them", f"{verdict.requests:,}"),
        ("requests without an answer", f"{verdict.unanswered:,}"),
        ("answers that were no success", ", ".join(f"{n} x {code}" for code, n in sorted(verdict.refused.items()))),
        ("events acknowledged", f"{verdict.acknowledged:,}"),
        ("deliveries completed", f"{verdict.completed:,}"),
        ("deliveries crashed with a killed process", f"{verdict.crashed:,}"),
        ("requests stored as duplicates", f"{verdict.duplicates:,}"),
        ("lost", f"{len(verdict.lost):,}"),
        ("doubled", f"{len(verdict.doubled):,}"),
        ("stuck", f"{len(verdict.stuck):,}"),
        ("faults", f"{len(faults):,}"),
        ("slowest recovery", f"{recovery[slowest]:.1f} s ({slowest})" if slowest else "-"),
    ]


def by_fault(faults: Sequence[Injected], recovery: dict[str, float]) -> list[tuple[str, str, str]]:
    """Fault, how often, slowest recovery."""
    counted = Counter(named(fault) for fault in faults)
    return [
        (name, str(count), f"{recovery[name]:.1f} s" if name in recovery else "-")
        for name, count in sorted(counted.items())
    ]


def complaints(verdict: Verdict) -> Iterator[str]:
    """A line for each id that is wrong, the first of each sort only."""
    for sort, ids in (("lost", verdict.lost), ("doubled", verdict.doubled), ("stuck", verdict.stuck)):
        for one, why in list(ids.items())[:_MOST_IDS]:
            yield f"{sort}: {one}: {why}"
        if len(ids) > _MOST_IDS:
            yield f"{sort}: and {len(ids) - _MOST_IDS} more"
