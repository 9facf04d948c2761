"""Which workers of this machine are alive, told by locked files: a killed worker's runs are found and mended.

Each worker process has an id and a file of that name which it keeps locked; zygote and children inherit the lock, so
that a free lock means that nothing of that worker runs any more. The id is in the message of its Pending states and in
the infrastructure id of its runs.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from prefect.client.schemas.objects import FlowRun

from flows.worker.pool import Ending


@dataclass(frozen=True)
class Instance:
    """A worker's id and its locked file, as path and open descriptor."""

    id: str
    path: Path
    descriptor: int

    def leave(self) -> None:
        """Nothing of this worker is left to mend."""
        self.path.unlink(missing_ok=True)
        os.close(self.descriptor)


def enter(folder: Path) -> Instance:
    """A new instance with its lock taken."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = uuid4().hex[:12]
    path = folder / f"{name}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return Instance(name, path, descriptor)


def dead_ones(folder: Path) -> Iterator[Instance]:
    """Instances of which no process is left, locked by us while they are mended; call `leave` when done."""
    for path in sorted(folder.glob("*.lock")):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # another worker has mended it
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            continue
        yield Instance(path.stem, path, descriptor)


def claim_message(worker: str, instance: str) -> str:
    """The message of the Pending state of a claimed run."""
    return f"Claimed by warm worker {worker!r} [{instance}]"


def infrastructure_id(instance: str) -> str:
    """What a run's `infrastructure_pid` says, from its first moment in a child."""
    return f"warm:{instance}"


def left_behind(flow_run: FlowRun, instance: str) -> Ending:
    """What a dead instance owes this run: begin it again when it never began, else report it crashed or cancelled."""
    state = flow_run.state
    if state is None or state.is_final():
        return Ending.NOTHING
    if state.is_pending():
        return Ending.AGAIN if f"[{instance}]" in (state.message or "") else Ending.NOTHING
    if flow_run.infrastructure_pid != infrastructure_id(instance):
        return Ending.NOTHING
    if state.is_cancelling():
        return Ending.CANCELLED
    waiting_in_process = flow_run.empirical_policy.retry_type == "in_process"
    if state.is_running() or (state.is_scheduled() and waiting_in_process):
        return Ending.CRASHED
    return Ending.CRASHED if state.is_paused() and state.name != "Suspended" else Ending.NOTHING
