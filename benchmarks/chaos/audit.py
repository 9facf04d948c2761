"""Whether every acknowledged delivery ended in exactly one outcome, by three ledgers. Pure.

Lost: acknowledged and not in the inbox, or ended in any way but completed, or crashed by a fault that killed its
process; or said to be completed, and Prefect or the flow's own rows do not say so. Doubled: what belongs to one event
reached Running twice, or wrote its effect twice, and no crash is recorded between. Stuck: no end at the deadline, or a
sender that never got its answer of success.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from benchmarks.chaos.ledgers import Injected, Kind, Ledgers, RunState, Sent, Stored

OPEN = frozenset({"queued", "dispatched", "running"})
FINAL = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})
WORKERS = ("worker", "zygote", "child")
"""The parts whose death crashes a run."""


@dataclass(kw_only=True)
class Verdict:
    """Ids and why: of deliveries, else of events (`event ...`) or flow runs (`run ...`)."""

    lost: dict[str, str] = field(default_factory=dict)
    doubled: dict[str, str] = field(default_factory=dict)
    stuck: dict[str, str] = field(default_factory=dict)
    requests: int = 0
    events: int = 0
    acknowledged: int = 0
    completed: int = 0
    crashed: int = 0
    duplicates: int = 0
    unanswered: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    """Answers that were no success, by status."""

    @property
    def good(self) -> bool:
        """Nothing lost, nothing doubled, nothing stuck."""
        return not (self.lost or self.doubled or self.stuck)


def judge(ledgers: Ledgers) -> Verdict:
    """Compare them."""
    verdict = Verdict(
        requests=sum(len(one.tries) for one in ledgers.sent),
        events=len(ledgers.sent),
        acknowledged=sum(one.acknowledged for one in ledgers.sent),
        completed=sum(one.status == "completed" for one in ledgers.stored),
        crashed=sum(one.status == "crashed" for one in ledgers.stored),
        duplicates=sum(one.status == "duplicate" for one in ledgers.stored),
        unanswered=sum(one.status is None for each in ledgers.sent for one in each.tries),
        refused=Counter(
            one.status for each in ledgers.sent for one in each.tries if one.status and not one.acknowledged
        ),
    )
    by_id = {one.id: one for one in ledgers.stored}
    by_event: defaultdict[str, list[Stored]] = defaultdict(list)
    for one in ledgers.stored:
        if one.event is not None:
            by_event[one.event].append(one)
    for sent in ledgers.sent:
        _acknowledged(sent, by_id, by_event[sent.event], verdict)
    written = {effect.delivery for effect in ledgers.effects}
    told = {one.delivery for sent in ledgers.sent for one in sent.tries if one.acknowledged}
    for one in ledgers.stored:
        if one.status != "rejected" or one.id in told:  # else the sender was refused, or hung up within the body
            _ended(one, ledgers, written, verdict)
    _effects(ledgers, by_event, verdict)
    _runs(ledgers, by_event, verdict)
    return verdict


def _acknowledged(sent: Sent, by_id: Mapping[str, Stored], stored: Sequence[Stored], verdict: Verdict) -> None:
    """What the sender was told is in the inbox, and whoever came back got an answer in the end."""
    for one in sent.tries:
        if one.acknowledged and (one.delivery is None or one.delivery not in by_id):
            verdict.lost[one.delivery or f"event {sent.event}"] = f"acknowledged with {one.status}, not in the inbox"
    if sent.acknowledged and not any(one.status != "duplicate" for one in stored):
        verdict.lost[f"event {sent.event}"] = "acknowledged, and the inbox has nothing but duplicates of it"
    if not sent.acknowledged and not sent.given_up:
        verdict.stuck[f"event {sent.event}"] = f"never acknowledged in {len(sent.tries)} tries"


def _ended(one: Stored, ledgers: Ledgers, written: set[str], verdict: Verdict) -> None:
    states = [state for run in one.runs for state in ledgers.runs.get(run, ())]
    latest = ledgers.runs.get(one.runs[-1], ())[-1:] if one.runs else ()
    if one.status in OPEN:
        verdict.stuck[one.id] = f"still {one.status}"
    elif one.status == "completed":
        if [state.type for state in latest] != ["COMPLETED"]:
            verdict.lost[one.id] = f"completed in the inbox, in Prefect {[state.type for state in latest]}"
        elif one.id not in written:
            verdict.lost[one.id] = "completed, and its flow wrote nothing"
    elif one.status == "crashed":
        if not _killed(states, ledgers.faults):
            verdict.lost[one.id] = "crashed, and nothing that ran it was killed"
    elif one.status != "duplicate":
        verdict.lost[one.id] = f"ended as {one.status}{f' ({one.reason})' if one.reason else ''}"


def _killed(states: Sequence[RunState], faults: Iterable[Injected]) -> bool:
    """Whether what ran it was killed between its first state and its crash."""
    crashes = [state.at for state in states if state.type == "CRASHED"]
    if not crashes:
        return False
    first, last = states[0].at, max(crashes)
    kills = (fault for fault in faults if fault.kind in {Kind.KILL, Kind.STOP} and fault.part.startswith(WORKERS))
    return any(first <= fault.ended and fault.began <= last for fault in kills)


def _effects(ledgers: Ledgers, by_event: Mapping[str, Sequence[Stored]], verdict: Verdict) -> None:
    rows = defaultdict(list)
    for effect in sorted(ledgers.effects, key=lambda effect: effect.at):
        rows[effect.event].append(effect)
    for event, written in rows.items():
        crashes = [at for type_, at in _states(event, ledgers, by_event) if type_ == "CRASHED"]
        for earlier, later in pairwise(written):
            if not any(earlier.at <= at <= later.at for at in crashes):
                verdict.doubled[later.delivery] = (
                    f"effect of {event} written by process {earlier.pid} and again by {later.pid}, no crash between"
                )


def _runs(ledgers: Ledgers, by_event: Mapping[str, Sequence[Stored]], verdict: Verdict) -> None:
    for event, stored in by_event.items():
        running = False
        for type_, _ in _states(event, ledgers, by_event):
            if type_ == "RUNNING" and running:
                verdict.doubled[stored[0].id] = f"{event} reached Running twice, no crash between"
            running = (running or type_ == "RUNNING") and type_ != "CRASHED"
    known = {run for one in ledgers.stored for run in one.runs}
    for run, states in ledgers.runs.items():
        if run not in known and any(state.type == "RUNNING" for state in states):
            verdict.doubled[f"run {run}"] = "ran, and no attempt in the inbox names it"
        elif states and states[-1].type not in FINAL:
            verdict.stuck[f"run {run}"] = f"still {states[-1].type} in Prefect"


def _states(event: str, ledgers: Ledgers, by_event: Mapping[str, Sequence[Stored]]) -> list[tuple[str, float]]:
    """Every state of every run for an event, oldest first."""
    runs = dict.fromkeys(run for one in by_event.get(event, ()) for run in one.runs)
    found = [(state.type, state.at) for run in runs for state in ledgers.runs.get(run, ())]
    return sorted(found, key=lambda each: each[1])


def recoveries(ledgers: Ledgers) -> dict[str, float]:
    """By kind of fault and part, the longest time in seconds from a fault's end to the next effect of an event that
    was sent after the fault began."""
    sent_at = {one.event: one.tries[0].at for one in ledgers.sent if one.tries}
    effects = sorted((effect.at, sent_at.get(effect.event, 0.0)) for effect in ledgers.effects)
    slowest: dict[str, float] = {}
    for fault in ledgers.faults:
        at = next((at for at, sent in effects if at >= fault.ended and sent >= fault.began), None)
        if at is not None:
            name = named(fault)
            slowest[name] = max(slowest.get(name, 0.0), at - fault.ended)
    return slowest


def named(fault: Injected) -> str:
    """The kind and the part, without the number that tells parts of a kind apart."""
    return f"{fault.kind}: {fault.part.rstrip('0123456789').rstrip('-')}"
