"""What to do with children and runs, as decisions without processes, clocks or Prefect."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5


@dataclass(frozen=True, kw_only=True)
class PoolOptions:
    """How a pool keeps its children. Read from the values of the same names in the pool's job configuration.

    `children`: processes of a worker, which is how many runs it does at a time; `min_idle` of them are kept ready.
    `max_runs_per_child`, `max_child_memory` (MiB, resident): past these a process makes room for a fresh one after
    its run. `idle_seconds`: after which an idle process beyond those kept ready ends. Seconds: a cancelled run has
    `cancel_grace` to obey before its child is killed; when the worker is stopped, runs have `stop_grace` to finish; a
    worker that was not heard for `lost_after` is lost with its machine, and another one of the pool ends its runs.
    """

    children: int = 4
    min_idle: int = 1
    max_runs_per_child: int = 500
    max_child_memory: int = 512
    idle_seconds: float = 300.0
    cancel_grace: float = 10.0
    stop_grace: float = 4.0
    lost_after: float = 600.0

    @classmethod
    def from_template(cls, template: Mapping[str, Any], limit: int | None = None) -> PoolOptions:
        """From a base job template; `limit` (the worker's own `--limit`) takes the place of `children`."""
        values = template.get("job_configuration", {})
        chosen = {name: values[name] for name in cls.__dataclass_fields__ if values.get(name) is not None}
        if limit is not None:
            chosen["children"] = limit
        return cls(**chosen)


class ChildState(Enum):
    """Where a child is in its life. RETIRING ones take nothing new and are on their way out."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    RETIRING = "retiring"


@dataclass(frozen=True, kw_only=True)
class ChildView:
    """What decisions need to know of a child. `generation` is the number of its zygote."""

    number: int
    state: ChildState
    generation: int = 1
    idle_since: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Children to start, and the numbers of those to let go."""

    start: int = 0
    retire: tuple[int, ...] = ()


def plan_children(
    children: Iterable[ChildView], waiting: int, options: PoolOptions, generation: int, now: float
) -> Plan:
    """Enough children for `waiting` runs and `min_idle` more, never more than `children` that can run something.

    Idle children of an older zygote go at once; idle ones beyond `min_idle` after `idle_seconds`.
    """
    alive = [child for child in children if child.state is not ChildState.RETIRING]
    outdated = [child for child in alive if child.state is ChildState.IDLE and child.generation != generation]
    alive = [child for child in alive if child not in outdated]
    free = [child for child in alive if child.state in (ChildState.IDLE, ChildState.STARTING)]
    wanted = waiting + options.min_idle - len(free)
    start = max(0, min(wanted, options.children - len(alive)))
    spare = sorted(
        (child for child in free if child.state is ChildState.IDLE and now - child.idle_since >= options.idle_seconds),
        key=lambda child: child.idle_since,
    )[: max(0, len(free) - options.min_idle - waiting)]
    return Plan(start=start, retire=tuple(child.number for child in [*outdated, *spare]))


@dataclass(frozen=True, kw_only=True)
class Vitals:
    """A child's state of health after a run: runs done, resident memory in MiB, threads, open descriptors."""

    runs: int
    memory: float
    threads: int = 0
    descriptors: int = 0


MAX_THREADS = 64
MAX_DESCRIPTORS = 512


def recycle_reason(vitals: Vitals, options: PoolOptions) -> str | None:
    """Why a child should make room for a fresh one, in words for the log; None when it may go on."""
    if vitals.runs >= options.max_runs_per_child:
        return f"it has done {vitals.runs} runs"
    if vitals.memory >= options.max_child_memory:
        return f"it holds {vitals.memory:.0f} MiB"
    if vitals.threads >= MAX_THREADS:
        return f"{vitals.threads} threads are left in it"
    if vitals.descriptors >= MAX_DESCRIPTORS:
        return f"{vitals.descriptors} descriptors are open in it"
    return None


def claim_token(flow_run_id: UUID, run_count: int) -> UUID:
    """The transition id that every worker gives a claim of this run at this count, and its child the final state.

    Prefect rejects a transition whose id equals that of the current state. So a worker that looked before another one
    claimed, ran and finished the run cannot take it from its final state back to Pending: the count it saw is in both.
    """
    return uuid5(NAMESPACE_URL, f"warm-worker:{flow_run_id}:{run_count}")


def step_token(claim: UUID, *, final: bool, running: bool) -> UUID:
    """The transition id that a child gives a state of a claimed run.

    A child that was killed while its Running was under way may have it taken after the next child was given the run,
    which then says the same: Prefect records it once.
    """
    if final:
        return claim
    return uuid5(claim, "running") if running else uuid4()


class Ending(Enum):
    """What is left for the worker to do when a run has left its child."""

    NOTHING = "nothing"
    AGAIN = "again"
    CRASHED = "crashed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed out"


FINAL = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})
MAX_STARTS = 2


def after_end(outcome: Mapping[str, Any]) -> Ending:
    """A child said that it is done: `{"state": type or None, "broken": message or None}`."""
    if outcome.get("broken"):
        return Ending.CRASHED
    return Ending.CANCELLED if outcome.get("state") == "CANCELLING" else Ending.NOTHING


def after_death(
    state_type: str, state_name: str, *, starts: int, timed_out: bool, cancelled: bool, stopping: bool = False
) -> Ending:
    """A child died over a run that Prefect holds in this state.

    Pending means that the run never began, so it may be given to another child: at most `MAX_STARTS` times in all.
    """
    if state_type in FINAL or (state_type == "PAUSED" and state_name == "Suspended"):
        return Ending.NOTHING
    if cancelled or state_type == "CANCELLING":
        return Ending.CANCELLED
    if timed_out:
        return Ending.TIMED_OUT
    if state_type == "PENDING" and (stopping or starts < MAX_STARTS):
        return Ending.AGAIN
    return Ending.CRASHED


def refusal(entrypoint: str | None, pull_steps: object, image: object, command: object) -> str | None:
    """Why a deployment cannot run in a warm pool, naming what to use instead; None when it can."""
    if image:
        return "A warm pool runs no images: deploy it to a work pool of type docker or kubernetes."
    if pull_steps:
        return (
            "A warm pool runs no pull steps, the code has been imported already: say `pull: []` in prefect.yaml, or"
            " deploy to a work pool of type process."
        )
    if command:
        return "A warm pool starts no command for a run: deploy it to a work pool of type process."
    if not entrypoint or ":" in entrypoint:
        return (
            f"A warm pool imports flows as modules, and the entrypoint is {entrypoint!r}: name it `package.module.flow`"
            " or deploy to a work pool of type process."
        )
    return None


def death_in_words(status: int | None) -> str:
    """A child's exit status (negative: the signal that killed it) as a sentence."""
    if status is None:
        return "The process that ran it was lost with the one it came from."
    if status >= 0:
        return f"The process that ran it exited with status {status}."
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = "unknown"
    hint = " (memory used up, or killed by hand)" if -status == signal.SIGKILL else ""
    return f"The process that ran it was ended by signal {-status}, {name}{hint}."
