"""Which workers of this machine are alive, told by locked files: a killed worker's runs are found and mended.

Each worker process has an id and a file of that name which it keeps locked; zygote and children inherit the lock, so
that a free lock means that nothing of that worker runs any more. The id is in the message of its Pending states and in
the infrastructure id of its runs.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from prefect.client.schemas.objects import FlowRun

from flows.worker.pool import Ending

_OURS = "warm:"
_CLAIM = re.compile(r"Claimed by warm worker '(?P<worker>.*)' \[(?P<instance>[0-9a-f]{12})\]")


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


def of_this_machine(folder: Path) -> set[str]:
    """Ids of all instances that are alive here, or wait for a worker here to mend them."""
    return {path.stem for path in folder.glob("*.lock")}


def claim_message(worker: str, instance: str) -> str:
    """The message of the Pending state of a claimed run."""
    return f"Claimed by warm worker '{worker}' [{instance}]"


def claimant(message: str | None) -> tuple[str, str] | None:
    """The worker's name and its instance, of a state whose message is `claim_message`'s."""
    found = _CLAIM.fullmatch(message or "")
    return None if found is None else (found["worker"], found["instance"])


def infrastructure_id(instance: str) -> str:
    """What a run's `infrastructure_pid` says, from its first moment in a child."""
    return f"{_OURS}{instance}"


def instance_of(flow_run: FlowRun) -> str | None:
    """Which instance has this run in hand, as Prefect tells; None when no warm worker has."""
    if flow_run.state is not None and flow_run.state.is_pending():
        claimed = claimant(flow_run.state.message)
        return None if claimed is None else claimed[1]
    label = flow_run.infrastructure_pid or ""
    return label.removeprefix(_OURS) if label.startswith(_OURS) else None


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
