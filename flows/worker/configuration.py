"""What a warm work pool can be told, and what a run gets of it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from prefect.workers.base import BaseJobConfiguration, BaseWorkerResult
from pydantic import Field

from flows.worker.pool import PoolOptions


class WarmJobConfiguration(BaseJobConfiguration):
    """One run's settings, after the pool's, the deployment's and the run's own variables have been put together."""

    stream_output: bool = Field(default=True, description="Whether the worker prints what the run prints.")
    working_dir: Path | None = Field(default=None, description="Folder the run works in.")
    max_run_seconds: float | None = Field(default=None, description="Longest time a run may take.")
    memory_limit: int | None = Field(default=None, description="MiB a run may allocate.")


_VARIABLES: dict[str, dict[str, Any]] = {
    "env": {
        "type": "object",
        "title": "Environment Variables",
        "description": "Environment variables of a run.",
    },
    "working_dir": {
        "type": ["string", "null"],
        "title": "Working Directory",
        "description": "Folder a run works in. Without it, each run has a temporary one of its own.",
    },
    "max_run_seconds": {
        "type": ["number", "null"],
        "exclusiveMinimum": 0,
        "title": "Longest Run",
        "description": "Seconds after which a run's process is killed and the run becomes TimedOut. Empty: no end.",
        "default": 3600,
    },
    "memory_limit": {
        "type": ["integer", "null"],
        "exclusiveMinimum": 0,
        "title": "Memory Limit",
        "description": "MiB of memory a run may allocate before Python raises MemoryError (Linux). Empty: no limit.",
    },
    "stream_output": {
        "type": "boolean",
        "title": "Stream Output",
        "description": "Whether the worker prints what runs print, behind the name of the run.",
        "default": True,
    },
}


def base_job_template() -> dict[str, Any]:
    """A warm pool's template, `{"variables", "job_configuration"}`, as Prefect keeps and shows it.

    Prefect's server checks the schema of the variables and each default anew whenever it creates a run, a millisecond a
    property. So only what may differ from run to run is a variable; what concerns the pool as a whole (`PoolOptions`)
    are plain values of the job configuration.
    """
    configuration = {name: f"{{{{ {name} }}}}" for name in _VARIABLES}
    return {
        "variables": {"type": "object", "properties": {name: dict(schema) for name, schema in _VARIABLES.items()}},
        "job_configuration": {**configuration, **asdict(PoolOptions())},
    }


class WarmWorkerResult(BaseWorkerResult):
    """How a run left its child: status 0 whenever Prefect holds its last state."""
