"""What a warm work pool can be told: variables in Prefect's UI, and what a run gets of them."""

from __future__ import annotations

from pathlib import Path

from prefect.workers.base import BaseJobConfiguration, BaseVariables, BaseWorkerResult
from pydantic import Field

from flows.worker.pool import PoolOptions

_DEFAULTS = PoolOptions()


class WarmJobConfiguration(BaseJobConfiguration):
    """One run's settings, after the pool's, the deployment's and the run's own variables have been put together."""

    stream_output: bool = Field(default=True, description="Whether the worker prints what the run prints.")
    working_dir: Path | None = Field(default=None, description="Folder the run works in.")
    max_run_seconds: float | None = Field(default=None, description="Longest time a run may take.")
    memory_limit: int | None = Field(default=None, description="MiB a run may allocate.")


class WarmVariables(BaseVariables):
    """The pool's variables. The second half concerns the pool as a whole: only the defaults set here count."""

    stream_output: bool = Field(
        default=True, description="If enabled, the worker prints what runs print, behind the name of the run."
    )
    working_dir: Path | None = Field(
        default=None,
        title="Working Directory",
        description="Folder a run works in. Without it, each run has a temporary one of its own.",
    )
    max_run_seconds: float | None = Field(
        default=3600.0,
        gt=0,
        title="Longest Run",
        description="Seconds after which a run's process is killed and the run becomes TimedOut. Empty: no end.",
    )
    memory_limit: int | None = Field(
        default=None,
        gt=0,
        title="Memory Limit",
        description="MiB of memory a run may allocate before Python raises MemoryError (Linux). Empty: no limit.",
    )
    children: int = Field(
        default=_DEFAULTS.children,
        ge=1,
        description="Processes of a worker, which is how many runs it does at a time. The worker's --limit goes first.",
    )
    min_idle: int = Field(
        default=_DEFAULTS.min_idle, ge=0, title="Idle Processes", description="Processes kept ready for the next run."
    )
    max_runs_per_child: int = Field(
        default=_DEFAULTS.max_runs_per_child,
        ge=1,
        title="Runs per Process",
        description="Runs after which a process makes room for a fresh one.",
    )
    max_child_memory: int = Field(
        default=_DEFAULTS.max_child_memory,
        ge=64,
        title="Memory per Process",
        description="MiB of resident memory above which a process makes room for a fresh one after its run.",
    )
    idle_seconds: float = Field(
        default=_DEFAULTS.idle_seconds,
        ge=0,
        title="Idle Time",
        description="Seconds after which an idle process beyond the number kept ready ends.",
    )
    cancel_grace: float = Field(
        default=_DEFAULTS.cancel_grace,
        ge=0,
        title="Cancellation Grace",
        description="Seconds a cancelled run has to end before its process is killed.",
    )
    stop_grace: float = Field(
        default=_DEFAULTS.stop_grace,
        ge=0,
        title="Stop Grace",
        description="Seconds that running flows have to finish when the worker is stopped.",
    )


class WarmWorkerResult(BaseWorkerResult):
    """How a run left its child: status 0 whenever Prefect holds its last state."""
